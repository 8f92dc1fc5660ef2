"""Remembers how fast kernels were at work like this, so that searches go to the fastest.

What is cheapest depends on the machine as much as on the vectors: matrix
units multiply int8 many times as fast as float32, plain vector units do not, and what a screen lets
through costs more than it saved where it is too much. No rule knows all that, but a clock does.
All kernels give the same neighbors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kinlens.neighbors.kernels.base import Kernel
from kinlens.neighbors.task import Task

_LEAST_ROWS = 1 << 14
"""Fewer take so little time that it isn't worth a thought."""
_LEAST_QUERIES = 65
"""Fewer read the vectors for so few products that the smallest codes win; and someone waits."""
_TRIALS = 3
"""The first of them doesn't count: it may have to prepare."""
_NEWS = 0.3
_MOST_NEWS = 2.0
"""What took longer than so many times its pace was held up by something else."""
_TRY_AGAIN = 64
_NEARLY = 1.5
"""A kernel that took so many times the fastest one's time isn't tried again."""

_MOST_QUERIES = 256
"""More go through in several passes of about so many."""

_Key = tuple[str, int, int, int, bool]


@dataclass(slots=True)
class _Pace:
    """How often a kernel began, and its seconds for each pair."""

    times: int = 0
    seconds: float = math.inf

    def note(self, seconds: float) -> None:
        self.times += 1
        if 1 < self.times <= _TRIALS:
            self.seconds = min(self.seconds, seconds)
        elif self.times > _TRIALS:
            self.seconds += _NEWS * (min(seconds, _MOST_NEWS * self.seconds) - self.seconds)


class Paces:
    """Seconds for each pair of query and row, by kernel and kind of work."""

    def __init__(self) -> None:
        self._known: dict[_Key, dict[str, _Pace]] = {}
        self._turns = 0

    def order(self, kernels: Sequence[Kernel], task: Task) -> Sequence[Kernel]:
        """The kernels from the one on that is to begin; all for a task that is too small to tell.

        Each is tried a few times; then the fastest begins, and from time to time another one that
        wasn't much slower.

        Parameters
        ----------
        kernels : in the order they are tried; the last, which is never lost, doesn't compete
        """
        if task.living < _LEAST_ROWS or len(task.queries) < _LEAST_QUERIES:
            return kernels
        known = self._known.setdefault(_key(task), {})
        part = replace(task, queries=task.queries[:_MOST_QUERIES])
        able = [turn for turn, one in enumerate(kernels[:-1]) if one.is_usable_for(part)]
        if len(able) < 2:
            return kernels
        paces = {turn: known.setdefault(kernels[turn].name, _Pace()) for turn in able}
        for turn, pace in paces.items():
            if pace.times < _TRIALS:
                return kernels[turn:]
        fastest = min(able, key=lambda turn: paces[turn].seconds)
        self._turns += 1
        if self._turns % _TRY_AGAIN == 0:
            near = [turn for turn in able if paces[turn].seconds < _NEARLY * paces[fastest].seconds]
            fastest = near[self._turns // _TRY_AGAIN % len(near)]
        return kernels[fastest:]

    def note(self, kernel: Kernel, task: Task, queries: int, seconds: float) -> None:
        """That a kernel began, and how long its first queries took in all."""
        pace = self._known.get(_key(task), {}).get(kernel.name)
        if pace is not None:
            pace.note(seconds / (queries * task.living))


def _key(task: Task) -> _Key:
    masked = any(passing is not None for passing in task.passing)
    queries = min(_MOST_QUERIES, len(task.queries))
    return task.metric, task.k.bit_length(), queries.bit_length(), task.living.bit_length(), masked
