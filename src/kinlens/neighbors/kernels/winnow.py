"""Rules slots out by lower bounds of their keys alone, then looks closer at those that remain.

Sketches give no bound from above that would tell much, so their lower bounds are compared with a
limit that the closer look sets: the k-th least of the keys seen so far, each taken at its most.
The limit only falls, so what is thrown away early would have been thrown away late.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.desk import at_desk
from kinlens.neighbors.kernels.closer import Closer
from kinlens.neighbors.kernels.limits import Limits
from kinlens.neighbors.kernels.nearer import Nearer
from kinlens.neighbors.products import Products
from kinlens.neighbors.result import Mask
from kinlens.neighbors.sieve import Doubles, Positions
from kinlens.neighbors.sketches import Sketches
from kinlens.neighbors.task import Shortlist, Task
from kinlens.neighbors.workers import WORKERS

Ints = npt.NDArray[np.int32]

_PRODUCTS = 1 << 18
"""Products looked at together: they stay in a level 2 cache."""
_WORTH_A_THREAD = 1 << 24
"""Numbers of sketches; fewer cost less than the calls around them, which threads can't share."""
BARRED = 2**30
"""Floor of slots that are barred: even where there is no limit yet, their products are below."""
_PENDING = 4096
_MOST_PENDING = 64
_LEAST_HELD = 1 << 16
_FEW = 1024
_MOST_QUERIES = 8
"""Of so few queries so few each that it costs more to find the likeliest of them first."""
_SHORT = 600
"""Numbers of a vector so few that one look at them costs no more than calls for their codes."""
_GOLDEN = 0.6180339887498949
_LOOK = 3700.0
_LOOK_EACH = 5.8
"""Of a closer look, and of each of its numbers: what it costs in numbers of a screen with codes."""


class Seen(Protocol):
    """Queries as a screen sees them."""

    @property
    def codes(self) -> npt.NDArray[np.int8]:
        """int8 (q, width)."""

    def floors(self, sketches: Sketches, count: int) -> Ints:
        """int32 (count,), what products with a chunk's slots are compared less of."""

    def bars(self, limit: Doubles) -> Ints:
        """int32 (q, 1): a slot whose product less floor is below has a key above the limit."""

    def lower(self, query: Positions, above: Ints) -> Doubles:
        """float64 (n,): at most the keys, of products less floors."""


@dataclass(frozen=True, eq=False)
class Part:
    """A chunk.

    Parameters
    ----------
    sketches : of its slots
    count : slots in use
    queries : as they look beside them
    passing : bool (count,), the slots that aren't barred; None for all
    """

    sketches: Sketches
    count: int
    queries: Seen
    passing: Mask | None

    @cached_property
    def floors(self) -> Ints:
        """int32 (count,); made by the thread that looks first, and rarely by two."""
        floors = self.queries.floors(self.sketches, self.count)
        if self.passing is not None:
            floors[~self.passing] = np.int32(BARRED)
        return floors


@dataclass(frozen=True, slots=True, eq=False)
class _Entries:
    """Pairs of query and slot with a lower bound of the key."""

    query: Positions
    chunk: Positions
    slot: Positions
    lower: Doubles

    def __len__(self) -> int:
        return len(self.query)

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


class _Pending:
    """What awaits a closer look; the longer it waits, the more of it the limit rules out."""

    def __init__(self) -> None:
        self.size = self.mark = 0
        self._parts: list[_Entries] = []

    def add(self, entries: _Entries) -> None:
        """Some more."""
        self._parts.append(entries)
        self.size += len(entries)

    def narrow(self, below: Callable[[_Entries], _Entries], least: int) -> None:
        """Without what is ruled out by now; again when it has doubled."""
        entries = below(self.taken())
        self.add(entries)
        self.mark = max(least, 2 * len(entries))

    def taken(self) -> _Entries:
        """All of it, which then awaits nothing."""
        parts, self._parts, self.size = self._parts, [], 0
        return _Entries.joined(parts)


class Winnow:
    """One pass for one task.

    Parameters
    ----------
    task : what is searched, with at most 256 queries
    parts : how its chunks look
    limits : of its queries
    """

    def __init__(self, task: Task, parts: list[Part], limits: Limits) -> None:
        self._task = task
        self._parts = parts
        self._limits = limits
        self._most = max(256 + 4 * task.k, task.living // 32)
        self._closest = Closer(task)
        self._few = _FEW * len(task.queries) if len(task.queries) <= _MOST_QUERIES else 0
        direct = self._few > 0 and task.dim <= _SHORT
        self._nearer = self._closest if direct else Nearer(task)
        self._lock = threading.Lock()
        count = len(task.queries)
        self._lost = np.zeros(count, np.bool_)
        self._looked = np.zeros(count, np.intp)
        self._enough = _enough(task)
        self._found: list[tuple[_Entries, Doubles]] = []
        self._set_bars()

    def shortlist(self) -> Shortlist:
        """Look at every sketch once, closer at what remains, and at the vectors of the last few.

        Without entries of queries whose limits have not come true.
        """
        slots = sum(part.count * part.sketches.axes.width for part in self._parts)
        work = len(self._lost) * slots
        threads = min(WORKERS.threads, 1 + work // _WORTH_A_THREAD)
        WORKERS.share(self._turns(), self._look_at_all, most=threads)
        entries = _Entries.joined([some for some, _ in self._found])
        upper = np.concatenate([upper for _, upper in self._found])
        limit = self._limits.close(self._kth(entries.query, upper))
        order = self._order(entries.query, entries.lower)
        order = order[entries.lower[order] <= limit[entries.query[order]]]
        entries = entries.take(order)
        return Shortlist(entries.query, entries.chunk, entries.slot, entries.lower, self._lost)

    def _turns(self) -> list[tuple[int, slice]]:
        """The chunks, mixed (see `sieve`), each with some of the queries after the other."""
        order = np.argsort(np.arange(len(self._parts)) * _GOLDEN % 1).tolist()
        count = len(self._lost)
        heights = [max(1, _PRODUCTS // part.count) for part in self._parts]
        return [
            (turn, slice(first, min(count, first + heights[turn])))
            for turn in order
            for first in range(0, count, heights[turn])
        ]

    def _look_at_all(self, turns: Iterator[tuple[int, slice]]) -> None:
        with at_desk() as desk:
            self._look_at(turns, desk.products)

    def _look_at(self, turns: Iterator[tuple[int, slice]], room: Products) -> None:
        pending = _Pending()
        kept: list[_Entries] = []
        fresh: list[_Entries] = []
        size, seen, held = 0, 0.0, _LEAST_HELD
        trigger = _PENDING * (1 + len(self._lost) // 64)
        for position, group in turns:
            fresh.append(self._look(position, group, room))
            size += len(fresh[-1])
            seen += self._parts[position].count * (group.stop - group.start) / len(self._lost)
            if size > trigger:
                self._limits.see(seen)
                settled, others = self._settled(_Entries.joined(fresh))
                kept.append(settled)
                pending.add(others)
                if pending.size > pending.mark:
                    pending.narrow(self._below, 4 * trigger)
                if pending.size > _MOST_PENDING * trigger:
                    kept.append(self._closer(pending.taken()))
                fresh, size, seen = [], 0, 0.0
            if sum(map(len, kept)) > held:
                kept = [self._narrowed(_Entries.joined(kept), 16 * self._most)]
                held = 2 * len(kept[0]) + _LEAST_HELD
        self._limits.see(seen)
        kept += self._last(_Entries.joined(fresh), pending)
        entries = self._narrowed(_Entries.joined(kept), self._most)
        lower, upper = self._closest.keys(entries.query, entries.chunk, entries.slot)
        self._found.append((replace(entries, lower=lower), upper))

    def _last(self, entries: _Entries, pending: _Pending) -> list[_Entries]:
        """What remains of the last that were found and of what has waited."""
        if len(entries) + pending.size < self._few:
            return [entries, pending.taken()]
        settled, others = self._settled(entries)
        pending.add(others)
        return [settled, self._closer(pending.taken())]

    def _look(self, position: int, group: slice, room: Products) -> _Entries:
        part = self._parts[position]
        packed = part.sketches.packed.get(part.sketches.codes, 0, part.count)
        above = room.many(part.queries.codes[group], packed)
        np.subtract(above, part.floors, out=above)
        if (self._limits.values[group] == np.inf).any() and part.count >= self._task.k:
            self._begin(position, group, above)
        hits = (above >= self._bars[part.queries][group]).ravel().nonzero()[0]
        query, slot = np.divmod(hits, part.count) if len(above) > 1 else (np.zeros_like(hits), hits)
        query += group.start
        lower = part.queries.lower(query, above.ravel()[hits])
        return _Entries(query, np.full(len(hits), position), slot, lower)

    def _begin(self, position: int, group: slice, above: Ints) -> None:
        """First limits, from the likeliest slots of one chunk."""
        k, (height, width) = self._task.k, above.shape
        slot = np.argpartition(above, width - k, axis=1)[:, width - k :].ravel()
        query = np.repeat(np.arange(group.start, group.start + height), k)
        _, upper = self._closest.keys(query, np.full(len(slot), position), slot)
        passing = self._task.passing[position]
        if passing is not None:
            upper[~passing[slot]] = np.inf
        self._limits.begin(group.start, upper.reshape(height, k), width)
        self._set_bars()

    def _settled(self, entries: _Entries) -> tuple[_Entries, _Entries]:
        """The likeliest after a closer look, and those of the others that it doesn't rule out."""
        entries = self._below(entries)
        order = self._order(entries.query, entries.lower)
        count = np.bincount(entries.query, minlength=len(self._lost))
        rank = np.arange(len(order)) - np.repeat(count.cumsum() - count, count)
        settled = self._closer(entries.take(order[rank < self._task.k]))
        return settled, self._below(entries.take(order[rank >= self._task.k]))

    def _below(self, entries: _Entries) -> _Entries:
        return entries.take(entries.lower <= self._limits.values[entries.query])

    def _closer(self, entries: _Entries) -> _Entries:
        """With better bounds, without what these rule out."""
        with self._lock:
            self._looked += np.bincount(entries.query, minlength=len(self._looked))
            self._lose(self._looked > self._enough)
        entries = self._below(entries)
        # Codes of one chunk lie together.
        entries = entries.take(np.argsort(entries.chunk, kind="stable"))
        lower, upper = self._nearer.keys(entries.query, entries.chunk, entries.slot)
        self._improve(entries.query, upper)
        return self._below(_Entries(entries.query, entries.chunk, entries.slot, lower))

    def _improve(self, query: Positions, upper: Doubles) -> None:
        """Lower limits by keys that weren't seen before."""
        better = np.flatnonzero(upper <= self._limits.values[query])
        if len(better):
            query, upper = query[better], upper[better]
            self._limits.improve(query, upper, self._order(query, upper))
            self._set_bars()

    def _set_bars(self) -> None:
        """As follows from the limits."""
        every = {part.queries for part in self._parts}
        self._bars = {queries: queries.bars(self._limits.values) for queries in every}

    def _narrowed(self, entries: _Entries, most: int) -> _Entries:
        """Without what the limit rules out by now, or is of a lost query."""
        entries = self._below(entries)
        with self._lock:
            self._lose(np.bincount(entries.query, minlength=len(self._lost)) > most)
        return entries.take(~self._lost[entries.query])

    def _lose(self, which: npt.NDArray[np.bool_]) -> None:
        if which.any():
            self._lost = self._lost | which
            self._limits.give_up(self._lost)
            self._set_bars()

    def _kth(self, query: Positions, values: Doubles) -> Doubles:
        """The k-th least value of each query, infinity for fewer."""
        count = np.bincount(query, minlength=len(self._lost))
        enough = np.flatnonzero(count >= self._task.k)
        ends = (count.cumsum() - count)[enough] + self._task.k - 1
        kth = np.full(len(count), np.inf)
        kth[enough] = values[self._order(query, values)[ends]]
        return kth

    def _order(self, query: Positions, values: Doubles) -> Positions:
        """By query, then by value."""
        order = np.argsort(values)
        if len(self._lost) == 1:
            return order
        # A stable sort of one byte is a radix sort, many times as fast as one by two keys.
        by_query: Positions = order[np.argsort(query[order].astype(np.uint8), kind="stable")]
        return by_query


def _enough(task: Task) -> int:
    """Closer looks of a query that cost as much as a screen with codes, and at its first chunk.

    A single query is given up sooner: a screen with codes keeps nobody else waiting.
    """
    ratio = task.dim / (_LOOK + _LOOK_EACH * task.dim)
    first = max(chunk.count for chunk in task.chunks)
    return int(task.living * ratio) + (first if len(task.queries) > 1 else first // 8)
