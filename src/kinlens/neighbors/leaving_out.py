"""Neighbors without some that would be found: the query itself, or what is all too near."""

from __future__ import annotations

import numpy as np

from kinlens.neighbors.index import ExactIndex
from kinlens.neighbors.result import Distances, Mask, NeighborMetric, Neighbors, Rows
from kinlens.types import Vectors

_GROWTH = 4
_CELLS = 1 << 21
"""Neighbors asked for at once: 32 MB of them."""

NOBODY = -1
"""Stands where a query has fewer than k neighbors, at an infinite distance."""


def search_leaving_out(
    index: ExactIndex,
    queries: Vectors,
    k: int,
    *,
    metric: NeighborMetric,
    own: Rows | None = None,
    min_distance: float | None = None,
    mask: Mask | None = None,
) -> Neighbors:
    """The k nearest of those that count, exactly; where some are left out, farther ones follow.

    Parameters
    ----------
    queries : float32 (q, dim)
    own : int64 (q,), the row that is the query itself and is left out; -1 for none
    min_distance : rows nearer than this are left out
    mask : see `ExactIndex.search`

    Returns
    -------
    neighbors : always k wide; `NOBODY` at an infinite distance fills up
    """
    distances = np.full((len(queries), k), np.inf)
    rows = np.full((len(queries), k), NOBODY)
    kernels: dict[str, None] = {}
    candidates, certified = 0, True
    left = np.arange(len(queries))
    ask = k + (own is not None)
    while len(left) and k:
        again = []
        step = max(1, _CELLS // ask)
        for start in range(0, len(left), step):
            some = left[start : start + step]
            found = index.search(queries[some], ask, metric=metric, mask=mask)
            kernels[found.kernel] = None
            candidates, certified = candidates + found.candidates, certified and found.certified
            counts = _counting(found, None if own is None else own[some], min_distance)
            distances[some], rows[some] = _kept(found, counts, k)
            if found.rows.shape[1] == ask:
                again.append(some[counts.sum(axis=1) < k])
        left = np.concatenate([*again, np.empty(0, np.int64)])
        ask *= _GROWTH
    return Neighbors(distances, rows, certified, "+".join(kernels) or "none", candidates)


def merged(first: tuple[Distances, Rows], second: tuple[Distances, Rows]) -> tuple[Distances, Rows]:
    """The nearest of two lists a query, as many as each has, ties by the lower row."""
    distances = np.concatenate([first[0], second[0]], axis=1)
    rows = np.concatenate([first[1], second[1]], axis=1)
    best = np.lexsort((rows, distances), axis=-1)[:, : first[0].shape[1]]
    return np.take_along_axis(distances, best, 1), np.take_along_axis(rows, best, 1)


def _counting(found: Neighbors, own: Rows | None, min_distance: float | None) -> Mask:
    counts = np.ones(found.rows.shape, np.bool_)
    if own is not None:
        counts &= found.rows != own[:, np.newaxis]
    if min_distance is not None:
        counts &= found.distances >= min_distance
    return counts


def _kept(found: Neighbors, counts: Mask, k: int) -> tuple[Distances, Rows]:
    """The first k that count, in their order, filled up."""
    order = np.argsort(~counts, axis=1, kind="stable")[:, :k]
    count = np.take_along_axis(counts, order, 1)
    distances = np.full((len(order), k), np.inf)
    rows = np.full((len(order), k), NOBODY)
    here = slice(None), slice(order.shape[1])
    distances[here] = np.where(count, np.take_along_axis(found.distances, order, 1), np.inf)
    rows[here] = np.where(count, np.take_along_axis(found.rows, order, 1), NOBODY)
    return distances, rows
