"""Queries from outside the catalog: vectors in a file, or pictures to be encoded."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kinlens.errors import InvalidInput, SourceError
from kinlens.neighbor_table.asked import OUTSIDE, note_outside, outside_digests
from kinlens.neighbor_table.pictures import PictureQueries
from kinlens.neighbors.array_files import make_array, write_array
from kinlens.neighbors.vector_sources import (
    ParquetVectors,
    Readable,
    VectorSource,
    open_vectors,
)
from kinlens.parquet import ParquetTable
from kinlens.search import Search
from kinlens.sources import open_source
from kinlens.sources.rows import ID_COLUMNS, text_of
from kinlens.types import Outcome, Vectors

_BLOCK = 4096
_PARQUET = (".parquet", ".pq")


class Queries(Protocol):
    """What neighbors are wanted of, besides the catalog's items."""

    @property
    def mark(self) -> str:
        """Equal for the same queries."""

    def copy(self, folder: Path, state: Path) -> list[Outcome]:
        """Put their vectors into the folder of a run; see `Asked.load`.

        Parameters
        ----------
        folder : of the run
        state : where what is half done may be kept for the next try

        Returns
        -------
        failures : of pictures that have no vector
        """

    def forget(self, state: Path) -> None:
        """Delete what was kept for the next try."""


def open_queries(search: Search, what: Readable, column: str | None) -> Queries:
    """Vectors, or else pictures; see `write_neighbors`."""
    dim = search.encoder.dim
    if not isinstance(what, str | PathLike):
        return VectorQueries(open_vectors(what), dim)
    path = Path(what).expanduser()
    suffix = path.suffix.lower()
    try:
        is_there = path.exists()
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror}; name what can.") from error
    if suffix == ".npy" or not is_there:
        return VectorQueries(open_vectors(path), dim)
    if suffix in _PARQUET and path.is_file():
        table = ParquetTable(path)
        if column is not None or len(table.vector_columns()) == 1:
            return VectorQueries(ParquetVectors(path, column), dim, _ids(table))
    return PictureQueries(search, open_source(path))


class VectorQueries:
    """Vectors of any length but 0, and their ids.

    Parameters
    ----------
    vectors : to be read
    dim : of the catalog's
    ids : by row; None for the row numbers, from 0
    """

    def __init__(self, vectors: VectorSource, dim: int, ids: Sequence[str] | None = None) -> None:
        if vectors.dim != dim:
            raise InvalidInput(
                f"Queries need vectors of the catalog's encoder, with {dim} numbers; got "
                f"{vectors.dim}."
            )
        self._vectors = vectors
        self._ids = ids
        self.mark = vectors.mark

    def copy(self, folder: Path, state: Path) -> list[Outcome]:  # noqa: ARG002
        """See `Queries.copy`."""
        count, dim = len(self._vectors), self._vectors.dim
        ids = list(self._ids) if self._ids is not None else [str(row) for row in range(count)]
        make_array(folder / OUTSIDE, "<f4", (count, dim))
        digests = [outside_digests([], np.empty((0, dim), np.float32))]
        for start in range(0, count, _BLOCK):
            block = _unit(self._vectors.read(start, min(start + _BLOCK, count)), start)
            write_array(folder / OUTSIDE, start, block)
            digests.append(outside_digests(ids[start : start + _BLOCK], block))
        note_outside(folder, ids, np.concatenate(digests))
        return []

    def forget(self, state: Path) -> None:
        """See `Queries.forget`; nothing was."""


def _unit(vectors: Vectors, start: int) -> Vectors:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    nothing = np.flatnonzero(lengths == 0)
    if len(nothing):
        raise InvalidInput(
            f"A query needs a direction; row {start + nothing[0]} holds only zeros. Leave it out."
        )
    unit: Vectors = (vectors / lengths).astype(np.float32)
    return unit


def _ids(table: ParquetTable) -> list[str] | None:
    by_name = {name.strip().lower(): name for name in table.columns}
    column = next((by_name[name] for name in ID_COLUMNS if name in by_name), None)
    if column is None:
        return None
    ids = [_id(value, table.path, row) for row, value in enumerate(table.values(column), 1)]
    if len(set(ids)) < len(ids):
        raise SourceError(f"The ids of {table.path} are in {column!r}, and some are used twice.")
    return ids


def _id(value: Any, path: Path, row: int) -> str:
    text = text_of(value).replace("\0", "")
    if not text:
        raise SourceError(f"Row {row} of {path} has no id; fill it in.")
    return text
