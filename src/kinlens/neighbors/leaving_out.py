"""Neighbors without some that would be found: the query itself, or what is all too near."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from kinlens.neighbors import exact
from kinlens.neighbors.all_pairs import search_all
from kinlens.neighbors.index import ExactIndex
from kinlens.neighbors.result import Distances, Mask, NeighborMetric, Neighbors, Rows, stacked
from kinlens.neighbors.scaling import Doubles
from kinlens.neighbors.task import key_of
from kinlens.types import Vectors

_GROWTH = 4
_SEARCHES = 2
"""So often more neighbors are asked for; then looking at every row costs less."""
_CELLS = 1 << 21
"""Neighbors asked for at once: 32 MB of them. Also pairs looked at, and numbers decided on."""
_ROWS = 4096
_SLIP = 2.0**-48
"""For each number of a vector, more than what float64 rounds of a key in either way."""

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
    index : no row of which was deleted
    queries : float32 (q, dim)
    own : int64 (q,), the row that is the query itself and is left out; -1 for none
    min_distance : rows nearer than this are left out
    mask : see `ExactIndex.search`

    Returns
    -------
    neighbors : always k wide; `NOBODY` at an infinite distance fills up
    """
    distances, rows = _nobody(len(queries), k)
    kernels: dict[str, None] = {}
    candidates, certified = 0, True
    left = np.arange(len(queries))
    ask = k + (own is not None)
    for _ in range(_SEARCHES if k else 0):
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
    if len(left) and k and min_distance is not None:
        itself = np.full(len(left), NOBODY) if own is None else own[left]
        scan = _Scan(queries[left], k, metric, min_distance, itself)
        distances[left], rows[left] = scan.run(index, mask)
        kernels["float64"] = None
        candidates += scan.candidates
    return Neighbors(distances, rows, certified, "+".join(kernels) or "none", candidates)


def search_others(
    index: ExactIndex, k: int, *, metric: NeighborMetric, begin: int = 0
) -> Iterator[Neighbors]:
    """The k nearest of the index's own vectors without itself, each; in runs of rows.

    What `search_leaving_out` finds for these queries, faster; see `search_all`.

    Parameters
    ----------
    index : no row of which was deleted
    begin : the first row of the first run
    """
    for found in search_all(index, k + 1, metric=metric, begin=begin):
        own = np.arange(begin, begin + len(found.rows))
        distances, rows = _kept(found, _counting(found, own, None), k)
        yield replace(found, distances=distances, rows=rows)
        begin += len(found.rows)


class Others:
    """The same, for whoever asks for so many rows at a time, mostly in order."""

    def __init__(self, k: int, metric: NeighborMetric) -> None:
        self._k = k
        self._metric = metric
        self._index: ExactIndex | None = None
        self._runs: Iterator[Neighbors] = iter(())
        self._ready: list[Neighbors] = []
        self._position = 0

    def take(self, index: ExactIndex, start: int, stop: int) -> Neighbors:
        """The neighbors of rows; fast where they follow those that were asked for last."""
        if index is not self._index or start != self._position:
            self._index, self._position, self._ready = index, start, []
            self._runs = search_others(index, self._k, metric=self._metric, begin=start)
        count, ready = stop - start, sum(len(run.rows) for run in self._ready)
        while ready < count:
            self._ready.append(next(self._runs))
            ready += len(self._ready[-1].rows)
        found = stacked(self._ready)
        rest = replace(
            found, distances=found.distances[count:], rows=found.rows[count:], candidates=0
        )
        self._position, self._ready = stop, [rest]
        return replace(found, distances=found.distances[:count], rows=found.rows[:count])


class _Scan:
    """Looks at every row, for queries with more rows too near than neighbors to find.

    Products in float64 tell what can be among the k nearest that count; `exact` decides on these.
    """

    def __init__(
        self, queries: Vectors, k: int, metric: NeighborMetric, min_distance: float, own: Rows
    ) -> None:
        self._queries = queries
        self._metric = metric
        self._least = min_distance
        self._floor = key_of(np.array(min_distance, np.float64), metric)
        self._own = own
        self._distances, self._rows = _nobody(len(queries), k)
        self.candidates = 0

    def run(self, index: ExactIndex, mask: Mask | None) -> tuple[Distances, Rows]:
        """Distances and rows of each query, filled up."""
        passing = np.arange(index.capacity) if mask is None else np.flatnonzero(mask)
        for start in range(0, len(passing), _ROWS):
            rows = passing[start : start + _ROWS]
            vectors = index.vectors(rows)
            step = max(1, _CELLS // len(rows))
            for first in range(0, len(self._queries), step):
                self._look(slice(first, first + step), vectors, rows)
        return self._distances, self._rows

    def _look(self, some: slice, vectors: Vectors, rows: Rows) -> None:
        """Bring some queries up to date with a block of rows."""
        query, slot = self._likely(some, vectors)
        others = rows[slot] != self._own[some][query]
        query, slot = query[others], slot[others]
        self.candidates += len(query)
        distances = self._decided(self._queries[some], vectors, query, slot)
        counts = distances >= self._least
        shape = self._distances[some].shape
        found = _listed(query[counts], distances[counts], rows[slot[counts]], shape)
        former = self._distances[some], self._rows[some]
        self._distances[some], self._rows[some] = merged(former, found)

    def _likely(self, some: slice, vectors: Vectors) -> tuple[Rows, Rows]:
        """Queries and slots of what may be among the k nearest that count, by query."""
        keys, slip = _keys(self._queries[some], vectors, self._metric)
        enough = self._distances.shape[1] + 1  # one of them may be the query itself
        limit = key_of(self._distances[some].max(axis=1), self._metric)
        if keys.shape[1] >= enough:
            sure = np.where(keys >= self._floor + slip, keys, np.inf)
            limit = np.minimum(limit, np.partition(sure, enough - 1, axis=1)[:, enough - 1])
        may = (keys >= self._floor - slip) & (keys <= limit[:, np.newaxis] + 2 * slip)
        query, slot = may.nonzero()
        return query, slot

    def _decided(self, queries: Vectors, vectors: Vectors, query: Rows, slot: Rows) -> Distances:
        distances = np.empty(len(query))
        step = max(1, _CELLS // vectors.shape[1])
        for start in range(0, len(query), step):
            part = slice(start, start + step)
            near = vectors[slot[part]], queries[query[part]]
            distances[part] = exact.distances(*near, self._metric)
        return distances


def _keys(queries: Vectors, vectors: Vectors, metric: NeighborMetric) -> tuple[Doubles, Doubles]:
    """Keys as `key_of` has them, (q, n), and how far they can be off, (q, 1)."""
    one, two = queries.astype(np.float64), vectors.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1, keepdims=True), np.linalg.norm(two, axis=1, keepdims=True)
    slip = _SLIP * (vectors.shape[1] + 1)
    if metric == "cosine":
        for wide, length in zip((one, two), lengths, strict=True):
            np.divide(wide, length, out=wide, where=length > 0)
        return -(one @ two.T), np.full((len(one), 1), slip)
    if metric == "inner":
        return -(one @ two.T), slip * lengths[0] * lengths[1].max()
    squares = np.square(lengths[0]), np.square(lengths[1])
    return squares[0] + squares[1].T - 2 * (one @ two.T), slip * (squares[0] + squares[1].max())


def _listed(
    query: Rows, distances: Distances, rows: Rows, shape: tuple[int, ...]
) -> tuple[Distances, Rows]:
    """The nearest of each query side by side, filled up."""
    order = np.lexsort((rows, distances, query))
    query, distances, rows = query[order], distances[order], rows[order]
    rank = np.arange(len(query)) - np.searchsorted(query, query)
    best = rank < shape[1]
    listed = _nobody(*shape)
    listed[0][query[best], rank[best]] = distances[best]
    listed[1][query[best], rank[best]] = rows[best]
    return listed


def _nobody(queries: int, k: int) -> tuple[Distances, Rows]:
    return np.full((queries, k), np.inf), np.full((queries, k), NOBODY)


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
    distances, rows = _nobody(len(order), k)
    here = slice(None), slice(order.shape[1])
    distances[here] = np.where(count, np.take_along_axis(found.distances, order, 1), np.inf)
    rows[here] = np.where(count, np.take_along_axis(found.rows, order, 1), NOBODY)
    return distances, rows
