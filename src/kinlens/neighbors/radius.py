"""Finds all rows within a radius: the kernels' estimates and bounds, with a limit that is given.

A row whose lower bound is above the limit can't be within the radius; all others are decided in
float64, span by span. So what is held at once is a span's candidates and about twice the answer,
even where everything is within the radius.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kinlens.neighbors import blas, exact
from kinlens.neighbors.desk import Desk, at_desk
from kinlens.neighbors.engine import passing_slots
from kinlens.neighbors.kernels.base import PASS, Kernel
from kinlens.neighbors.kernels.float32 import Float32Kernel
from kinlens.neighbors.kernels.int8 import Int8Kernel
from kinlens.neighbors.products import PACK
from kinlens.neighbors.result import Distances, Mask, NeighborMetric, Rows, Within
from kinlens.neighbors.sieve import Doubles, Floats, Positions, View
from kinlens.neighbors.storage import Chunk, Snapshot
from kinlens.neighbors.task import Task, key_of
from kinlens.neighbors.workers import WORKERS
from kinlens.types import Vectors

_SINGLE_SPAN = 4 * PACK
_DECIDED_AT_ONCE = 1 << 20
"""Numbers of the vectors that are gathered for float64."""
_WASTEFUL = 0.02
"""Of all pairs, candidates in vain from which a finer kernel costs less."""
_WORTH_A_THREAD = 1 << 22
_SLIP = 2.0**-36
"""More than what float64 rounds of a distance."""
_HUGE = 1e38
_ABOVE = np.float32(np.inf)

ScreeningKernel = Int8Kernel | Float32Kernel
Part = tuple[npt.NDArray[np.uint8], Distances, Rows]
"""Query, distance and row of each; the queries ascend."""


class Found(NamedTuple):
    """How many rows each query has, and these in order."""

    counts: Positions
    distances: Distances
    rows: Rows


@dataclass(frozen=True, slots=True)
class RadiusRequest:
    """What is searched for, checked: see `ExactIndex.within`.

    Parameters
    ----------
    queries : float32 (q, dim)
    radius : float64 (q,)
    metric, mask : as in `engine.Request`
    """

    queries: Vectors
    radius: Distances
    metric: NeighborMetric
    mask: Mask | None


def within(kernels: Sequence[Kernel], snapshot: Snapshot, request: RadiusRequest) -> Within:
    """All living rows that the mask lets through and that are within the radius of a query."""
    chunks, passing, living = passing_slots(snapshot, request.mask)
    screening = [one for one in kernels if isinstance(one, Int8Kernel | Float32Kernel)]
    found: list[Found] = []
    names: dict[str, None] = {}
    candidates = 0
    for start in range(0, len(request.queries) if living else 0, PASS):
        part = slice(start, start + PASS)
        task = Task(chunks, passing, living, request.queries[part], 1, request.metric)
        screening = _usable(screening, task)
        sweep = _Sweep(task, request.radius[part], screening[0] if screening else None)
        found.append(sweep.found())
        names[sweep.name] = None
        candidates += sweep.candidates
        vain = sweep.candidates - len(found[-1].rows)
        if len(screening) > 1 and vain > _WASTEFUL * living * len(task.queries):
            screening = screening[1:]
    return _joined(found, len(request.queries), "+".join(names) or "none", candidates)


def _usable(kernels: list[ScreeningKernel], task: Task) -> list[ScreeningKernel]:
    return [kernel for kernel in kernels if kernel.is_usable_for(task)]


def _joined(found: list[Found], queries: int, kernel: str, candidates: int) -> Within:
    begins = np.zeros(queries + 1, np.int64)
    if found:
        np.cumsum(np.concatenate([part.counts for part in found]), out=begins[1:])
    return Within(
        distances=np.concatenate([np.empty(0), *(part.distances for part in found)]),
        rows=np.concatenate([np.empty(0, np.int64), *(part.rows for part in found)]),
        begins=begins,
        certified=True,
        kernel=kernel,
        candidates=candidates,
    )


def limit_of(radius: Distances, metric: NeighborMetric) -> Doubles:
    """Keys above it belong to distances that float64 finds beyond the radius."""
    with np.errstate(over="ignore"):
        key = key_of(radius, metric)
        limit = key + np.where(np.isfinite(key), _SLIP * np.abs(key), 0)
    if metric == "cosine":
        return limit + _SLIP
    if metric == "inner":
        return limit
    return np.where(radius < 0, -np.inf, limit)


class _Sweep:
    """One pass over all rows, for a few queries.

    Parameters
    ----------
    task : what is searched
    radius : float64 (q,)
    kernel : that screens; None where float64 looks at every row
    """

    def __init__(self, task: Task, radius: Distances, kernel: ScreeningKernel | None) -> None:
        self._task = task
        self._radius = radius
        self._limit = limit_of(radius, task.metric)
        self.name = "float64" if kernel is None else kernel.name
        screen = None if kernel is None else kernel.screen(task)
        self._views = [None if screen is None else screen.view(chunk) for chunk in task.chunks]
        self._threads = WORKERS.threads if screen is None else screen.threads
        self._parts: list[Part] = []
        self._candidates: list[int] = []

    @property
    def candidates(self) -> int:
        """Rows that were decided in float64, over all queries."""
        return sum(self._candidates)

    def found(self) -> Found:
        """All rows within the radius; those of a query by distance, ties by the lower row."""
        work = len(self._radius) * self._task.dim * sum(one.count for one in self._task.chunks)
        threads = min(self._threads, 1 + work // _WORTH_A_THREAD)
        with blas.limited(1):
            WORKERS.share(self._spans(), self._pass, threads)
        found = self._gathered()
        ends = found.counts.cumsum()
        for begin, end in zip(ends - found.counts, ends, strict=True):
            distances, rows = found.distances[begin:end], found.rows[begin:end]
            order = np.lexsort((rows, distances))
            distances[:], rows[:] = distances[order], rows[order]
        return found

    def _gathered(self) -> Found:
        """By query; each part is given up once it is taken over, as all may be a great many."""
        queries = len(self._radius)
        counts = [np.bincount(query, minlength=queries) for query, _, _ in self._parts]
        total = np.sum(counts, axis=0)
        distances, rows = np.empty(total.sum()), np.empty(total.sum(), np.int64)
        free = total.cumsum() - total
        while self._parts:
            query, near, numbers = self._parts.pop()
            count = counts.pop()
            to = (free - count.cumsum() + count)[query] + np.arange(len(query))
            distances[to], rows[to] = near, numbers
            free += count
        return Found(total, distances, rows)

    def _spans(self) -> list[tuple[int, int, int]]:
        """Chunk, start and stop of each."""
        length = _SINGLE_SPAN if len(self._radius) == 1 else PACK
        return [
            (position, start, min(start + length, chunk.count))
            for position, chunk in enumerate(self._task.chunks)
            for start in range(0, chunk.count, length)
        ]

    def _pass(self, spans: Iterator[tuple[int, int, int]]) -> None:
        with at_desk() as desk:
            for span in spans:
                self._look(span, desk)

    def _look(self, span: tuple[int, int, int], desk: Desk) -> None:
        position, start, stop = span
        chunk, view = self._task.chunks[position], self._views[position]
        passing = self._task.passing[position]
        here = None if passing is None else passing[start:stop]
        if view is None:
            query, slot = self._all(here, stop - start)
        else:
            query, slot = self._screened(view, view.estimates(start, stop, desk), here, start)
        self._candidates.append(len(query))
        self._parts.append(self._decided(chunk, query, slot + start))

    def _all(self, passing: Mask | None, width: int) -> tuple[Positions, Positions]:
        slots = np.arange(width) if passing is None else np.flatnonzero(passing)
        queries = len(self._radius)
        return np.repeat(np.arange(queries), len(slots)), np.tile(slots, queries)

    def _screened(
        self, view: View, estimates: Floats, passing: Mask | None, start: int
    ) -> tuple[Positions, Positions]:
        """Query and slot of what may be within the radius, slots counted from the start."""
        bar = (self._limit + view.slack - view.offset).clip(max=_HUGE).astype(np.float32)
        # One step up, so that no row slips through the rounding of the bar.
        near = estimates <= np.nextafter(bar, _ABOVE)[:, np.newaxis]
        if passing is not None:
            near &= passing
        query, slot = near.nonzero()
        lower = estimates[query, slot] + view.offset[query] - view.errors(query, slot + start)
        may = lower <= self._limit[query]
        return query[may], slot[may]

    def _decided(self, chunk: Chunk, query: Positions, slot: Positions) -> Part:
        distance = np.empty(len(query))
        step = max(1, _DECIDED_AT_ONCE // self._task.dim)
        for first in range(0, len(query), step):
            part = slice(first, first + step)
            queries = self._task.queries[query[part]]
            distance[part] = exact.distances(chunk.vectors[slot[part]], queries, self._task.metric)
        inside = distance <= self._radius[query]
        return query[inside].astype(np.uint8), distance[inside], chunk.rows[slot[inside]]
