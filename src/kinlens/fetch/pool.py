"""Connections kept open between fetches, so that a shop's pictures need one handshake."""

from __future__ import annotations

import threading
import time

from kinlens.fetch.connection import Connection
from kinlens.fetch.target import Target

MAX_IDLE = 16
MAX_AGE = 10.0


class IdleConnections:
    """At most 16 idle connections, the last used first, none idle for over 10 s. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[float, tuple[str, str, int], Connection]] = []

    def take(self, target: Target) -> Connection | None:
        """A connection to the target's host and port, now the caller's; None if there is none."""
        with self._lock:
            self._prune(MAX_IDLE)
            for at in range(len(self._idle) - 1, -1, -1):
                if self._idle[at][1] == _key(target):
                    return self._idle.pop(at)[2]
        return None

    def put(self, target: Target, connection: Connection) -> None:
        """Keep a connection on which nothing is under way."""
        with self._lock:
            self._prune(MAX_IDLE - 1)
            self._idle.append((time.monotonic(), _key(target), connection))

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            self._prune(0)

    def _prune(self, count: int) -> None:
        oldest = time.monotonic() - MAX_AGE
        while self._idle and (len(self._idle) > count or self._idle[0][0] < oldest):
            self._idle.pop(0)[2].close()


def _key(target: Target) -> tuple[str, str, int]:
    return target.scheme, target.host, target.port
