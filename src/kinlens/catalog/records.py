"""Items and vectors as they lie in the tables."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kinlens.errors import InvalidInput
from kinlens.types import Item, Metadata, Vectors, check_id

ITEM_COLUMNS = "id, picture, content_hash, width, height, metadata"
VECTOR_DTYPE = np.dtype("<f4")

_LARGEST_INTEGER = 2**63
_LENGTH_TOLERANCE = 1e-3


def items_of(found: Sequence[Sequence[Any]]) -> list[Item]:
    """The items of records of `ITEM_COLUMNS`."""
    # One document of all: a call of the parser for each costs twice as much.
    metadata = json.loads(f"[{','.join([record[-1] for record in found])}]")
    return [
        Item(item_id, picture, content_hash, width, height, fields)
        for (item_id, picture, content_hash, width, height, _), fields in zip(
            found, metadata, strict=True
        )
    ]


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
                f"Metadata is texts, finite numbers (integers below 2**63), true, false, null and "
                f"lists of texts, by name; item {item_id!r:.80} has {name!r:.80}: {value!r:.80}."
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
        return -_LARGEST_INTEGER <= value < _LARGEST_INTEGER
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
