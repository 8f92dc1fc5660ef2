"""Ending fetches that are under way, from another thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Interruption:
    """Knows what fetches wait for, and ends all of it at once. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._enders: set[Callable[[], None]] = set()
        self.ended = False

    def end(self) -> None:
        """Wake all who wait, now and from now on."""
        with self._lock:
            self.ended = True
            enders = list(self._enders)
        for end in enders:
            end()

    @contextmanager
    def ends(self, end: Callable[[], None]) -> Iterator[None]:
        """Let `end` be called, from another thread, if what is within has to end.

        Raises
        ------
        TimeoutError : it had to before it began
        """
        with self._lock:
            if self.ended:
                raise TimeoutError
            self._enders.add(end)
        try:
            yield
        finally:
            with self._lock:
                self._enders.discard(end)

    @contextmanager
    def ends_socket(self, sock: socket.socket) -> Iterator[None]:
        """Shut a socket down, which wakes whoever reads, writes or connects, if this has to end."""

        def shut() -> None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # a TLS socket keeps its state

        with self.ends(shut):
            yield
