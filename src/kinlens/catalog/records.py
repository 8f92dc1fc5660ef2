"""Items and vectors as they lie in the tables."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from kinlens.errors import CatalogError, InvalidInput
from kinlens.types import MAX_INTEGER, MIN_INTEGER, Item, Metadata, Vectors, check_id

ITEM_COLUMNS = "id, picture, content_hash, width, height, metadata"
VECTOR_DTYPE = np.dtype("<f4")

_LENGTH_TOLERANCE = 1e-3


def items_of(found: Sequence[Sequence[Any]]) -> list[Item]:
    """The items of records of `ITEM_COLUMNS`."""
    metadata = metadata_of([record[-1] for record in found], lambda place: found[place][0])
    return [
        Item(item_id, picture, content_hash, width, height, fields)
        for (item_id, picture, content_hash, width, height, _), fields in zip(
            found, metadata, strict=True
        )
    ]


def metadata_of(texts: Sequence[str], id_at: Callable[[int], str]) -> list[Metadata]:
    """The metadata of items.

    Parameters
    ----------
    texts : as `records_of` made them
    id_at : the id of the item at an offset, for messages

    Raises
    ------
    CatalogError : one is damaged; the message names it
    """
    try:
        # One document of all: a call of the parser for each costs twice as much.
        found: list[Metadata] = json.loads(f"[{','.join(texts)}]")
    except (ValueError, RecursionError):
        found = []
    if len(found) == len(texts) and all(isinstance(one, dict) for one in found):
        return found
    bad = next((place for place, text in enumerate(texts) if not _is_object(text)), 0)
    raise damaged(id_at(bad), "its metadata isn't a JSON object")


def vectors_of(blobs: Sequence[bytes], dim: int, id_at: Callable[[int], str]) -> Vectors:
    """The vectors of items, float32 (n, dim).

    Parameters
    ----------
    blobs : as `blobs_of` made them
    dim : of the encoder
    id_at : the id of the item at an offset, for messages

    Raises
    ------
    CatalogError : one is damaged; the message names it
    """
    wanted = dim * VECTOR_DTYPE.itemsize
    sizes = list(map(len, blobs))
    if sizes.count(wanted) != len(sizes):
        place = next(place for place, size in enumerate(sizes) if size != wanted)
        reason = f"its vector has {sizes[place]} bytes, and {wanted} are needed"
        raise damaged(id_at(place), reason)
    vectors = np.frombuffer(b"".join(blobs), VECTOR_DTYPE).reshape(-1, dim)
    squares = np.einsum("ij,ij->i", vectors, vectors)
    wrong = np.flatnonzero(~(np.abs(squares - 1) <= 2 * _LENGTH_TOLERANCE))
    if len(wrong):
        raise damaged(id_at(int(wrong[0])), "its vector hasn't unit length")
    return vectors.astype(np.float32, copy=False)


def damaged(item_id: str, what: str) -> CatalogError:
    """For an item that can't be read."""
    return CatalogError(
        f"The item {item_id!r:.80} is damaged: {what}. `kinlens doctor --deep` lists all that is "
        "damaged and says what can be done."
    )


def id_of_row(connection: sqlite3.Connection, row: int) -> str:
    """The id of the item in a row, for messages."""
    found = connection.execute("SELECT id FROM items WHERE row = ?", (row,)).fetchone()
    return str(found[0]) if found else f"(row {row})"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def items_by_row(connection: sqlite3.Connection, rows: Iterable[int]) -> dict[int, Item]:
    """The items of these rows."""
    found = connection.execute(
        f"SELECT {ITEM_COLUMNS}, row FROM items WHERE row IN (SELECT value FROM json_each(?))",
        (json.dumps(list(rows)),),
    ).fetchall()
    items = items_of([record[:-1] for record in found])
    return {record[-1]: item for record, item in zip(found, items, strict=True)}


def usable_ids(ids: Iterable[str]) -> str:
    """A JSON list of those ids that an item can have at all."""
    return json.dumps([one for one in ids if _is_id(one)], ensure_ascii=False)


def records_of(items: Sequence[Item]) -> list[tuple[Any, ...]]:
    """A record of `ITEM_COLUMNS` for each item.

    Raises
    ------
    InvalidInput : an id or a metadata value that can't be stored, or an id that is given twice
    """
    seen: set[str] = set()
    for item in items:
        check_id(item.id)
        if item.id in seen:
            raise InvalidInput(
                f"The ids of one upsert are distinct; {item.id!r:.80} is given twice."
            )
        seen.add(item.id)
    return [
        (
            item.id,
            item.picture,
            item.content_hash,
            item.width,
            item.height,
            _metadata_json(item.id, item.metadata),
        )
        for item in items
    ]


def blobs_of(vectors: Vectors, count: int, dim: int) -> list[bytes]:
    """The bytes of each vector.

    Raises
    ------
    InvalidInput : not (count, dim), not finite, or not of unit length
    """
    checked = checked_vectors(vectors, dim)
    if len(checked) != count:
        raise InvalidInput(
            f"Each item needs one vector; got {count} items and {len(checked)} vectors."
        )
    return [vector.tobytes() for vector in checked.astype(VECTOR_DTYPE, copy=False)]


def checked_vectors(vectors: Vectors, dim: int) -> Vectors:
    """The vectors as contiguous float32; `InvalidInput` unless (n, dim), finite, unit length."""
    array = np.ascontiguousarray(vectors, np.float32)
    if array.ndim != 2 or array.shape[1] != dim:
        raise InvalidInput(f"Vectors need the shape (n, {dim}); got {array.shape}.")
    squares = np.einsum("ij,ij->i", array, array)
    wrong = np.flatnonzero(~(np.abs(squares - 1) <= 2 * _LENGTH_TOLERANCE))
    if len(wrong):
        length = math.sqrt(squares[wrong[0]]) if squares[wrong[0]] >= 0 else math.nan
        raise InvalidInput(
            f"Vectors need unit length; vector {wrong[0]} has length {length:g}. Divide each by "
            "its length."
        )
    return array


def _is_id(candidate: str) -> bool:
    try:
        check_id(candidate)
    except InvalidInput:
        return False
    return True


def _metadata_json(item_id: str, metadata: Metadata) -> str:
    for name, value in metadata.items():
        if not isinstance(name, str) or not _is_value(value):
            raise InvalidInput(
                "Metadata is texts, finite numbers (whole ones from -2**63 to 2**63 - 1), true, "
                f"false, null and lists of texts, by name; item {item_id!r:.80} has {name!r:.80}: "
                f"{value!r:.80}."
            )
    text = json.dumps(dict(metadata), ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"Metadata is valid Unicode; item {item_id!r:.80} has a lone surrogate "
            f"({error.object[error.start]!a}). Decode the text with the right encoding."
        ) from None
    return text


def _is_value(value: object) -> bool:
    if value is None or isinstance(value, str | bool):
        return True
    if isinstance(value, int):
        return MIN_INTEGER <= value <= MAX_INTEGER
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
