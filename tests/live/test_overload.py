"""On a machine that is too slow for what comes, what is seen is the newest all the same.

The bus measures how long messages wait by a clock that only the test moves: reading a message takes
a second of it. How fast this machine is changes nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kinlens import wiring
from kinlens.live import wire
from kinlens.live.types import Sighting
from kinlens.messaging import mqtt, open_bus
from kinlens.search import Search
from live_servers import mosquitto, wait_for

See = Callable[..., Sighting]
COUNT = 300
SLOW = 1.0
"""Seconds of the clock for which a message is read: all of them would take 300."""

PAUSE = 0.05
MAX_AGE = 60.0
"""Seconds; messages may wait for 15 % of it."""


class Clock:
    """Monotonic seconds that pass when told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 1000.0

    def monotonic(self) -> float:
        with self._lock:
            return self._now

    def pass_by(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds


def test_what_waits_at_the_broker_is_passed_over(
    search: Search, see: See, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, sent, clock, read = wire.unpack, threading.Event(), Clock(), list[int]()

    def slowly(*given: Any, **named: Any) -> Sighting:
        assert sent.wait(120)  # so that all of them wait, however slow the sender is
        clock.pass_by(SLOW)
        sighting = real(*given, **named)
        read.append(sighting.sequence)
        return sighting

    with mosquitto(tmp_path) as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        sender = open_bus(url)
        monkeypatch.setattr(wire, "unpack", slowly)
        monkeypatch.setattr(mqtt, "time", SimpleNamespace(monotonic=clock.monotonic))
        settings = {"live_broker": url, "live_rate": 1e5, "live_max_age": MAX_AGE}
        with wiring.open_live(search, **settings) as live:
            live.start()
            bus: Any = live.bus
            # The first echo is back: from now on the bus can tell how long messages wait.
            wait_for(lambda: bus.connected and sender.connected and bus._echo._answered)
            for number in range(COUNT):
                wait_for(lambda: not sender._waiting)  # type: ignore[attr-defined]
                sender.publish("kinlens/door/sightings", wire.pack(see(number % 3, number)))
            sent.set()

            def newest() -> int:
                # One that stands still, as a camera's heartbeat is: it comes until it is seen.
                sender.publish("kinlens/door/sightings", wire.pack(see(0, COUNT)))
                time.sleep(PAUSE)
                clock.pass_by(PAUSE)
                seen = live.latest("door")
                return seen.sequence if seen else -1

            wait_for(lambda: newest() == COUNT, "the newest", patience=120)
            assert len([sequence for sequence in read if sequence < COUNT]) < COUNT - 100
        sender.close()
