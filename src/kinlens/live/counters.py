"""Counts what became of what came in."""

from __future__ import annotations

import threading

NAMES = (
    "received",
    "matched",
    "repeated",
    "dropped",
    "stale",
    "duplicate",
    "limited",
    "malformed",
    "refused",
    "failed",
)


class Counters:
    """Sightings and statuses by what became of them. Thread-safe.

    received : messages that came, of any kind
    matched : sightings whose look-alikes were looked up
    repeated : sightings that show what the one before did
    dropped : sightings that a newer one of their device replaced before their turn came
    stale : sightings that waited for too long
    duplicate : sightings that had come before, or older than one that had
    limited : messages over a device's rate, or of more new devices than are taken on
    malformed : payloads that can't be read
    refused : vectors of another encoder, and what wasn't signed as it has to be
    failed : sightings whose search failed
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(NAMES, 0)

    def add(self, name: str, count: int = 1) -> None:
        """Count; `name` is one of `NAMES`."""
        with self._lock:
            self._counts[name] += count

    def snapshot(self) -> dict[str, int]:
        """The counts by name."""
        with self._lock:
            return dict(self._counts)
