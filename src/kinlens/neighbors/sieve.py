"""Passes over all rows with a cheap estimate and keeps those that could be among the nearest.

Every estimate comes with a bound on its error, so a row's key, which ranks as its distance does,
lies between a lower and an upper value. A row whose lower value is above the k-th least upper value
can't be among the k nearest; all others are candidates. The threshold only falls while the pass
goes on, so what is thrown away early would have been thrown away late.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.products import PACK, Products
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Shortlist, Task
from kinlens.neighbors.workers import WORKERS

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Positions = npt.NDArray[np.intp]

_SINGLE_SPAN = 4 * PACK
_WORTH_A_THREAD = 1 << 22
_LEAST_TRIGGER = 512
_HUGE = np.finfo(np.float32).max
_ABOVE = np.float32(np.inf)


class View(Protocol):
    """How one chunk looks to the queries of a task; several threads may look at once."""

    @property
    def offset(self) -> Doubles:
        """float64 (q,): key = estimate + offset, within the error."""

    @property
    def slack(self) -> Doubles:
        """float64 (q,): at least the largest error in the chunk."""

    def estimates(self, start: int, stop: int, desk: Desk) -> Floats:
        """float32 (q, stop - start), which lies on the desk: the caller may write to it.

        `start` is a multiple of `PACK`; for more than one query the span is `PACK` at most.
        """

    def errors(self, query: Positions, slot: Positions) -> Doubles:
        """float64 (n,): bound on |key - true key| for pairs of query and slot."""


class Screen(Protocol):
    """Estimates for one task."""

    @property
    def threads(self) -> int:
        """How many threads may look at once."""

    def view(self, chunk: Chunk) -> View:
        """For a chunk of the task."""


class Desk:
    """Memory that one thread works in, used again from span to span."""

    def __init__(self) -> None:
        self.products = Products()
        self._arrays: dict[tuple[int, int], Floats] = {}

    def floats(self, height: int, width: int) -> Floats:
        """float32 (height, width) with anything in it."""
        key = height, width
        if key not in self._arrays:
            self._arrays[key] = np.empty(key, np.float32)
        return self._arrays[key]


@dataclass(frozen=True, slots=True, eq=False)
class Catch:
    """What passed: one entry for each pair of query and slot, with the bounds on its key."""

    query: Positions
    chunk: Positions
    slot: Positions
    lower: Doubles
    upper: Doubles

    def __len__(self) -> int:
        return len(self.query)

    @staticmethod
    def joined(parts: list[Catch]) -> Catch:
        """All of them in one."""
        return Catch(
            np.concatenate([part.query for part in parts]),
            np.concatenate([part.chunk for part in parts]),
            np.concatenate([part.slot for part in parts]),
            np.concatenate([part.lower for part in parts]),
            np.concatenate([part.upper for part in parts]),
        )

    def take(self, which: npt.NDArray[np.bool_] | Positions) -> Catch:
        """Some of the entries."""
        return Catch(
            self.query[which],
            self.chunk[which],
            self.slot[which],
            self.lower[which],
            self.upper[which],
        )

    def ordered(self) -> Catch:
        """By query, then by upper value."""
        order = np.argsort(self.upper)
        # A stable sort of one byte is a radix sort, many times as fast as one by two keys.
        return self.take(order[np.argsort(self.query[order].astype(np.uint8), kind="stable")])


class Sieve:
    """One pass for one task.

    Parameters
    ----------
    task : what is searched, with at most 256 queries
    screen : what estimates
    most : candidates a query may keep before it counts as lost
    """

    def __init__(self, task: Task, screen: Screen, most: int) -> None:
        self._task = task
        self._views = [screen.view(chunk) for chunk in task.chunks]
        self._barred = [None if passing is None else ~passing for passing in task.passing]
        self._threads = screen.threads
        self._most = most
        self._lock = threading.Lock()
        self._limit = np.full(len(task.queries), np.inf)
        self._lost = np.zeros(len(task.queries), np.bool_)
        self._catches: list[Catch] = []

    def shortlist(self) -> Shortlist:
        """Look at every row once."""
        task = self._task
        work = len(task.queries) * task.dim * sum(chunk.count for chunk in task.chunks)
        threads = min(self._threads, 1 + work // _WORTH_A_THREAD)
        WORKERS.share(self._spans(), self._pass, most=threads)
        catch = self._tightened(Catch.joined(self._catches))
        catch = self._tightened(self._sharpened(catch)).ordered()
        return Shortlist(catch.query, catch.chunk, catch.slot, catch.lower, self._lost)

    def _spans(self) -> Iterator[tuple[int, int, int]]:
        length = _SINGLE_SPAN if len(self._task.queries) == 1 else PACK
        for position, chunk in enumerate(self._task.chunks):
            barred = self._barred[position]
            for start in range(0, chunk.count, length):
                stop = min(start + length, chunk.count)
                if barred is None or not barred[start:stop].all():
                    yield position, start, stop

    def _pass(self, spans: Iterator[tuple[int, int, int]]) -> None:
        desk = Desk()
        catches: list[Catch] = []
        size, trigger = 0, self._trigger(0)
        for position, start, stop in spans:
            estimates = self._views[position].estimates(start, stop, desk)
            catch = self._caught(estimates, position, start)
            catches.append(catch)
            size += len(catch)
            if size > trigger:
                catches = [self._tightened(Catch.joined(catches))]
                size = len(catches[0])
                trigger = self._trigger(size)
        self._catches += catches

    def _trigger(self, size: int) -> int:
        return 2 * size + max(_LEAST_TRIGGER, 4 * self._task.k * len(self._task.queries))

    def _caught(self, estimates: Floats, position: int, start: int) -> Catch:
        view, width = self._views[position], estimates.shape[1]
        barred = self._barred[position]
        if barred is not None:
            np.copyto(estimates, np.float32(np.inf), where=barred[start : start + width])
        if width >= self._task.k and np.isinf(self._limit).any():
            self._begin(view, estimates)
        bar = np.minimum(self._limit + (view.slack - view.offset), _HUGE).astype(np.float32)
        # One step up, so that no row slips through the rounding of the bar.
        bar = np.minimum(np.nextafter(bar, _ABOVE), _HUGE)
        hits = np.flatnonzero(estimates <= bar[:, np.newaxis])
        query, slot = np.divmod(hits, width)
        key = estimates.ravel()[hits] + view.offset[query]
        slack = view.slack[query]
        chunk = np.full(len(hits), position)
        return Catch(query, chunk, slot + start, key - slack, key + slack)

    def _begin(self, view: View, estimates: Floats) -> None:
        kth = np.partition(estimates, self._task.k - 1, axis=1)[:, self._task.k - 1]
        self._lower_limit(kth + view.offset + view.slack)

    def _lower_limit(self, limit: Doubles) -> None:
        with self._lock:
            self._limit = np.minimum(self._limit, limit)

    def _tightened(self, catch: Catch) -> Catch:
        """Without what the k-th least upper value rules out."""
        self._lower_limit(self._kth_upper(catch.ordered()))
        catch = catch.take(catch.lower <= self._limit[catch.query])
        kept = np.bincount(catch.query, minlength=len(self._lost))
        with self._lock:
            self._lost |= kept > self._most
            self._limit = np.where(self._lost, -np.inf, self._limit)
        return catch.take(~self._lost[catch.query]) if self._lost.any() else catch

    def _kth_upper(self, catch: Catch) -> Doubles:
        begin = np.searchsorted(catch.query, np.arange(len(self._lost) + 1))
        enough = np.flatnonzero(np.diff(begin) >= self._task.k)
        kth = np.full(len(self._lost), np.inf)
        kth[enough] = catch.upper[begin[enough] + self._task.k - 1]
        return kth

    def _sharpened(self, catch: Catch) -> Catch:
        """With each slot's own error instead of its chunk's largest."""
        key = (catch.lower + catch.upper) / 2
        error = np.empty(len(catch))
        for position in np.unique(catch.chunk):
            here = np.flatnonzero(catch.chunk == position)
            error[here] = self._views[position].errors(catch.query[here], catch.slot[here])
        return replace(catch, lower=key - error, upper=key + error)
