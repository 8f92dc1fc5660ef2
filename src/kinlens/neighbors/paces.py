"""Decides which kernel begins: by a rule at first, then by how fast each was at work like this.

What is cheapest depends on the machine as much as on the vectors: matrix
units multiply int8 many times as fast as float32, plain vector units do not, and what a screen lets
through costs more than it saved where it is too much. No rule knows all that, but a clock does.
All kernels give the same neighbors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kinlens.neighbors.kernels.base import Kernel
from kinlens.neighbors.task import Task

_FEW_ROWS = 1 << 15
_FEW_QUERIES = 8
"""More queries than these among few rows: there calls and comparisons cost more than products."""
_PLAIN = "float32"
_FOREMOST = "cuda"
_LEAST_QUERIES = 65
"""Fewer read the vectors for so few products that the smallest codes win; and someone waits."""
_TRIALS = 3
"""The first of them doesn't count: it may have to prepare."""
_SHARE = 0.25
"""Of all the time, what may go into trials of kernels that aren't the fastest known."""
_MOST_NEWS = 2.0
"""What took longer than so many times its pace was held up by something else."""
_CODED = ("sketch", "int8")
"""Of these two, the one is better for queries that have near neighbors, the other for the rest."""

_MOST_QUERIES = 256
"""More go through in several passes of about so many."""

_Key = tuple[str, int, int, int, bool]


@dataclass(frozen=True, slots=True)
class _Habit:
    """How to learn which is the fastest.

    Parameters
    ----------
    news : weight of a time beside all before it
    rare_news : the same for one that isn't the leader, and so begins rarely
    stays : how many times the fastest one's time the leader may take
    nearly : one that took so many times the leader's time isn't tried again
    again : in how many turns another one is tried
    """

    news: float
    rare_news: float
    stays: float
    nearly: float
    again: int


_TOGETHER = _Habit(news=0.3, rare_news=0.3, stays=1.0, nearly=1.5, again=64)
_ALONE = _Habit(news=0.1, rare_news=0.4, stays=1.2, nearly=3.0, again=32)
"""Single queries aren't all alike, so one tells little."""


@dataclass(slots=True)
class _Pace:
    """How often a kernel began, and its seconds for each pair."""

    times: int = 0
    seconds: float = math.inf

    def note(self, seconds: float, news: float) -> None:
        self.times += 1
        if 1 < self.times <= _TRIALS or (self.times > 1 and math.isinf(self.seconds)):
            self.seconds = min(self.seconds, seconds)
        elif self.times > _TRIALS:
            self.seconds += news * (min(seconds, _MOST_NEWS * self.seconds) - self.seconds)


@dataclass(slots=True)
class _Work:
    """What is known of one kind of work."""

    habit: _Habit
    paces: dict[str, _Pace] = field(default_factory=dict)
    leader: str = ""
    seconds: float = 0.0
    tried: float = 0.0
    turns: int = 0

    def choice(self, able: dict[str, int], guess: str) -> str:
        """Which of the kernels that are able begins; `guess` where nothing is known."""
        paces, habit = {name: self.paces.setdefault(name, _Pace()) for name in able}, self.habit
        fastest = min(paces, key=lambda name: paces[name].seconds)
        if paces[fastest].times < 2:
            self.leader = guess
        elif (
            self.leader not in paces
            or paces[self.leader].seconds > habit.stays * paces[fastest].seconds
        ):
            self.leader = fastest
        near = habit.nearly * paces[self.leader].seconds
        if paces[self.leader].times < _TRIALS:
            return self.leader
        if self.tried <= _SHARE * self.seconds:
            for name, pace in paces.items():
                if pace.times < _TRIALS and (pace.times < 2 or pace.seconds < near):
                    return name
        self.turns += 1
        if self.turns % habit.again:
            return self.leader
        alike = [name for name, pace in paces.items() if pace.seconds <= near]
        return alike[self.turns // habit.again % len(alike)]

    def note(self, name: str, seconds: float, pairs: int) -> None:
        self.seconds += seconds
        if name != self.leader:
            self.tried += seconds
        habit = self.habit
        news = habit.news if name == self.leader else habit.rare_news
        self.paces[name].note(seconds / pairs, news)


class Paces:
    """Seconds for each pair of query and row, by kernel and kind of work."""

    def __init__(self) -> None:
        self._known: dict[_Key, _Work] = {}

    def order(self, kernels: Sequence[Kernel], task: Task) -> Sequence[Kernel]:
        """The kernels from the one on that is to begin.

        Among many queries, each is tried a few times, as far as that takes a small part of the
        time; the fastest known begins otherwise, and from time to time another one that wasn't
        much slower. For few queries by rule, but for a choice between two kinds of codes.

        Parameters
        ----------
        kernels : in the order they are tried; the last, which is never lost, doesn't compete
        """
        if len(task.queries) <= _FEW_QUERIES:
            return self._order_alone(kernels, task)
        part = replace(task, queries=task.queries[:_MOST_QUERIES])
        able = {one.name: turn for turn, one in enumerate(kernels[:-1]) if one.is_usable_for(part)}
        if len(able) < 2:
            return kernels
        guess = next(iter(able))
        if task.living < _FEW_ROWS and _PLAIN in able and guess != _FOREMOST:
            guess = _PLAIN
        if len(task.queries) >= _LEAST_QUERIES:
            guess = self._known.setdefault(_key(task), _Work(_TOGETHER)).choice(able, guess)
        return kernels[able[guess] :]

    def _order_alone(self, kernels: Sequence[Kernel], task: Task) -> Sequence[Kernel]:
        """For single queries, or a few."""
        able: dict[str, int] = {}
        for turn, kernel in enumerate(kernels):
            if kernel.is_usable_for(task):
                if kernel.name not in _CODED:
                    break
                able[kernel.name] = turn
        if len(able) < len(_CODED):
            return kernels
        work = self._known.setdefault(_key(task), _Work(_ALONE))
        return kernels[able[work.choice(able, _CODED[0])] :]

    def note(self, kernel: Kernel, task: Task, queries: int, seconds: float) -> None:
        """That a kernel began, and how long its first queries took in all."""
        work = self._known.get(_key(task))
        if work is not None and kernel.name in work.paces:
            work.note(kernel.name, seconds, queries * task.living)


def _key(task: Task) -> _Key:
    masked = any(passing is not None for passing in task.passing)
    queries = min(_MOST_QUERIES, len(task.queries)) - 1
    return task.metric, task.k.bit_length(), queries.bit_length(), task.living.bit_length(), masked
