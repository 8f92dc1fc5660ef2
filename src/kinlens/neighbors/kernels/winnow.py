"""Rules slots out by lower bounds of their keys alone.

Where bounds from above would be too wide to tell much, true distances tell: the likeliest slots so
far are looked at as float32, and the k-th least of their keys is a limit that no neighbor's
key exceeds. It only falls, so what is thrown away early would have been thrown away late.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.kernels.closer import Closer
from kinlens.neighbors.products import Products
from kinlens.neighbors.sieve import Doubles, Positions
from kinlens.neighbors.sketches import Sketches
from kinlens.neighbors.task import Shortlist, Task
from kinlens.neighbors.workers import WORKERS

Ints = npt.NDArray[np.int32]

_GROUP = 8
"""Queries whose products with a chunk stay in a level 2 cache."""
_WORTH_A_THREAD = 1 << 20
_HELD = 1024
_GOLDEN = 0.6180339887498949


class Seen(Protocol):
    """Queries as a screen sees them."""

    @property
    def codes(self) -> npt.NDArray[np.int8]:
        """int8 (q, width)."""

    def bars(self, limit: Doubles) -> Ints:
        """int32 (q, 1): a slot whose product less floor is below has a key above the limit."""

    def lower(self, query: Positions, above: Ints) -> Doubles:
        """float64 (n,): at most the keys, of products less floors."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A chunk.

    Parameters
    ----------
    sketches : of its slots
    count : slots in use
    queries : as they look beside them
    floors : int32 (count,), what products are compared less of; 2^29 bars a slot
    """

    sketches: Sketches
    count: int
    queries: Seen
    floors: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Entries:
    """Pairs of query and slot with a lower bound of the key."""

    query: Positions
    chunk: Positions
    slot: Positions
    lower: Doubles

    @staticmethod
    def joined(parts: list[_Entries]) -> _Entries:
        """All in one."""
        if len(parts) == 1:
            return parts[0]
        none = np.empty(0, np.intp)
        return _Entries(
            np.concatenate([none, *(part.query for part in parts)]),
            np.concatenate([none, *(part.chunk for part in parts)]),
            np.concatenate([none, *(part.slot for part in parts)]),
            np.concatenate([np.empty(0), *(part.lower for part in parts)]),
        )

    def take(self, which: npt.NDArray[np.bool_] | Positions) -> _Entries:
        """Some of them."""
        return _Entries(self.query[which], self.chunk[which], self.slot[which], self.lower[which])


class Winnow:
    """One pass for one task.

    Parameters
    ----------
    task : what is searched, with at most 256 queries
    parts : how its chunks look
    most : slots a query may keep before it counts as lost
    """

    def __init__(self, task: Task, parts: list[Part], most: int) -> None:
        self._task = task
        self._parts = parts
        self._most = most
        self._closer = Closer(task)
        self._lock = threading.Lock()
        self._lost = np.zeros(len(task.queries), np.bool_)
        self._found: list[_Entries] = []
        self._set_limit(np.full(len(task.queries), np.inf))

    def shortlist(self) -> Shortlist:
        """Look at every sketch once, then closer at what remains."""
        work = len(self._lost) * sum(part.count for part in self._parts)
        threads = min(WORKERS.threads, 1 + work // _WORTH_A_THREAD)
        WORKERS.share(self._turns(), self._look_at_all, most=threads)
        entries = self._narrowed(_Entries.joined(self._found), self._most)
        lower, upper = self._closer.keys(entries.query, entries.chunk, entries.slot)
        order = self._order(entries.query, upper)
        limit = self._limit.copy()
        ends, enough = self._kth(entries.query)
        limit[enough] = upper[order[ends]]
        order = self._order(entries.query, lower)
        order = order[lower[order] <= limit[entries.query[order]]]
        entries = entries.take(order)
        return Shortlist(entries.query, entries.chunk, entries.slot, lower[order], self._lost)

    def _turns(self) -> list[int]:
        """The chunks, mixed; see `sieve`."""
        order = np.argsort(np.arange(len(self._parts)) * _GOLDEN % 1)
        return [int(turn) for turn in order]

    def _look_at_all(self, turns: Iterator[int]) -> None:
        room = Products()
        entries: list[_Entries] = []
        size = held = 0
        for position in turns:
            for first in range(0, len(self._limit), _GROUP):
                entries.append(self._look(position, first, room))
                size += len(entries[-1].query)
            if size > 2 * held + _HELD * (3 + len(self._lost)):
                entries = [self._narrowed(_Entries.joined(entries), 16 * self._most)]
                size = held = len(entries[0].query)
        self._found.append(_Entries.joined(entries))

    def _look(self, position: int, first: int, room: Products) -> _Entries:
        part, group = self._parts[position], slice(first, first + _GROUP)
        packed = part.sketches.packed.get(part.sketches.codes, 0, part.count)
        above = room.many(part.queries.codes[group], packed)
        np.subtract(above, part.floors, out=above)
        if np.isinf(self._limit[group]).any() and part.count >= self._task.k:
            self._begin(position, group, above)
        hits = (above >= self._bars[part.queries][group]).ravel().nonzero()[0]
        query, slot = np.divmod(hits, part.count) if len(above) > 1 else (np.zeros_like(hits), hits)
        query += first
        lower = part.queries.lower(query, above.ravel()[hits])
        return _Entries(query, np.full(len(hits), position), slot, lower)

    def _begin(self, position: int, group: slice, above: Ints) -> None:
        """A first limit, from the likeliest slots of one chunk."""
        k, (height, width) = self._task.k, above.shape
        slot = np.argpartition(above, width - k, axis=1)[:, width - k :].ravel()
        query = np.repeat(np.arange(group.start, group.start + height), k)
        _, upper = self._closer.keys(query, np.full(len(slot), position), slot)
        limit = np.full(len(self._limit), np.inf)
        limit[group] = upper.reshape(height, k).max(axis=1)
        self._lower_limit(limit)

    def _lower_limit(self, limit: Doubles) -> None:
        with self._lock:
            self._set_limit(np.minimum(self._limit, limit))

    def _set_limit(self, limit: Doubles) -> None:
        """Keys above the limit are out; bars follow from it."""
        self._limit = limit
        self._bars = {queries: queries.bars(limit) for queries in {p.queries for p in self._parts}}

    def _narrowed(self, entries: _Entries, most: int) -> _Entries:
        """Without what the true distances of the likeliest rule out, or is of a lost query."""
        ends, enough = self._kth(entries.query)
        k, limit = self._task.k, np.full(len(self._limit), np.inf)
        if len(enough):
            if len(limit) == 1:
                likely = np.argpartition(entries.lower, k - 1)[:k]
            else:
                order = self._order(entries.query, entries.lower)
                likely = order[ends[:, np.newaxis] - np.arange(k)].ravel()
            near = entries.take(likely)
            _, upper = self._closer.keys(near.query, near.chunk, near.slot)
            limit[enough] = upper.reshape(-1, k).max(axis=1)
            self._lower_limit(limit)
        entries = entries.take(entries.lower <= self._limit[entries.query])
        lost = np.bincount(entries.query, minlength=len(self._lost)) > most
        with self._lock:
            self._lost |= lost
            if not self._lost.any():
                return entries
            self._set_limit(np.where(self._lost, -np.inf, self._limit))
        return entries.take(~self._lost[entries.query])

    def _kth(self, query: Positions) -> tuple[Positions, Positions]:
        """Where in order the k-th of a query is, and the queries that have one."""
        count = np.bincount(query, minlength=len(self._limit))
        enough = np.flatnonzero(count >= self._task.k)
        return (count.cumsum() - count)[enough] + self._task.k - 1, enough

    def _order(self, query: Positions, values: Doubles) -> Positions:
        """By query, then by value."""
        order = np.argsort(values)
        if len(self._limit) == 1:
            return order
        # A stable sort of one byte is a radix sort, many times as fast as one by two keys.
        by_query: Positions = order[np.argsort(query[order].astype(np.uint8), kind="stable")]
        return by_query
