"""A bounded queue between threads that knows when its writers are done."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Channel(Generic[T]):
    """First in, first out; writers wait while it is full, readers while it is empty.

    Waking a thread takes longer than handing over an item, so threads are woken for several at
    once: writers when it has become half empty, patient readers when their batch is complete.

    Parameters
    ----------
    size : how many it holds
    writers : that will call `finish`, once each
    weigh : the bytes of an item, where they count
    most : bytes, above which nothing more is taken in
    """

    def __init__(
        self,
        size: int,
        writers: int = 1,
        *,
        weigh: Callable[[T], int] = lambda _: 0,
        most: int = 1,
    ) -> None:
        self._size = size
        self._weigh = weigh
        self._most = most
        self._weight = 0
        self._writers = writers
        self._items: deque[T] = deque()
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._filled = threading.Condition(self._lock)
        self._gathered = threading.Condition(self._lock)
        self._gathering: list[int] = []
        self._closed = False

    def put(self, item: T) -> bool:
        """Add an item, when there is room; False if nobody will read it."""
        with self._room:
            while self._is_full() and not self._closed:
                self._room.wait()
            if self._closed:
                return False
            self._items.append(item)
            self._weight += self._weigh(item)
            if self._gathering and (self._is_full() or len(self._items) >= min(self._gathering)):
                self._gathered.notify()
            else:
                self._filled.notify()
            return True

    def take(self, most: int = 1, *, patience: float = 0.0) -> list[T]:
        """The next items, at least one; none when the writers are done and all is read.

        Parameters
        ----------
        most : items
        patience : seconds to wait for that many to come together
        """
        with self._filled:
            while True:
                while not self._items and self._is_open():
                    self._filled.wait()
                self._gather(most, time.monotonic() + patience)
                # Another reader may have taken all of it while this one waited for more.
                if self._items or not self._is_open():
                    break
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._weight -= sum(map(self._weigh, taken))
            if len(self._items) <= self._size // 2 and self._weight <= self._most // 2:
                self._room.notify_all()
            return taken

    def _gather(self, most: int, deadline: float) -> None:
        """Wait until so many are there or no more can come, or the deadline, or the end."""
        self._gathering.append(most)
        try:
            while len(self._items) < most and not self._is_full() and self._is_open():
                left = deadline - time.monotonic()
                self._room.notify_all()
                if left <= 0 or not self._gathered.wait(left):
                    return
        finally:
            self._gathering.remove(most)

    def _is_open(self) -> bool:
        return self._writers > 0 and not self._closed

    def _is_full(self) -> bool:
        return len(self._items) >= self._size or self._weight >= self._most

    def add_writer(self) -> None:
        """One more will call `finish`."""
        with self._lock:
            self._writers += 1

    def finish(self) -> None:
        """A writer is done."""
        with self._lock:
            self._writers -= 1
            self._wake_readers()

    def close(self, *, drop: bool) -> None:
        """Take nothing more, and if `drop`, forget what is waiting."""
        with self._lock:
            self._closed = True
            if drop:
                self._items.clear()
                self._weight = 0
            self._room.notify_all()
            self._wake_readers()

    def _wake_readers(self) -> None:
        self._filled.notify_all()
        self._gathered.notify_all()
