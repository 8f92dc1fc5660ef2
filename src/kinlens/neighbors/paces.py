"""Remembers how fast kernels were at work like this, so that batches go to the fastest.

What is cheapest for many queries at once depends on the machine as much as on the vectors: matrix
units multiply int8 many times as fast as float32, plain vector units do not, and what a screen lets
through costs more than it saved where it is too much. No rule knows all that, but a clock does.
All kernels give the same neighbors.
"""

from __future__ import annotations

from collections.abc import Sequence

from kinlens.neighbors.kernels.base import Kernel
from kinlens.neighbors.task import Task

_LEAST_QUERIES = 64
_LEAST_PAIRS = 1 << 22
"""Queries times rows from which on a pass takes long enough to be told from noise."""
_NEWS = 0.3
_TRY_AGAIN = 32
_NEARLY = 2.0
"""A kernel that took so many times the fastest one's time isn't tried again."""

_Key = tuple[str, int, int, int, bool]


class Paces:
    """Seconds for each pair of query and row, by kernel and kind of work."""

    def __init__(self) -> None:
        self._known: dict[_Key, dict[str, float | None]] = {}
        self._turns = 0

    def order(self, kernels: Sequence[Kernel], task: Task) -> Sequence[Kernel]:
        """The kernels from the one on that is to begin; all for a task that is too small to tell.

        Each is tried twice, since the first time it may have to prepare; then the fastest begins,
        and from time to time another one that wasn't much slower.

        Parameters
        ----------
        kernels : in the order they are tried; the last, which is never lost, doesn't compete
        """
        if not _is_large(task):
            return kernels
        known = self._known.setdefault(_key(task), {})
        able = [turn for turn, one in enumerate(kernels[:-1]) if one.is_usable_for(task)]
        untried = [turn for turn in able if known.get(kernels[turn].name) is None]
        if untried or not able:
            return kernels[untried[0] :] if untried else kernels
        paces = {turn: known[kernels[turn].name] or 0.0 for turn in able}
        fastest = min(able, key=lambda turn: paces[turn])
        self._turns += 1
        if self._turns % _TRY_AGAIN == 0:
            near = [turn for turn in able if paces[turn] < _NEARLY * paces[fastest]]
            fastest = near[self._turns // _TRY_AGAIN % len(near)]
        return kernels[fastest:]

    def note(self, kernel: Kernel, task: Task, queries: int, seconds: float) -> None:
        """That a kernel began, and how long its first queries took in all."""
        if not _is_large(task):
            return
        known = self._known.setdefault(_key(task), {})
        if kernel.name not in known:
            known[kernel.name] = None
            return
        pace, before = seconds / (queries * task.living), known[kernel.name]
        known[kernel.name] = pace if before is None else before + _NEWS * (pace - before)


def _is_large(task: Task) -> bool:
    queries = len(task.queries)
    return queries >= _LEAST_QUERIES and queries * task.living >= _LEAST_PAIRS


def _key(task: Task) -> _Key:
    masked = any(passing is not None for passing in task.passing)
    queries = min(256, len(task.queries))
    return task.metric, task.k.bit_length(), queries.bit_length(), task.living.bit_length(), masked
