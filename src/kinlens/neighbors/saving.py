"""Neighbors as a table: a Parquet file with the columns id, neighbor, rank and distance."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kinlens.errors import InvalidInput
from kinlens.neighbors.array_files import write_error
from kinlens.neighbors.leaving_out import NOBODY
from kinlens.neighbors.result import Distances, Neighbors, Rows
from kinlens.parquet import Chosen, TableWriter

_CELLS = 1 << 18

Lists: TypeAlias = tuple[int, Distances, Rows]
"""Of consecutive queries: the number of the first, distances (n, k) and rows (n, k)."""


def save_neighbors(
    found: Neighbors,
    path: str | PathLike[str],
    *,
    ids: Sequence[str] | None = None,
    neighbor_ids: Sequence[str] | None = None,
) -> None:
    """Write neighbors to a Parquet file, which appears when it is whole.

    The columns are id, neighbor, rank (int32, from 1) and distance (float64); a row for each
    neighbor, in the order of the queries and of rank.

    Parameters
    ----------
    found : memory maps of any size are read block by block
    path : the file
    ids : of the queries; None for their row numbers, int64 from 0
    neighbor_ids : of the vectors; None for their row numbers

    Raises
    ------
    MissingDependency : Parquet needs pyarrow
    OutputError : no space left, or no right to write there; a former file stays
    """
    if ids is not None and len(ids) != len(found.rows):
        raise InvalidInput(f"Each query needs one id; got {len(ids)} for {len(found.rows)}.")
    target = Path(path)
    draft = target.with_name(f".{target.name}.draft")
    try:
        write_lists(draft, _blocks(found), ids, neighbor_ids, {})
        draft.replace(target)
    except OSError as error:
        raise write_error(error, target) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def write_lists(
    path: Path,
    lists: Iterable[Lists],
    ids: Sequence[str] | None,
    neighbor_ids: Sequence[str] | None,
    notes: Mapping[str, str],
) -> None:
    """Write lists to a Parquet file, durably; see `save_neighbors`.

    Parameters
    ----------
    lists : in the order of the queries; `NOBODY` is left out
    notes : kept in the file

    Raises
    ------
    OSError : it can't be written
    """
    with TableWriter(
        path,
        {
            "id": "int64" if ids is None else "text",
            "neighbor": "int64" if neighbor_ids is None else "text",
            "rank": "int32",
            "distance": "float64",
        },
        notes,
    ) as table:
        names = None if ids is None else table.texts(ids)
        neighbors = None if neighbor_ids is None else table.texts(neighbor_ids)
        for first, distances, rows in lists:
            query, rank = np.nonzero(rows != NOBODY)
            table.write(
                {
                    "id": _named(first + query, names),
                    "neighbor": _named(rows[query, rank], neighbors),
                    "rank": (rank + 1).astype(np.int32),
                    "distance": distances[query, rank],
                }
            )
    with path.open("rb") as file:
        os.fsync(file.fileno())


def block_length(k: int) -> int:
    """Lists of k neighbors that are written at once."""
    return max(1, _CELLS // max(1, k))


def _blocks(found: Neighbors) -> Iterator[Lists]:
    step = block_length(found.rows.shape[1])
    for start in range(0, len(found.rows), step):
        part = slice(start, start + step)
        yield start, np.asarray(found.distances[part]), np.asarray(found.rows[part])


def _named(numbers: npt.NDArray[np.int64], texts: Any) -> Chosen | npt.NDArray[np.int64]:
    return numbers if texts is None else Chosen(texts, numbers)
