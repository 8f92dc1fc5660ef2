"""Decides in float64 among the candidates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinlens.neighbors import exact
from kinlens.neighbors.result import Distances, Rows
from kinlens.neighbors.task import Decided, Shortlist, Task, key_of
from kinlens.types import Vectors

_PART = 2048
_AT_ONCE = 64
"""Candidates of one query so few that it costs more to rule some out first."""
_WIDE_SLIP = 2.0**-36

Positions = npt.NDArray[np.intp]


def decide(task: Task, shortlist: Shortlist) -> Decided:
    """The k nearest of the queries that aren't lost, in their order.

    The k likeliest of each query go first: their distances rule out most of the others.
    """
    if shortlist.decided is not None:
        return shortlist.decided
    if len(task.queries) == 1 and task.k <= len(shortlist.query) <= _AT_ONCE:
        return _decide_one(task, shortlist)
    left = np.flatnonzero(~shortlist.lost)
    first = np.searchsorted(shortlist.query, left)
    likely = first[:, np.newaxis] + np.arange(task.k)
    entries = likely.ravel()
    distances, rows = _looked_up(task, shortlist, entries)
    rest = _rest(task, shortlist, likely, distances.reshape(likely.shape))
    if len(rest):
        more, more_rows = _looked_up(task, shortlist, rest)
        entries = np.concatenate([entries, rest])
        distances, rows = np.concatenate([distances, more]), np.concatenate([rows, more_rows])
    query = shortlist.query[entries]
    order = np.lexsort((rows, distances, query))
    begin = np.searchsorted(query[order], left)
    best = order[begin[:, np.newaxis] + np.arange(task.k)]
    return Decided(distances[best], rows[best], len(entries))


def _decide_one(task: Task, shortlist: Shortlist) -> Decided:
    distances, rows = _looked_up(task, shortlist, np.arange(len(shortlist.query)))
    best = np.lexsort((rows, distances))[np.newaxis, : task.k]
    return Decided(distances[best], rows[best], len(rows))


def _rest(task: Task, shortlist: Shortlist, likely: Positions, distances: Distances) -> Positions:
    """The entries beyond the likely ones that may still be as near as the k-th of these."""
    farthest = key_of(distances.max(axis=1, initial=-np.inf), task.metric)
    limit = np.full(len(shortlist.lost), np.inf)
    limit[~shortlist.lost] = farthest + _WIDE_SLIP * np.abs(farthest)
    may = shortlist.lower <= limit[shortlist.query]
    may[likely.ravel()] = False
    return np.flatnonzero(may)


def _looked_up(task: Task, shortlist: Shortlist, entries: Positions) -> tuple[Distances, Rows]:
    distances, rows = np.empty(len(entries)), np.empty(len(entries), np.int64)
    by_chunk = np.argsort(shortlist.chunk[entries], kind="stable")
    for start in range(0, len(entries), _PART):
        part = by_chunk[start : start + _PART]
        which = entries[part]
        vectors, rows[part] = _gathered(task, shortlist.chunk[which], shortlist.slot[which])
        query = 0 if len(task.queries) == 1 else shortlist.query[which]
        distances[part] = exact.distances(vectors, task.queries[query], task.metric)
    return distances, rows


def _gathered(task: Task, chunk: Positions, slot: Positions) -> tuple[Vectors, Rows]:
    """Vectors and rows of slots; chunk ascends."""
    vectors = np.empty((len(slot), task.dim), np.float32)
    rows = np.empty(len(slot), np.int64)
    begins = np.flatnonzero(np.diff(chunk, prepend=-1))
    for begin, end in zip(begins, [*begins[1:], len(chunk)], strict=True):
        here, source = slot[begin:end], task.chunks[chunk[begin]]
        source.vectors.take(here, axis=0, out=vectors[begin:end], mode="clip")
        rows[begin:end] = source.rows[here]
    return vectors, rows
