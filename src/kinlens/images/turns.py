"""Whose picture is decoded next: turns among callers, with bounds on how many may wait."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from kinlens.errors import KinlensError, Overloaded

MOST_WAITING = 32
"""Pictures of callers that may wait for a decoder process."""

MOST_WAITING_EACH = 12
"""The same, of one caller."""


class Turns:
    """A semaphore that is fair to callers. Thread-safe.

    Callers take turns, and one of them never has all the places, where there are several. The
    caller "", which is this process's own work, has no bounds.

    Parameters
    ----------
    places : held at once, from 1 up
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._most_each = max(1, places - 1)
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._places = places
        self._held: Counter[str] = Counter()
        self._queues: dict[str, deque[_Waits]] = {}
        self._ended: KinlensError | None = None

    @contextmanager
    def turn(self, caller: str) -> Iterator[None]:
        """Hold a place; blocks until it is this caller's turn.

        Raises
        ------
        Overloaded : too many wait, in all or of this caller
        KinlensError : what `end` was given
        """
        with self._lock:
            waits = self._take(caller)
        try:
            if waits is not None:
                waits.wait()
            if self._ended is not None:
                raise self._ended
            yield
        finally:
            with self._lock:
                self._give_back(caller, waits)

    def end(self, error: KinlensError) -> None:
        """Give no more turns: raise the error to all who wait, and who come later."""
        with self._lock:
            self._ended = self._ended or error
            for queue in self._queues.values():
                for waits in queue:
                    waits.woken.set()

    def interrupt(self) -> None:
        """Raise `Overloaded` to all who wait now."""
        with self._lock:
            for queue in self._queues.values():
                for waits in queue:
                    waits.is_interrupted = True
                    waits.woken.set()

    @property
    def ended(self) -> KinlensError | None:
        """What `end` was given."""
        return self._ended

    def wait_idle(self) -> None:
        """Wait until nobody holds a place."""
        with self._lock:
            while self._free < self._places:
                self._idle.wait()

    def _take(self, caller: str) -> _Waits | None:
        """Take a free place, which gives None, or a place in line."""
        if self._ended is not None:
            raise self._ended
        if self._free and caller not in self._queues and self._may(caller):
            self._hold(caller)
            return None
        if caller:
            self._check_bounds(caller)
        waits = _Waits()
        self._queues.setdefault(caller, deque()).append(waits)
        return waits

    def _may(self, caller: str) -> bool:
        return not caller or self._held[caller] < self._most_each

    def _hold(self, caller: str) -> None:
        self._free -= 1
        self._held[caller] += 1

    def _check_bounds(self, caller: str) -> None:
        own = len(self._queues.get(caller, ()))
        others = sum(len(queue) for name, queue in self._queues.items() if name)
        if own >= MOST_WAITING_EACH or others >= MOST_WAITING:
            whose = f"{own} of your" if own >= MOST_WAITING_EACH else f"{others}"
            raise Overloaded(
                f"{whose} pictures wait to be decoded already, the most that may; try again in a "
                "moment. JPEGs without thousands of scans don't wait."
            )

    def _give_back(self, caller: str, waits: _Waits | None) -> None:
        queue = self._queues.get(caller)
        if waits is not None and queue and waits in queue:
            queue.remove(waits)  # it never had a place
            if not queue:
                del self._queues[caller]
            return
        self._free += 1
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
        self._next()
        self._idle.notify_all()

    def _next(self) -> None:
        caller = next((name for name in self._queues if self._may(name)), None)
        if caller is None:
            return
        queue = self._queues.pop(caller)
        waits = queue.popleft()
        if queue:
            self._queues[caller] = queue  # at the end: the others come first
        self._hold(caller)
        waits.woken.set()


class _Waits:
    """A caller in line."""

    def __init__(self) -> None:
        self.woken = threading.Event()
        self.is_interrupted = False

    def wait(self) -> None:
        """Until it is woken."""
        self.woken.wait()
        if self.is_interrupted:
            raise interrupted()


def interrupted() -> Overloaded:
    """What is raised to those whose pictures are given up."""
    return Overloaded("The server is shutting down; try again in a moment.")
