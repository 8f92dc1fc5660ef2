"""Finds the neighbors in a snapshot: screens, decides, and goes finer where a screen fails."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kinlens.neighbors import blas
from kinlens.neighbors.coding import Center
from kinlens.neighbors.decide import decide
from kinlens.neighbors.kernels.base import Kernel
from kinlens.neighbors.paces import Paces
from kinlens.neighbors.result import Distances, Mask, NeighborMetric, Neighbors, Rows
from kinlens.neighbors.storage import Chunk, Snapshot
from kinlens.neighbors.task import Task
from kinlens.neighbors.workers import WORKERS
from kinlens.types import Vectors

_SORTED = 256
"""Queries so many that it pays to put those of like length together: they share a pass's bounds."""
_TOGETHER = 8
"""Queries so few that they look at slots where they lie; see `FewKernel`."""
_TINY = 1 << 17
"""Numbers to compare that float64 takes less than 0.2 ms for."""
_FEW_ROWS = 8192
_PART = 256
"""Queries of one thread, of many among few rows: there no thread has to wait for another."""
_ROUND = 16 * _PART
"""Queries after which another kernel may begin."""
_MOST_AT_ONCE = 1024
"""A kernel that takes more queries at once has threads of its own: those of a GPU."""
_FORGET = 0.1
_DEFEATED = 0.5
_RETRY = 32


@dataclass(frozen=True, slots=True)
class Request:
    """What is searched for, checked: see `ExactIndex.search`."""

    queries: Vectors
    k: int
    metric: NeighborMetric
    mask: Mask | None


class Engine:
    """Runs requests through kernels, and remembers which of them the data defeat.

    Parameters
    ----------
    kernels : in the order they are tried; the last never loses a query
    adapts : whether large batches may begin with whichever kernel proves to be the fastest
    """

    def __init__(self, kernels: Sequence[Kernel], *, adapts: bool = False) -> None:
        self._kernels = kernels
        self._paces = Paces() if adapts else None
        self._defeats = {kernel.name: 0.0 for kernel in kernels}
        self._searches = 0

    def search(self, snapshot: Snapshot, request: Request) -> Neighbors:
        """The k nearest living rows that the mask lets through, for each query."""
        chunks, passing, living = passing_slots(snapshot, request.mask)
        k = min(request.k, living)
        shape = len(request.queries), k
        answer = _Answer(np.empty(shape), np.empty(shape, np.int64))
        if answer.rows.size:
            if len(request.queries) > _TOGETHER and _are_few(living, chunks, len(request.queries)):
                chunks, passing = _gathered(chunks, passing)
            queries, to = request.queries, np.arange(len(request.queries))
            if len(to) > _SORTED:
                to = _by_length(queries, chunks[0])
                queries = queries[to]
            task = Task(chunks, passing, living, queries, k, request.metric)
            # A single query's products with all vectors are limited by `float32` itself.
            with blas.limited(1 if len(to) > 1 else None):
                self._answer(task, answer, to, self._kernels[-1:] if self._is_tiny(task) else None)
        return Neighbors(
            answer.distances, answer.rows, True, answer.kernel(), candidates=answer.candidates
        )

    def _is_tiny(self, task: Task) -> bool:
        """Whether to decide on all rows takes no longer than to rule some out first."""
        return self._paces is not None and task.living * task.queries.size <= _TINY

    def _answer(
        self, task: Task, answer: _Answer, to: Rows, kernels: Sequence[Kernel] | None = None
    ) -> None:
        """All of the task's queries, by these kernels; by those trusted at the time for None."""
        done = 0
        while done < len(to):
            rest = _part(task, slice(done, None))
            if kernels is not None:
                done += self._pass(rest, answer, to[done:], kernels)
            elif self._paces is None:
                done += self._pass(rest, answer, to[done:], self._trusted())
            else:
                done += self._timed(rest, answer, to[done:], self._paces)

    def _timed(self, task: Task, answer: _Answer, to: Rows, paces: Paces) -> int:
        """See `_pass`, by the kernel that is the fastest so far."""
        kernels = paces.order(self._trusted(), task)
        started = time.perf_counter()
        if _goes_side_by_side(task, kernels[0]):
            count = self._side_by_side(task, answer, to, kernels)
        else:
            count = self._pass(task, answer, to, kernels)
        paces.note(kernels[0], task, count, time.perf_counter() - started)
        return count

    def _side_by_side(
        self, task: Task, answer: _Answer, to: Rows, kernels: Sequence[Kernel]
    ) -> int:
        """The first queries, each part from its estimates to its neighbors in one thread."""
        to = to[:_ROUND]
        parts = -(-len(to) // _PART)
        parts += -parts % WORKERS.at_hand
        bounds = np.linspace(0, len(to), parts + 1).astype(int).tolist()

        def work(parts: Iterator[slice]) -> None:
            for part in parts:
                self._answer(_part(task, part), answer, to[part], kernels)

        WORKERS.share([slice(*pair) for pair in itertools.pairwise(bounds)], work, WORKERS.threads)
        return len(to)

    def _pass(self, task: Task, answer: _Answer, to: Rows, kernels: Sequence[Kernel]) -> int:
        """The first queries, as many as the first kernel that can takes at once; gives how many."""
        turn, part = _first_usable(kernels, task)
        kernel, to = kernels[turn], to[: len(part.queries)]
        shortlist = kernel.shortlist(part)
        lost = shortlist.lost
        if not lost.all():
            answer.add(kernel.name, to[~lost], decide(part, shortlist))
        self._remember(kernel, float(lost.mean()))
        if lost.any():
            again = replace(part, queries=part.queries[lost])
            self._answer(again, answer, to[lost], kernels[turn + 1 :])
        return len(part.queries)

    def _trusted(self) -> Sequence[Kernel]:
        """Without kernels that mostly failed lately, but for a try from time to time."""
        self._searches += 1
        if self._searches % _RETRY == 0:
            return self._kernels
        return [kernel for kernel in self._kernels if self._defeats[kernel.name] < _DEFEATED]

    def _remember(self, kernel: Kernel, lost: float) -> None:
        before = self._defeats[kernel.name]
        self._defeats[kernel.name] = before + _FORGET * (lost - before)


def _goes_side_by_side(task: Task, kernel: Kernel) -> bool:
    few, many = task.living <= _FEW_ROWS, len(task.queries) >= 2 * _PART
    return few and many and kernel.queries_per_pass <= _MOST_AT_ONCE


def _first_usable(kernels: Sequence[Kernel], task: Task) -> tuple[int, Task]:
    """Its position, and of the task what it takes at once; the last is always usable."""
    parts = (_part(task, slice(kernel.queries_per_pass)) for kernel in kernels)
    pairs = enumerate(zip(kernels, parts, strict=True))
    return next((turn, part) for turn, (kernel, part) in pairs if kernel.is_usable_for(part))


def _part(task: Task, some: slice) -> Task:
    """With some of its queries; mostly these are all."""
    queries = task.queries[some]
    return task if len(queries) == len(task.queries) else replace(task, queries=queries)


class _Answer:
    """Filled query by query, as kernels find them."""

    def __init__(self, distances: Distances, rows: Rows) -> None:
        self.distances = distances
        self.rows = rows
        self.candidates = 0
        self._kernels: list[str] = []
        self._lock = threading.Lock()

    def add(self, kernel: str, to: Rows, found: tuple[Distances, Rows, int]) -> None:
        """Take in what was decided for some of the queries."""
        self.distances[to], self.rows[to], candidates = found
        with self._lock:
            self.candidates += candidates
            if kernel not in self._kernels:
                self._kernels.append(kernel)

    def kernel(self) -> str:
        """Names of all that took part."""
        return "+".join(self._kernels) or "none"


def passing_slots(
    snapshot: Snapshot, mask: Mask | None
) -> tuple[tuple[Chunk, ...], tuple[Mask | None, ...], int]:
    """Chunks, passing and living as a `Task` has them."""
    chunks: list[Chunk] = []
    passing: list[Mask | None] = []
    living = 0
    for chunk in snapshot.chunks:
        if mask is None and chunk.living == chunk.count:
            here, count = None, chunk.count
        else:
            here = chunk.passing(mask)
            count = int(np.count_nonzero(here))
        if count:
            chunks.append(chunk)
            passing.append(here)
            living += count
    return tuple(chunks), tuple(passing), living


def _are_few(living: int, chunks: tuple[Chunk, ...], queries: int) -> bool:
    """Whether it costs less to copy the slots that pass than to look at all."""
    dim = chunks[0].vectors.shape[1]
    sketches = chunks[0].sketches
    looked_at = dim if sketches is None else sketches.axes.width
    times = 2.5 + 5 * dim / looked_at * 3 / (queries + 2)
    return bool(times * living < sum(chunk.count for chunk in chunks))


def _gathered(
    chunks: tuple[Chunk, ...], passing: tuple[Mask | None, ...]
) -> tuple[tuple[Chunk, ...], tuple[Mask | None, ...]]:
    """Copies of the slots that pass, in one chunk for each center."""
    alike: dict[Center, list[tuple[Chunk, npt.NDArray[np.intp]]]] = {}
    for chunk, here in zip(chunks, passing, strict=True):
        slots = np.arange(chunk.count) if here is None else np.flatnonzero(here)
        alike.setdefault(chunk.codes.center, []).append((chunk, slots))
    few = tuple(Chunk.gathered(parts) for parts in alike.values())
    return few, (None,) * len(few)


def _by_length(queries: Vectors, chunk: Chunk) -> npt.NDArray[np.intp]:
    """Order by the distance from the chunk's center."""
    with np.errstate(over="ignore"):
        return np.argsort(np.linalg.norm(queries - chunk.codes.center.vector, axis=1))
