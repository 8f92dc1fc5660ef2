"""What a broker has kept from before isn't what cameras see now, by a real Mosquitto."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from http_door import COUNT, item_id
from kinlens import wiring
from kinlens.live import wire
from kinlens.live.service import LiveService
from kinlens.live.types import DeviceStatus, Sighting
from kinlens.messaging import Bus, open_bus
from kinlens.search import Search
from live_servers import mosquitto, wait_for

See = Callable[..., Sighting]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with mosquitto(tmp_path) as broker:
        yield f"mqtt://127.0.0.1:{broker.port}"


@pytest.fixture
def sender(url: str) -> Iterator[Bus]:
    bus = open_bus(url)
    wait_for(lambda: bus.connected, "the broker")
    yield bus
    bus.close()


@pytest.fixture
def start(search: Search, url: str) -> Iterator[Callable[[], LiveService]]:
    with ExitStack() as stack:

        def start_one() -> LiveService:
            settings: dict[str, Any] = {"live_max_age": 600.0, "live_unnamed": True}
            live = stack.enter_context(wiring.open_live(search, live_broker=url, **settings))
            live.start()
            wait_for(lambda: live.bus is not None and live.bus.connected, "the broker")
            return live

        yield start_one


def retain(sender: Bus, topic: str, payload: bytes) -> None:
    """Publish retained, until the broker keeps it."""
    kept: list[bytes] = []
    sender.publish(topic, payload, retain=True)
    sender.subscribe([topic], lambda message: kept.append(message.payload))
    wait_for(lambda: payload in kept, "the broker to keep it")


def features(sighting: Sighting) -> bytes:
    return json.dumps({"features": ",".join(str(float(x)) for x in sighting.vector)}).encode()


def count(live: LiveService, name: str) -> int:
    return live.counters.snapshot()[name]


def test_features_of_a_deeplens_that_were_kept_are_no_view(
    start: Callable[[], LiveService], sender: Bus, see: See, caplog: pytest.LogCaptureFixture
) -> None:
    retain(sender, wire.deeplens_topic("lens"), features(see(3)))
    live = start()
    wait_for(lambda: count(live, "stale") == 1, "what was kept to be passed over")
    assert "lens" in caplog.text
    assert "retain flag" in caplog.text
    assert live.latest("lens") is None
    assert live.devices() == []
    # It is new when it is published to one that listens, retained or not.
    sender.publish(wire.deeplens_topic("lens"), features(see(4)), retain=True)
    wait_for(lambda: count(live, "matched") == 1)
    view = live.latest("lens")
    assert view is not None
    assert view.hits[0].id == item_id(4)


def test_sightings_that_were_kept_are_no_views(
    start: Callable[[], LiveService], sender: Bus, see: See
) -> None:
    retain(sender, wire.sightings_topic("door"), wire.pack(see(3, 1, session=5)))
    live = start()
    for number in range(2, COUNT):
        sighting = see(number, number, device="till", session=6)
        sender.publish(wire.sightings_topic("till"), wire.pack(sighting))
        wait_for(lambda at=number: count(live, "matched") == at - 1, "what is published now")
    assert live.latest("door") is None
    assert [status.device for status in live.devices()] == ["till"]


def test_a_bus_that_passes_on_what_was_kept_to_a_group(search: Search, see: See) -> None:
    """As a broker does that is at fault: it isn't shown either."""
    from kinlens.messaging import Message

    with wiring.open_live(search, live_max_age=600.0) as live:
        payload = wire.pack(see(3, 1, session=5))
        live._on_sighting(Message(wire.sightings_topic("door"), payload, kept=True))
        assert count(live, "stale") == 1
        assert count(live, "matched") == 0
        live._on_sighting(Message(wire.sightings_topic("door"), payload))
        wait_for(lambda: count(live, "matched") == 1)


@pytest.mark.parametrize("state", ["online", "offline", "error"])
def test_of_statuses_that_were_kept_only_online_says_nothing(
    start: Callable[[], LiveService], sender: Bus, see: See, state: Any
) -> None:
    status = DeviceStatus("door", state, 1.0, message="broken" if state == "error" else None)
    retain(sender, wire.status_topic("door"), wire.pack_status(status))
    # What is kept comes in the order of topics, or not; a second one marks the end.
    retain(sender, wire.status_topic("zzz"), wire.pack_status(DeviceStatus("zzz", "offline", 1.0)))
    live = start()
    wait_for(lambda: "zzz" in {each.device for each in live.devices()}, "what was kept")
    sender.publish(wire.status_topic("end"), wire.pack_status(DeviceStatus("end", "online", 1.0)))
    wait_for(lambda: "end" in {each.device for each in live.devices()}, "what is published now")
    found = {each.device: each.state for each in live.devices()}
    assert found.get("door") == (None if state == "online" else state)
