"""Rows of a table read past damaged pages, and what is wrong with the values of one."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from kinlens.adding import check_metadata
from kinlens.catalog.records import VECTOR_DTYPE
from kinlens.errors import InvalidInput
from kinlens.store import COPY, PATH
from kinlens.types import check_id

Row = dict[str, Any]

DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST_ROW = 2**63 - 1
_LENGTH_TOLERANCE = 2e-3
_FAILURES_ALLOWED, _FAILURES_ALLOWED_AT_FIRST = 1000, 100
"""Reads in a row that may fail before what is left of the gaps is given up."""

_BEYOND = 1 << 16


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    """The columns of a table; empty if there is none."""
    return [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")]


def readable_rows(
    connection: sqlite3.Connection,
    table: str,
    columns: list[str],
    unreadable: Callable[[int, int], None],
) -> Iterator[tuple[int, Row]]:
    """Each row that can be read with its number, past pages that can't.

    A range that can't be read is halved, the largest first, until what remains are its bad pages.

    Parameters
    ----------
    connection : see `databases.reader`
    table : one that has row numbers
    columns : to read
    unreadable : called with the first and last number of each gap in which a page is damaged
    """
    select = f"SELECT rowid, {', '.join(columns)} FROM {table} NOT INDEXED"
    ranges = deque([(-_LARGEST_ROW, _LARGEST_ROW)])
    failures, allowed = 0, _FAILURES_ALLOWED_AT_FIRST
    while ranges:
        low, high = ranges.popleft()
        if failures > allowed:
            unreadable(low, high)
            continue
        last = low - 1
        try:
            for row, *values in connection.execute(
                f"{select} WHERE rowid BETWEEN ? AND ? ORDER BY rowid", (low, high)
            ):
                last, failures, allowed = row, 0, _FAILURES_ALLOWED
                yield row, dict(zip(columns, values, strict=True))
        except sqlite3.Error:
            failures += 1
            first = last + 1
            if high == _LARGEST_ROW:
                first = max(first, 0)
                high = _last_row(connection, table, first)
            if first >= high:
                unreadable(first, max(first, high))
                continue
            middle = (first + high) // 2
            ranges += [(first, middle), (middle + 1, high)]


def _last_row(connection: sqlite3.Connection, table: str, first: int) -> int:
    """The largest row number that a table may have."""
    for query in (
        f"SELECT max(rowid) FROM {table} NOT INDEXED",
        f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'",
    ):
        with suppress(sqlite3.Error):
            found = connection.execute(query).fetchone()
            if found and isinstance(found[0], int) and found[0] >= first:
                return found[0]
    return first + _BEYOND


def id_fault(value: object) -> str | None:
    """What is wrong with an id."""
    try:
        check_id(value)  # type: ignore[arg-type]
    except InvalidInput:
        return "the id is no valid text of 1 to 512 characters"
    return None


def item_faults(row: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with an item's values but for its id and metadata, by column."""
    found = {}
    picture, digest = row["picture"], row["content_hash"]
    if not _is_reference(picture):
        found["picture"] = "the picture reference is neither path: nor copy: with a sha256"
    if not (isinstance(digest, str) and DIGEST.fullmatch(digest)):
        found["content_hash"] = "the content hash is no sha256"
    elif "picture" not in found and picture.startswith(COPY) and picture[len(COPY) :] != digest:
        found["content_hash"] = "the content hash isn't the one that the picture's copy is named by"
    for column in ("width", "height"):
        if not _is_count(row[column]) or row[column] < 1:
            found[column] = f"the {column} is no whole number from 1 up"
    return found


def _is_reference(value: object) -> bool:
    if not isinstance(value, str):
        return False
    if value.startswith(COPY):
        return DIGEST.fullmatch(value[len(COPY) :]) is not None
    return (value.startswith(f"{PATH}/") and "\0" not in value) or _is_windows_path(value)


def _is_windows_path(value: str) -> bool:
    return re.match(rf"{PATH}([A-Za-z]:)?\\", value) is not None and "\0" not in value


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_revision(value: object) -> bool:
    """Whether a value is a whole number from 0 up."""
    return isinstance(value, int) and value >= 0


def metadata_of(text: object) -> tuple[dict[str, Any], str | None]:
    """The usable fields of stored metadata, and what is wrong with the rest, if anything."""
    if not isinstance(text, str):
        return {}, "the metadata is no text"
    try:
        parsed = json.loads(text)
        text.encode()
    except (ValueError, RecursionError):
        return {}, "the metadata is no valid JSON"
    if not isinstance(parsed, dict):
        return {}, "the metadata is no JSON object"
    usable = {name: value for name, value in parsed.items() if _is_field(name, value)}
    if len(usable) < len(parsed):
        return usable, "the metadata has values that no item may have"
    return usable, None


def _is_field(name: str, value: Any) -> bool:
    try:
        check_metadata({name: value})
        name.encode()
    except (InvalidInput, UnicodeEncodeError):
        return False
    return True


def vector_fault(blob: object, dim: int) -> str | None:
    """What is wrong with a stored vector of a space of this dimension."""
    if not isinstance(blob, bytes) or len(blob) != dim * VECTOR_DTYPE.itemsize:
        return "the vector has another length than its encoder gives"
    vector = np.frombuffer(blob, VECTOR_DTYPE).astype(np.float64)
    if not np.isfinite(vector).all():
        return "the vector holds numbers that aren't finite"
    length = math.sqrt(float(vector @ vector))
    if abs(length * length - 1) > _LENGTH_TOLERANCE:
        return "the vector isn't of unit length"
    return None


def number_fault(value: object) -> bool:
    """Whether a value is no finite number."""
    return not isinstance(value, int | float) or not math.isfinite(value)
