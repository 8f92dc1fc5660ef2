"""Finds all rows within a radius: the kernels' estimates and bounds, with a limit that is given.

A row whose lower bound is above the limit can't be within the radius; all others are decided in
float64, span by span. So what is held at once is one span's candidates and the answer itself, even
where everything is within the radius.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kinlens.neighbors import exact
from kinlens.neighbors.engine import passing_slots
from kinlens.neighbors.kernels.base import PASS, Kernel
from kinlens.neighbors.kernels.float32 import Float32Kernel
from kinlens.neighbors.kernels.int8 import Int8Kernel
from kinlens.neighbors.products import PACK
from kinlens.neighbors.result import Distances, Mask, NeighborMetric, Rows, Within
from kinlens.neighbors.sieve import Desk, Doubles, Floats, Positions, View
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
Found = tuple[Positions, Distances, Rows]
"""Query, distance and row of each."""


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
    names: list[str] = []
    candidates = 0
    for start in range(0, len(request.queries) if living else 0, PASS):
        part = slice(start, start + PASS)
        task = Task(chunks, passing, living, request.queries[part], 1, request.metric)
        screening = _usable(screening, task)
        sweep = _Sweep(task, request.radius[part], screening[0] if screening else None)
        query, distance, row = sweep.found()
        found.append((query + start, distance, row))
        candidates += sweep.candidates
        if sweep.name not in names:
            names.append(sweep.name)
        if len(screening) > 1 and sweep.is_wasteful():
            screening = screening[1:]
    return _joined(found, len(request.queries), "+".join(names) or "none", candidates)


def _usable(kernels: list[ScreeningKernel], task: Task) -> list[ScreeningKernel]:
    return [kernel for kernel in kernels if kernel.is_usable_for(task)]


def _joined(found: list[Found], queries: int, kernel: str, candidates: int) -> Within:
    parts = list(zip(*found, strict=True)) or [(), (), ()]
    query = np.concatenate([np.empty(0, np.intp), *parts[0]])
    begins = np.zeros(queries + 1, np.int64)
    np.cumsum(np.bincount(query, minlength=queries), out=begins[1:])
    return Within(
        distances=np.concatenate([np.empty(0), *parts[1]]),
        rows=np.concatenate([np.empty(0, np.int64), *parts[2]]),
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
        self._found: list[Found] = []
        self._candidates: list[int] = []

    @property
    def candidates(self) -> int:
        """Rows that were decided in float64, over all queries."""
        return sum(self._candidates)

    def is_wasteful(self) -> bool:
        """Whether the screen let far more through than was found."""
        vain = self.candidates - sum(len(query) for query, _, _ in self._found)
        return vain > _WASTEFUL * self._task.living * len(self._radius)

    def found(self) -> Found:
        """By query, then by distance, then by row."""
        work = len(self._radius) * self._task.dim * sum(one.count for one in self._task.chunks)
        WORKERS.share(self._spans(), self._pass, min(self._threads, 1 + work // _WORTH_A_THREAD))
        query = np.concatenate([part[0] for part in self._found])
        distance = np.concatenate([part[1] for part in self._found])
        row = np.concatenate([part[2] for part in self._found])
        order = np.lexsort((row, distance, query))
        return query[order], distance[order], row[order]

    def _spans(self) -> list[tuple[int, int, int]]:
        """Chunk, start and stop of each."""
        length = _SINGLE_SPAN if len(self._radius) == 1 else PACK
        return [
            (position, start, min(start + length, chunk.count))
            for position, chunk in enumerate(self._task.chunks)
            for start in range(0, chunk.count, length)
        ]

    def _pass(self, spans: Iterator[tuple[int, int, int]]) -> None:
        desk = Desk()
        for position, start, stop in spans:
            chunk, view = self._task.chunks[position], self._views[position]
            passing = self._task.passing[position]
            here = None if passing is None else passing[start:stop]
            if view is None:
                query, slot = self._all(here, stop - start)
            else:
                query, slot = self._screened(view, view.estimates(start, stop, desk), here, start)
            self._candidates.append(len(query))
            self._found.append(self._decided(chunk, query, slot + start))

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

    def _decided(self, chunk: Chunk, query: Positions, slot: Positions) -> Found:
        distance = np.empty(len(query))
        step = max(1, _DECIDED_AT_ONCE // self._task.dim)
        for first in range(0, len(query), step):
            part = slice(first, first + step)
            queries = self._task.queries[query[part]]
            distance[part] = exact.distances(chunk.vectors[slot[part]], queries, self._task.metric)
        inside = distance <= self._radius[query]
        return query[inside], distance[inside], chunk.rows[slot[inside]]
