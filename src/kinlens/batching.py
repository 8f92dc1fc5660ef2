"""Callers that come at the same time share one call of a function that works on many."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from kinlens.errors import KinlensError, Overloaded

T = TypeVar("T")
R = TypeVar("R")


class _Entry(Generic[T, R]):
    __slots__ = ("error", "leads", "result", "value", "woken")

    def __init__(self, value: T) -> None:
        self.value = value
        self.woken = threading.Event()
        self.leads = False
        self.result: R | None = None
        self.error: Exception | None = None


class Batcher(Generic[T, R]):
    """Groups what concurrent callers submit, first come, first served.

    There is no worker thread: a caller that finds nobody at work does the work itself, at once, so
    an idle system answers without waiting or changing threads. Callers that come meanwhile form the
    next batch, and the first of them does it.

    Parameters
    ----------
    function : results for values, one for each, in order; an `Exception` in the place of a result
        is raised to its caller. Raising spoils only the value that causes it: a batch that raises
        is done again one by one.
    max_size : values in a batch at most
    wait : seconds that a batch waits for more callers while others are about; one that comes when
        all is idle never waits
    max_waiting : callers that may wait before `Overloaded` is raised
    """

    def __init__(
        self,
        function: Callable[[Sequence[T]], Sequence[R | Exception]],
        *,
        max_size: int = 32,
        wait: float = 0.0,
        max_waiting: int = 1024,
    ) -> None:
        self._function = function
        self._max_size = max_size
        self._wait = wait
        self._max_waiting = max_waiting
        self._waiting: deque[_Entry[T, R]] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._closed = False

    def submit(self, value: T) -> R:
        """The function's result for one value; blocks until it is there.

        Raises
        ------
        Overloaded : too many callers wait already
        KinlensError : the batcher has been closed
        """
        entry: _Entry[T, R] = _Entry(value)
        with self._changed:
            self._check_open()
            self._waiting.append(entry)
            self._changed.notify_all()
            entry.leads = idle = not self._busy
            self._busy = True
        if not idle:
            self._await(entry)
        if entry.leads:
            self._lead(idle)
        if entry.error is not None:
            raise entry.error
        return entry.result  # type: ignore[return-value]  # R may itself hold None

    def close(self) -> None:
        """Take no more; those who wait are still served."""
        with self._changed:
            self._closed = True
            while self._busy:
                self._changed.wait()

    def _check_open(self) -> None:
        if self._closed:
            raise KinlensError("This search has been closed; open it again.")
        if len(self._waiting) >= self._max_waiting:
            raise Overloaded(
                f"{self._max_waiting} requests wait already, the most that are taken on; "
                "try again in a moment."
            )

    def _await(self, entry: _Entry[T, R]) -> None:
        try:
            entry.woken.wait()
        except BaseException:  # such as Ctrl-C: the others must not wait for one who has left
            with self._changed:
                if entry in self._waiting:
                    self._waiting.remove(entry)
            if entry.leads:
                self._hand_over()
            raise

    def _lead(self, idle: bool) -> None:
        batch = self._take(idle)
        try:
            self._work(batch)
        except BaseException:
            with self._changed:
                self._waiting.extendleft(reversed(batch[1:]))
            batch = batch[:1]
            raise
        finally:
            self._hand_over()
            for entry in batch:
                entry.woken.set()

    def _take(self, idle: bool) -> list[_Entry[T, R]]:
        with self._changed:
            if self._wait and not idle:
                self._gather()
            size = min(self._max_size, len(self._waiting))
            return [self._waiting.popleft() for _ in range(size)]

    def _gather(self) -> None:
        deadline = time.monotonic() + self._wait
        while len(self._waiting) < self._max_size:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)

    def _hand_over(self) -> None:
        with self._changed:
            if self._waiting:
                following = self._waiting[0]
                following.leads = True
                following.woken.set()
            else:
                self._busy = False
                self._changed.notify_all()

    def _work(self, batch: list[_Entry[T, R]]) -> None:
        try:
            results = self._function([entry.value for entry in batch])
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            for entry in batch:
                self._work([entry])
            return
        for entry, result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                entry.error = result
            else:
                entry.result = result
