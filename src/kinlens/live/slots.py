"""Room for one waiting thing a key: a newer one takes the place of the older."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Slots(Generic[K, V]):
    """Hands what waits from those who produce to those who work, never more than the newest.

    Keys are served in the order in which they began to wait, so that none starves.

    Parameters
    ----------
    size : keys that may wait; beyond it the one that has waited for the longest goes
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, key: K, value: V) -> int:
        """Let a value wait; gives how many values were dropped for it: 0 or 1."""
        with self._changed:
            dropped = int(key in self._waiting)
            self._waiting[key] = (time.monotonic(), value)
            if len(self._waiting) > self._size:
                self._waiting.popitem(last=False)
                dropped = 1
            self._changed.notify()
            return dropped

    def put_back(self, key: K, value: V) -> None:
        """Let a value wait that was taken, at the head, unless a newer one has come."""
        with self._changed:
            if key not in self._waiting and len(self._waiting) < self._size:
                self._waiting[key] = (time.monotonic(), value)
                self._waiting.move_to_end(key, last=False)

    def take(self, limit: int, timeout: float | None = None) -> list[tuple[float, V]]:
        """What has waited for the longest, each with the monotonic time when it came.

        Waits until there is something, for `timeout` seconds at most. Gives nothing after that,
        or when closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout)
            count = min(limit, len(self._waiting))
            return [self._waiting.popitem(last=False)[1] for _ in range(count)]

    def close(self) -> None:
        """Nothing more comes; wakes those who wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether nothing more comes."""
        return self._closed

    def __len__(self) -> int:
        return len(self._waiting)
