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

from kinlens.neighbors.desk import Desk, at_desk
from kinlens.neighbors.products import PACK
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Shortlist, Task
from kinlens.neighbors.workers import WORKERS

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Positions = npt.NDArray[np.intp]

_SINGLE_SPAN = 4 * PACK
_WORTH_A_THREAD = 1 << 22
_LEAST_TRIGGER = 4096
_ENOUGH = 128
"""Candidates so few that ruling out more of them costs more than to decide on them."""
_MOST_HELD = 1 << 19
_FOLDED = 8
"""Times k that it pays to look through for the k-th: fewer of them tell little."""
_GOLDEN = 0.6180339887498949
_HUGE = 1e38
"""Above every estimate but infinity, which marks slots that are barred."""
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

        `start` is a multiple of the screen's step; for more than one query the span is `PACK` at
        most.
        """

    def errors(self, query: Positions, slot: Positions) -> Doubles:
        """float64 (n,): bound on |key - true key| for pairs of query and slot."""


class Screen(Protocol):
    """Estimates for one task."""

    @property
    def threads(self) -> int:
        """How many threads may look at once."""

    @property
    def step(self) -> int:
        """Spans that more than one query looks at may begin at the multiples of this."""

    def view(self, chunk: Chunk) -> View:
        """For a chunk of the task."""


class _Hits:
    """What passed in some spans, as it was found; one thread's."""

    def __init__(self) -> None:
        self.size = 0
        self.hits: list[Positions] = []
        self.estimates: list[Floats] = []
        self.spans: list[tuple[int, int, int]] = []

    def add(self, hits: Positions, estimates: Floats, span: tuple[int, int, int]) -> None:
        """Positions in a span's estimates, these estimates, and chunk, start, width of the span."""
        if len(hits):
            self.size += len(hits)
            self.hits.append(hits)
            self.estimates.append(estimates)
            self.spans.append(span)

    def joined(self) -> tuple[Positions, Positions, Positions, Floats]:
        """Query, chunk, slot and estimate of each."""
        if not self.hits:
            none = np.empty(0, np.intp)
            return none, none, none, np.empty(0, np.float32)
        spans = np.repeat(np.array(self.spans), [len(hits) for hits in self.hits], axis=0)
        query, slot = np.divmod(np.concatenate(self.hits), spans[:, 2])
        return query, spans[:, 0], slot + spans[:, 1], np.concatenate(self.estimates)


@dataclass(frozen=True, slots=True, eq=False)
class _Catch:
    """What passed: one entry for each pair of query and slot, with the bounds on its key."""

    query: Positions
    chunk: Positions
    slot: Positions
    lower: Doubles
    upper: Doubles

    def __len__(self) -> int:
        return len(self.query)

    @staticmethod
    def joined(parts: list[_Catch]) -> _Catch:
        """All of them in one."""
        if len(parts) == 1:
            return parts[0]
        return _Catch(
            np.concatenate([part.query for part in parts]),
            np.concatenate([part.chunk for part in parts]),
            np.concatenate([part.slot for part in parts]),
            np.concatenate([part.lower for part in parts]),
            np.concatenate([part.upper for part in parts]),
        )

    def take(self, which: npt.NDArray[np.bool_] | Positions) -> _Catch:
        """Some of the entries."""
        return _Catch(
            self.query[which],
            self.chunk[which],
            self.slot[which],
            self.lower[which],
            self.upper[which],
        )

    def order(self) -> Positions:
        """By query, then by upper value."""
        order = np.argsort(self.upper)
        # A stable sort of so few bits is a radix sort, many times as fast as one by two keys.
        query = self.query.astype(np.uint16)[order]
        by_query: Positions = order[np.argsort(query, kind="stable")]
        return by_query


def _at_least_kth(estimates: Floats, k: int, desk: Desk) -> Floats:
    """float32 (q,): at least the k-th least of each row, and rarely more.

    Folded in halves, of which the lesser counts, there is less to sort: the k-th least of what
    remains has k different columns below.
    """
    half = estimates.shape[1] // 2
    if half < _FOLDED * k:
        mixed = desk.array("mixed", estimates.shape, np.float32)
        np.copyto(mixed, estimates)
    else:
        mixed = desk.array("mixed", (len(estimates), half), np.float32)
        np.minimum(estimates[:, :half], estimates[:, half : 2 * half], out=mixed)
        while (half := half // 2) >= _FOLDED * k:
            mixed = np.minimum(mixed[:, :half], mixed[:, half : 2 * half], out=mixed[:, :half])
    mixed.partition(k - 1, axis=1)
    return mixed[:, k - 1]


class Sieve:
    """One pass for one task.

    Parameters
    ----------
    task : what is searched, with at most 65,536 queries
    screen : what estimates
    most : candidates a query may keep before it counts as lost
    """

    def __init__(self, task: Task, screen: Screen, most: int) -> None:
        self._task = task
        self._views = [screen.view(chunk) for chunk in task.chunks]
        self._offset = np.array([view.offset for view in self._views])
        self._slack = np.array([view.slack for view in self._views])
        self._gap = self._slack - self._offset
        self._barred = [None if passing is None else ~passing for passing in task.passing]
        self._threads = min(screen.threads, WORKERS.at_hand)
        self._step = screen.step
        self._most = most
        self._lock = threading.Lock()
        self._set_limit(np.full(len(task.queries), np.inf))
        self._begun = False
        self._lost = np.zeros(len(task.queries), np.bool_)
        self._catches: list[_Catch] = []

    def shortlist(self) -> Shortlist:
        """Look at every row once."""
        task = self._task
        work = len(task.queries) * task.dim * sum(chunk.count for chunk in task.chunks)
        threads = min(self._threads, 1 + work // _WORTH_A_THREAD)
        WORKERS.share(self._spans(), self._pass, most=threads)
        catch = self._tightened(_Catch.joined(self._catches), self._most)
        if len(catch) > len(self._lost) * (_ENOUGH + 8 * task.k):
            catch = self._tightened(self._sharpened(catch), self._most)
        catch = catch.take(catch.order())
        return Shortlist(catch.query, catch.chunk, catch.slot, catch.lower, self._lost)

    def _spans(self) -> list[tuple[int, int, int]]:
        """Chunk, start and width of each, mixed.

        Catalogs often are in order of category. Looking here and there first lowers the threshold
        soon, wherever the neighbors lie.
        """
        length = _SINGLE_SPAN
        if len(self._task.queries) > 1:
            slots = sum(chunk.count for chunk in self._task.chunks)
            few = self._threads > 1 and slots <= 2 * PACK * self._threads
            length = self._step if few else PACK
        spans = [
            (position, start, min(length, chunk.count - start))
            for position, (chunk, barred) in enumerate(
                zip(self._task.chunks, self._barred, strict=True)
            )
            for start in range(0, chunk.count, length)
            if barred is None or not barred[start : start + length].all()
        ]
        order = np.argsort(np.arange(len(spans)) * _GOLDEN % 1)
        return [spans[turn] for turn in order]

    def _pass(self, spans: Iterator[tuple[int, int, int]]) -> None:
        hits, catch = _Hits(), None
        held = max(self._most, _MOST_HELD // len(self._lost))
        trigger = self._trigger(0)
        with at_desk() as desk:
            for span in spans:
                self._look(span, desk, hits)
                if hits.size > trigger:
                    catch = self._tightened(self._resolved(hits, catch), held)
                    hits, trigger = _Hits(), self._trigger(len(catch))
        self._catches.append(self._resolved(hits, catch))

    def _trigger(self, size: int) -> int:
        return 2 * size + max(_LEAST_TRIGGER, 4 * self._task.k * len(self._lost))

    def _look(self, span: tuple[int, int, int], desk: Desk, hits: _Hits) -> None:
        position, start, width = span
        estimates = self._views[position].estimates(start, start + width, desk)
        barred = self._barred[position]
        if barred is not None:
            np.copyto(estimates, _ABOVE, where=barred[start : start + width])
        if not self._begun and width >= self._task.k:
            self._begin(estimates, position, desk)
        near = desk.array("near", estimates.shape, np.bool_)
        near = np.less_equal(estimates, self._bar[position], out=near).ravel().nonzero()[0]
        hits.add(near, estimates.ravel()[near], span)

    def _begin(self, estimates: Floats, position: int, desk: Desk) -> None:
        kth = _at_least_kth(estimates, self._task.k, desk)
        self._lower_limit(kth + self._offset[position] + self._slack[position])
        self._begun = bool(np.isfinite(self._limit).all())

    def _lower_limit(self, limit: Doubles) -> None:
        with self._lock:
            self._set_limit(np.minimum(self._limit, limit))

    def _set_limit(self, limit: Doubles) -> None:
        """Keys above the limit are out, and so are estimates above a chunk's bar."""
        bar = (limit + self._gap).clip(max=_HUGE).astype(np.float32)
        # One step up, so that no row slips through the rounding of the bar.
        self._bar = np.nextafter(bar, _ABOVE)[:, :, np.newaxis]
        self._limit = limit

    def _resolved(self, hits: _Hits, before: _Catch | None) -> _Catch:
        query, chunk, slot, estimates = hits.joined()
        key = estimates + self._offset[chunk, query]
        slack = self._slack[chunk, query]
        catch = _Catch(query, chunk, slot, key - slack, key + slack)
        return catch if before is None else _Catch.joined([before, catch])

    def _tightened(self, catch: _Catch, most: int) -> _Catch:
        """Without what the k-th least upper value rules out, or is of a lost query."""
        catch = self._below_limit(catch)
        if self._count(catch).max() > most:
            catch = self._below_limit(self._sharpened(catch))
        with self._lock:
            self._lost |= self._count(catch) > most
            if not self._lost.any():
                return catch
            self._set_limit(np.where(self._lost, -np.inf, self._limit))
        return catch.take(~self._lost[catch.query])

    def _below_limit(self, catch: _Catch) -> _Catch:
        self._lower_limit(self._kth_upper(catch))
        return catch.take(catch.lower <= self._limit[catch.query])

    def _kth_upper(self, catch: _Catch) -> Doubles:
        """The k-th least upper value of each query, infinity for fewer than k."""
        k, count = self._task.k, self._count(catch)
        kth = np.full(len(count), np.inf)
        enough = np.flatnonzero(count >= k)
        if len(count) == 1 and len(enough):
            kth[0] = np.partition(catch.upper, k - 1)[k - 1]
        elif len(enough):
            upper = catch.upper[catch.order()]
            kth[enough] = upper[(count.cumsum() - count)[enough] + k - 1]
        return kth

    def _count(self, catch: _Catch) -> Positions:
        return np.bincount(catch.query, minlength=len(self._lost))

    def _sharpened(self, catch: _Catch) -> _Catch:
        """With each slot's own error instead of its chunk's largest."""
        key = (catch.lower + catch.upper) / 2
        error = np.empty(len(catch))
        for position in np.unique(catch.chunk):
            here = np.flatnonzero(catch.chunk == position)
            error[here] = self._views[position].errors(catch.query[here], catch.slot[here])
        return replace(catch, lower=key - error, upper=key + error)
