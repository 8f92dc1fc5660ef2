"""Looks at every row in float64: slow, plain, right for all numbers; what tests compare with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinlens.neighbors import exact
from kinlens.neighbors.kernels.base import PASS
from kinlens.neighbors.task import Shortlist, Task


class Float64Kernel:
    """The oracle; its shortlist is the answer."""

    name = "float64"
    queries_per_pass = PASS

    def missing(self) -> str:
        """Nothing."""
        return ""

    def is_usable_for(self, task: Task) -> bool:
        """Always."""
        return task.living >= task.k

    def shortlist(self, task: Task) -> Shortlist:
        """See `Kernel`."""
        found = [_nearest(task, query) for query in range(len(task.queries))]
        return Shortlist(
            query=np.repeat(np.arange(len(found)), task.k),
            chunk=np.concatenate([chunk for chunk, _ in found]),
            slot=np.concatenate([slot for _, slot in found]),
            lower=np.full(len(found) * task.k, -np.inf),
            lost=np.zeros(len(found), np.bool_),
        )


def _nearest(task: Task, query: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    distance, row = np.empty(0), np.empty(0, np.int64)
    chunks, slots = np.empty(0, np.intp), np.empty(0, np.intp)
    for position, chunk in enumerate(task.chunks):
        passing = task.passing[position]
        here = np.arange(chunk.count) if passing is None else np.flatnonzero(passing)
        vectors = chunk.vectors[: chunk.count] if passing is None else chunk.vectors[here]
        found = exact.distances(vectors, task.queries[query], task.metric)
        distance, row = np.append(distance, found), np.append(row, chunk.rows[here])
        chunks, slots = np.append(chunks, np.full(len(here), position)), np.append(slots, here)
        near = exact.nearest(distance, row, task.k)
        distance, row, chunks, slots = distance[near], row[near], chunks[near], slots[near]
    return chunks, slots
