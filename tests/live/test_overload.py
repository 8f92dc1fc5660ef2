"""On a machine that is too slow for what comes, what is seen is the newest all the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinlens import wiring
from kinlens.live import wire
from kinlens.live.types import Sighting
from kinlens.messaging import open_bus
from kinlens.search import Search
from live_servers import mosquitto, wait_for

See = Callable[..., Sighting]
COUNT = 300
SLOW = 0.02
"""Seconds for which a message is read: all of them would take 6 s."""


def test_what_waits_at_the_broker_is_passed_over(
    search: Search, see: See, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, sent = wire.unpack, threading.Event()

    def slowly(*given: Any, **named: Any) -> Sighting:
        assert sent.wait(60)  # else a sender that is slow too would have nothing wait
        time.sleep(SLOW)
        return real(*given, **named)

    monkeypatch.setattr(wire, "unpack", slowly)
    with mosquitto(tmp_path) as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        sender = open_bus(url)
        with wiring.open_live(search, live_broker=url, live_rate=1e5) as live:
            live.start()
            wait_for(lambda: live.bus is not None and live.bus.connected and sender.connected)
            for number in range(COUNT):
                wait_for(lambda: not sender._waiting)  # type: ignore[attr-defined]
                sender.publish("kinlens/door/sightings", wire.pack(see(number % 3, number)))
            sent.set()

            def newest() -> int:
                # One that stands still, as a camera's heartbeat is: it comes until it is seen.
                sender.publish("kinlens/door/sightings", wire.pack(see(0, COUNT)))
                time.sleep(0.2)
                seen = live.latest("door")
                return seen.sequence if seen else -1

            wait_for(lambda: newest() == COUNT)
            assert live.counters.snapshot()["received"] < COUNT - 100
        sender.close()
