"""Neighbors of the indexed vectors themselves: each one's own row doesn't count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from kinlens.neighbors.precise import PreciseIndex
from kinlens.neighbors.result import Distances, Neighbors, Rows, Within, chained, stacked

_AT_ONCE = 4096


def nearest_others(index: PreciseIndex, k: int) -> Neighbors:
    """The k nearest rows of each row but itself; duplicates of it count. k is n - 1 at most.

    Where more than k others are as near as the nearest, it is the first of these that is left out,
    as scikit-learn does.
    """
    parts: list[Neighbors] = []
    for found in index.search_all(k + 1):
        first = sum(len(part.rows) for part in parts)
        rows = np.arange(first, first + len(found.rows))
        own = found.rows == rows[:, np.newaxis]
        alone = ~own.any(axis=1)  # its k + 1 nearest are others: one too many
        tied = found.distances[:, 0] == found.distances[:, -1]
        own[alone & tied, 0] = True
        own[alone & ~tied, -1] = True
        parts.append(
            replace(
                found,
                distances=found.distances[~own].reshape(-1, k),
                rows=found.rows[~own].reshape(-1, k),
            )
        )
    return stacked(parts)


def others_within(index: PreciseIndex, radius: Distances) -> Within:
    """All rows within the radius of each row, float64 (n,), but itself."""
    parts = []
    for rows in _runs(len(index)):
        found = index.within(index.vectors(rows), radius[rows])
        query = np.repeat(np.arange(len(rows)), np.diff(found.begins))
        others = found.rows != rows[query]
        begins = np.concatenate([[0], np.cumsum(np.bincount(query[others], minlength=len(rows)))])
        parts.append(
            replace(
                found,
                distances=found.distances[others],
                rows=found.rows[others],
                begins=begins.astype(np.int64),
            )
        )
    return chained(parts)


def _runs(n: int) -> Iterator[Rows]:
    for start in range(0, n, _AT_ONCE):
        yield np.arange(start, min(start + _AT_ONCE, n))
