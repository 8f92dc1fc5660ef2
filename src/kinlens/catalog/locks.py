"""A lock for many readers or one writer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class ReadWriteLock:
    """Readers share, a writer has it alone; a waiting writer goes before new readers.

    Not reentrant.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writers_waiting = 0
        self._writing = False

    @contextmanager
    def read(self) -> Iterator[None]:
        """Hold it together with other readers."""
        with self._changed:
            while self._writing or self._writers_waiting:
                self._changed.wait()
            self._readers += 1
        try:
            yield
        finally:
            self._release()

    @contextmanager
    def write(self) -> Iterator[Callable[[], None]]:
        """Hold it alone; gives a function that turns it into a reader's without letting go."""
        with self._changed:
            self._writers_waiting += 1
            try:
                while self._writing or self._readers:
                    self._changed.wait()
            finally:
                self._writers_waiting -= 1
            self._writing = True
        try:
            yield self._downgrade
        finally:
            self._release()

    def _downgrade(self) -> None:
        with self._changed:
            self._writing = False
            self._readers += 1
            self._changed.notify_all()

    def _release(self) -> None:
        with self._changed:
            if self._writing:
                self._writing = False
            else:
                self._readers -= 1
            self._changed.notify_all()
