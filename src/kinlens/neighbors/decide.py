"""Decides in float64 among the candidates."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kinlens.neighbors import exact
from kinlens.neighbors.desk import Desk, at_desk
from kinlens.neighbors.kernels import bounds
from kinlens.neighbors.kernels.closer import Closer
from kinlens.neighbors.result import Distances, Rows
from kinlens.neighbors.task import Decided, Shortlist, Task, key_of
from kinlens.neighbors.workers import WORKERS
from kinlens.types import Vectors

_PART = 1 << 20
"""Numbers of candidates looked up by one thread at a time."""
_AT_ONCE = 64
"""Candidates of one query so few that it costs more to rule some out first."""
_MANY = 512
"""Candidates so many that it pays to rule some out by a closer look first."""
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
    distances, rows = _looked_up(task, shortlist, likely.ravel(), task.k)
    distances, rows = distances.reshape(likely.shape), rows.reshape(likely.shape)
    rest = _rest(task, shortlist, likely, distances)
    order = np.lexsort((rows, distances), axis=1)
    distances = np.take_along_axis(distances, order, 1)
    rows = np.take_along_axis(rows, order, 1)
    if len(rest):
        more = _looked_up(task, shortlist, rest)
        _merge(distances, rows, *more, np.searchsorted(left, shortlist.query[rest]))
    return Decided(distances, rows, likely.size + len(rest))


def _merge(
    distances: Distances, rows: Rows, more: Distances, more_rows: Rows, query: Positions
) -> None:
    """Take in more entries, given with the query of each, in ascending order of these."""
    k = distances.shape[1]
    touched, place = np.unique(query, return_inverse=True)
    owner = np.concatenate([np.repeat(np.arange(len(touched)), k), place])
    all_distances = np.concatenate([distances[touched].ravel(), more])
    all_rows = np.concatenate([rows[touched].ravel(), more_rows])
    order = np.lexsort((all_rows, all_distances, owner))
    begin = np.searchsorted(owner[order], np.arange(len(touched)))
    best = order[begin[:, np.newaxis] + np.arange(k)]
    distances[touched], rows[touched] = all_distances[best], all_rows[best]


def _decide_one(task: Task, shortlist: Shortlist) -> Decided:
    count = len(shortlist.query)
    distances, rows = _looked_up(task, shortlist, np.arange(count), count)
    best = np.lexsort((rows, distances))[np.newaxis, : task.k]
    return Decided(distances[best], rows[best], len(rows))


def _rest(task: Task, shortlist: Shortlist, likely: Positions, distances: Distances) -> Positions:
    """The entries beyond the likely ones that may still be as near as the k-th of these."""
    farthest = key_of(distances.max(axis=1, initial=-np.inf), task.metric)
    limit = np.full(len(shortlist.lost), np.inf)
    limit[~shortlist.lost] = farthest + _WIDE_SLIP * np.abs(farthest)
    may = shortlist.lower <= limit[shortlist.query]
    may[likely.ravel()] = False
    rest = may.nonzero()[0]
    if len(rest) < _MANY or not bounds.in_range(task):
        return rest
    return rest[_closer(task, shortlist, rest) <= limit[shortlist.query[rest]]]


def _closer(task: Task, shortlist: Shortlist, entries: Positions) -> npt.NDArray[np.float64]:
    """At most the keys, by float32: it takes a third of the time."""
    closer, lower = Closer(task), np.empty(len(entries))
    order = np.argsort(shortlist.chunk[entries], kind="stable")
    step = max(1, _PART // task.dim)

    def look(parts: Iterator[int]) -> None:
        for start in parts:
            part = order[start : start + step]
            one = entries[part]
            lower[part], _ = closer.keys(
                shortlist.query[one], shortlist.chunk[one], shortlist.slot[one]
            )

    WORKERS.share(range(0, len(order), step), look, most=WORKERS.threads)
    return lower


def _looked_up(
    task: Task, shortlist: Shortlist, entries: Positions, times: int = 1
) -> tuple[Distances, Rows]:
    """Distances and rows of entries, of which so many in a row are of one query."""
    distances, rows = np.empty(len(entries)), np.empty(len(entries), np.int64)
    step = max(1, _PART // (times * task.dim)) * times

    def look(parts: Iterator[int]) -> None:
        with at_desk() as desk:
            for start in parts:
                part = slice(start, start + step)
                vectors, rows[part] = _gathered(task, shortlist, entries[part], desk)
                query = shortlist.query[entries[part][::times]]
                queries = desk.array("queries", (len(query), task.dim), np.float32)
                task.queries.take(query, axis=0, out=queries, mode="clip")
                distances[part] = exact.distances(vectors, queries, task.metric)

    WORKERS.share(range(0, len(entries), step), look, most=WORKERS.threads)
    return distances, rows


def _gathered(
    task: Task, shortlist: Shortlist, entries: Positions, desk: Desk
) -> tuple[Vectors, Rows]:
    """Vectors, which lie on the desk, and rows."""
    vectors = desk.array("vectors", (len(entries), task.dim), np.float32)
    rows = np.empty(len(entries), np.int64)
    chunk, slot = shortlist.chunk[entries], shortlist.slot[entries]
    order = np.argsort(chunk, kind="stable")
    chunk, slot = chunk[order], slot[order]
    begins = (np.flatnonzero(chunk[1:] != chunk[:-1]) + 1).tolist()
    for begin, end in itertools.pairwise([0, *begins, len(chunk)]):
        source, here, to = task.chunks[chunk[begin]], slot[begin:end], order[begin:end]
        rows[to] = source.rows[here]
        if begins:
            vectors[to] = source.vectors.take(here, axis=0, mode="clip")
        else:
            source.vectors.take(here, axis=0, out=vectors, mode="clip")
    return vectors, rows
