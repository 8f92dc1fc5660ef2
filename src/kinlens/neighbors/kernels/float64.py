"""Decides on every row in float64: right for all numbers; what tests compare with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np

from kinlens.neighbors import exact
from kinlens.neighbors.kernels.base import PASS
from kinlens.neighbors.result import Distances, Rows
from kinlens.neighbors.task import Decided, Shortlist, Task
from kinlens.neighbors.workers import WORKERS
from kinlens.types import Vectors

Array = TypeVar("Array", Vectors, Rows)
_JOINED = 1 << 20
"""Numbers of vectors from several chunks that are put together."""
_WORTH_A_THREAD = 1 << 19


class Float64Kernel:
    """The oracle: plain, and slow but where there is hardly anything to look at."""

    name = "float64"
    queries_per_pass = PASS

    def missing(self) -> str:
        """Nothing."""
        return ""

    def is_usable_for(self, task: Task) -> bool:
        """Always."""
        return task.living >= task.k

    def shortlist(self, task: Task) -> Shortlist:
        """See `Kernel`."""
        count = len(task.queries)
        best = [(np.empty(0), np.empty(0, np.int64))] * count
        for vectors, rows in _pieces(task):

            def look(queries: Iterator[int], here: Vectors = vectors, names: Rows = rows) -> None:
                for query in queries:
                    found = exact.distances(here, task.queries[query], task.metric)
                    best[query] = _nearest(best[query], (found, names), task.k)

            most = 1 + count * vectors.size // _WORTH_A_THREAD
            WORKERS.share(range(count), look, most=most)
        decided = Decided(
            np.stack([distances for distances, _ in best]),
            np.stack([rows for _, rows in best]),
            count * task.living,
        )
        return Shortlist.without_entries(np.zeros(count, np.bool_), decided)


def _pieces(task: Task) -> Iterator[tuple[Vectors, Rows]]:
    """The rows that pass, and their vectors; those of a few small chunks together."""
    vectors: list[Vectors] = []
    rows: list[Rows] = []
    for chunk, passing in zip(task.chunks, task.passing, strict=True):
        here = slice(chunk.count) if passing is None else passing.nonzero()[0]
        vectors.append(chunk.vectors[here])
        rows.append(chunk.rows[here])
        if sum(part.size for part in vectors) > _JOINED:
            yield _joined(vectors), _joined(rows)
            vectors, rows = [], []
    if vectors:
        yield _joined(vectors), _joined(rows)


def _joined(parts: list[Array]) -> Array:
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _nearest(
    before: tuple[Distances, Rows], more: tuple[Distances, Rows], k: int
) -> tuple[Distances, Rows]:
    distances = np.concatenate([before[0], more[0]])
    rows = np.concatenate([before[1], more[1]])
    near = exact.nearest(distances, rows, k)
    return distances[near], rows[near]
