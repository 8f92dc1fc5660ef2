"""Screens on an NVIDIA GPU with float16 products on tensor cores, and decides there in float64.

A vector c about its chunk's center is taken as c' = scale * code with a code in float16, of which
the numbers are at most 1. Rounding to float16 moves a number by 2^-11 of itself, or by 2^-25 where
it is below float16's normal range: |c - c'| <= (2^-11 + 2^-24 sqrt(dim)) |c|, and with queries
p = q - m coded alike, of which |p - p'| is computed, Cauchy-Schwarz bounds the product as in
`coding`:

    |p.c - p'.c'| <= |p - p'| |c| + |p'| |c - c'|.

Tensor cores multiply float16 exactly and add in float32, but cut off instead of rounding, in groups
of products aligned to the largest (Fasi, Higham, Mikaitis, Pranesh: Numerical behavior of NVIDIA
tensor cores, 2021; Khattak, Mikaitis: Accurate models of NVIDIA tensor cores, 2025). Each number
added loses less than 2^-23 of the largest magnitude in play, which is at most |p'| |c'|; twice that
for each is allowed for here, in any order.

All queries of a pass meet all vectors, in matrices of estimates that never leave the GPU. A matrix
is narrowed down without asking how many passed, which would stop the GPU each time: the least
estimates lie in the groups of the least minima.
"""

from __future__ import annotations

import os
import threading

import numpy as np

from kinlens.neighbors import tensors
from kinlens.neighbors.kernels import bounds
from kinlens.neighbors.kernels.columns import Columns
from kinlens.neighbors.kernels.held import GROUP, Store
from kinlens.neighbors.kernels.selection import Selection
from kinlens.neighbors.storage import Chunk, chunk_slots
from kinlens.neighbors.task import Decided, Shortlist, Task
from kinlens.neighbors.tensors import Device, Tensor

_LEAST_WORK = 1 << 25
"""Numbers multiplied below which a CPU is done before a GPU has begun."""
_LEAST_ROWS_PER_NEIGHBOR = 16
_MOST_NEIGHBORS = 1024
_STREAMED = 256
"""Queries from which it is worth sending vectors over that don't stay."""
_MOST_ESTIMATES = 1 << 30
_MOST_MEMBERS = 1 << 27


class CudaKernel:
    """Safe to call from many threads, which take turns.

    Parameters
    ----------
    device : "cuda"; "cpu" runs the same code without a GPU, slowly, to test it
    least_work : rows * queries * dim from which it is usable
    most_bytes : of the device's memory for vectors; None for what is free less room to work in
    most_estimates : numbers in a matrix of estimates; less where memory is small
    """

    name = "cuda"
    queries_per_pass = 16_384

    def __init__(
        self,
        device: str = "cuda",
        *,
        least_work: int = _LEAST_WORK,
        most_bytes: int | None = None,
        most_estimates: int = _MOST_ESTIMATES,
    ) -> None:
        self.device = Device(device)
        self.store = Store(self.device, most_bytes)
        self._least_work = least_work
        self._most_estimates = most_estimates
        self._lock = threading.Lock()
        self._process = os.getpid()

    def missing(self) -> str:
        """PyTorch, a driver, or a GPU with tensor cores."""
        return tensors.missing(self.device.name)

    def is_usable_for(self, task: Task) -> bool:
        """Needs a GPU, work enough, and memory for the vectors or queries enough to stream them."""
        return (
            task.living * len(task.queries) * task.dim >= self._least_work
            and _LEAST_ROWS_PER_NEIGHBOR * task.k <= task.living
            and task.k <= _MOST_NEIGHBORS
            and bounds.chunks_in_range(task.chunks)
            and not self.missing()
            and self._process == os.getpid()  # a GPU can't be used on after a fork
            and self.device.adds_in_float32
            and (len(task.queries) >= _STREAMED or self._stays(task.chunks))
        )

    def shortlist(self, task: Task) -> Shortlist:
        """See `Kernel`; it decides itself."""
        with self._lock, self.device.working():
            try:
                return self.searched(task, self.device.put(task.queries))
            except self.device.out_of_memory:
                self.device.give_back()
                return Shortlist.without_entries(np.ones(len(task.queries), np.bool_))

    def _stays(self, chunks: tuple[Chunk, ...]) -> bool:
        """Whether all of them can be there at the next search; copies of some slots won't."""
        lasting = all(len(chunk.rows) == chunk_slots(chunk.vectors.shape[1]) for chunk in chunks)
        return lasting and self.store.would_hold(chunks)

    def searched(self, task: Task, queries: Tensor) -> Shortlist:
        """The same with the task's queries, float32, on the device; one thread, while `working`."""
        columns = Columns.of(task, self.store)
        count = len(task.queries)
        distances, rows = np.empty((count, task.k)), np.empty((count, task.k), np.int64)
        left, candidates = np.arange(count), 0
        members = min(_MOST_MEMBERS, self.device.total_bytes // 128)
        # Once with little room to spare, then with much for the few that need it.
        for keep in (2 * task.k + 8, 8 * task.k + 248):
            step = max(1, min(members // (keep * GROUP), members // task.dim))
            lost = []
            for start in range(0, len(left), step):
                part = left[start : start + step]
                found = self._selected(task, columns, queries, part, keep)
                lost.append(part[found.lost])
                done = part[~found.lost]
                distances[done], rows[done], more = found.decided()
                candidates += more
            left = np.concatenate(lost)
            if not len(left):
                break
        missed = np.zeros(count, np.bool_)
        missed[left] = True
        found_all = Decided(distances[~missed], rows[~missed], candidates)
        return Shortlist.without_entries(missed, found_all)

    def _selected(
        self, task: Task, columns: Columns, queries: Tensor, part: np.ndarray, keep: int
    ) -> Selection:
        whole = len(part) == len(queries)
        some = queries if whole else queries[self.device.put(part)]
        most = min(self._most_estimates, self.device.total_bytes // 32)
        return Selection(self.store, task, columns, some, keep=keep, most_estimates=most)
