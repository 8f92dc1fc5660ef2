"""The live view as devices and doors meet it, over a bus in memory."""

from __future__ import annotations

import io
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from http_door import item_id
from kinlens import wiring
from kinlens.errors import ConfigError, InvalidInput, PictureError
from kinlens.keys import KeyStore, secret_of
from kinlens.live import wire
from kinlens.live.admission import NEW_DEVICES
from kinlens.live.service import LiveService
from kinlens.live.types import DeviceStatus, Sighting, View
from kinlens.messaging import Bus, open_bus
from kinlens.search import Search
from live_servers import wait_for

See = Callable[..., Sighting]

_numbers = itertools.count()


@pytest.fixture
def broker() -> str:
    return f"memory://service-{next(_numbers)}"


@pytest.fixture
def opened(search: Search, broker: str) -> Iterator[Callable[..., LiveService]]:
    with ExitStack() as stack:

        def open_one(**settings: Any) -> LiveService:
            # A test that was held up would find its sightings stale.
            given = {"live_broker": broker, "live_max_age": 600.0, **settings}
            live = stack.enter_context(wiring.open_live(search, **given))
            live.start()
            return live

        yield open_one


@pytest.fixture
def live(opened: Callable[..., LiveService]) -> LiveService:
    return opened()


@pytest.fixture
def device(broker: str) -> Iterator[Bus]:
    bus = open_bus(broker)
    yield bus
    bus.close()


@pytest.fixture
def key(search: Search) -> Iterator[str]:
    """A key of the device "door", for as long as a test lasts."""
    with KeyStore(search.data) as keys:
        yield keys.create("door", device="door")
    for file in search.data.glob("keys.sqlite*"):
        file.unlink()


def publish(bus: Bus, sighting: Sighting, key: str | None = None) -> None:
    secret = secret_of(key) if key else None
    bus.publish(wire.sightings_topic(sighting.device), wire.pack(sighting, secret))


def tell(bus: Bus, status: DeviceStatus, key: str | None = None) -> None:
    packed = wire.pack_status(status, secret_of(key) if key else None)
    bus.publish(wire.status_topic(status.device), packed, retain=True)


def expect(live: LiveService, **counts: int) -> None:
    def reached() -> bool:
        found = live.counters.snapshot()
        return all(found[name] == count for name, count in counts.items())

    wait_for(reached, f"{counts}")


def status_of(live: LiveService, device: str) -> DeviceStatus | None:
    return next((status for status in live.devices() if status.device == device), None)


def fault_of(live: LiveService, device: str) -> str:
    """What is wrong with a device; it is counted a moment before it is told."""

    def told() -> bool:
        status = status_of(live, device)
        return status is not None and status.state == "error"

    wait_for(told, f"a fault of {device}")
    status = status_of(live, device)
    assert status is not None
    return status.message or ""


def test_what_a_device_publishes_is_matched(live: LiveService, device: Bus, see: See) -> None:
    before = time.time()
    publish(device, see(4, 1, received_at=0.0))
    expect(live, matched=1)
    view = live.latest("door")
    assert view is not None
    assert view.hits[0].id == item_id(4)
    assert before <= view.received_at <= view.matched_at <= time.time()
    assert live.picture("door") == see(4).picture
    status = status_of(live, "door")
    assert status is not None
    assert (status.state, status.fingerprint) == ("online", live.search.encoder.fingerprint)


def test_a_picture_too_large_to_keep_is_left_out(live: LiveService, device: Bus, see: See) -> None:
    publish(device, see(4, 1, picture=see(4).picture + bytes(70_000)))
    expect(live, matched=1)
    view = live.latest("door")
    assert view is not None
    assert not view.pictured


@pytest.mark.parametrize("side", [100, 2048, 2049, 16_000])
def test_a_picture_that_would_fill_a_browser_is_left_out(
    live: LiveService, device: Bus, see: See, side: int
) -> None:
    small = io.BytesIO()
    Image.new("L", (8, 8)).save(small, "JPEG")
    picture = small.getvalue()
    frame = picture.index(b"\xff\xc0")  # its height and width come after eleven bits of 0
    huge = picture[: frame + 5] + side.to_bytes(2) * 2 + picture[frame + 9 :]
    publish(device, see(4, 1, picture=huge))
    expect(live, matched=1)
    view = live.latest("door")
    assert view is not None
    assert view.pictured == (side <= 2048)


def test_a_picture_that_is_none_is_left_out(live: LiveService, device: Bus, see: See) -> None:
    publish(device, see(4, 1, picture=b"\xff\xd8\xff<svg onload=alert(1)>"))
    expect(live, matched=1)
    view = live.latest("door")
    assert view is not None
    assert not view.pictured


def test_frames_over_the_limit_cost_no_work(
    opened: Callable[..., LiveService], pictures: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    live, decoded = opened(live_rate=1.0, live_max_devices=3), []
    now = time.monotonic()
    monkeypatch.setattr("kinlens.live.admission.time", SimpleNamespace(monotonic=lambda: now))
    load = live.search.parts.loader.load

    def counted(data: bytes, **given: Any) -> Any:
        decoded.append(data)
        return load(data, **given)

    monkeypatch.setattr(live.search.parts.loader, "load", counted)
    for number in range(30):
        live.see("phone", pictures[number % 2])
        live.see(f"invented-{number}", pictures[0])
    assert live.counters.snapshot()["limited"] >= 54
    assert len(decoded) == 60 - live.counters.snapshot()["limited"]


def test_the_pages_watch(live: LiveService, device: Bus, see: See) -> None:
    seen: list[object] = []
    end = live.watch(seen.append)
    publish(device, see(4, 1))
    wait_for(lambda: any(isinstance(event, View) for event in seen))
    end()
    publish(device, see(5, 2))
    expect(live, matched=2)
    assert sum(isinstance(event, View) for event in seen) == 1


def test_pictures_by_sequence(live: LiveService, device: Bus, see: See) -> None:
    for item, sequence in ((1, 10), (2, 20), (3, 30)):
        publish(device, see(item, sequence))
        wait_for(lambda at=sequence: (live.latest("door") or see(0)).sequence == at)
    for asked, item in ((5, 1), (10, 1), (15, 2), (20, 2), (30, 3), (None, 3)):
        assert live.picture("door", asked) == see(item).picture
    assert live.picture("door", 31) is None
    assert live.picture("nobody") is None


def test_a_foreign_fingerprint_is_refused_by_name(live: LiveService, device: Bus, see: See) -> None:
    publish(device, see(4, 1, fingerprint="feedface00000000"))
    expect(live, refused=1, matched=0)
    message = fault_of(live, "door")
    assert "feedface00000000" in message
    assert live.search.encoder.fingerprint in message
    assert f"kinlens reencode --data {live.search.data}" in message
    publish(device, see(4, 2))
    expect(live, matched=1)
    wait_for(lambda: status_of(live, "door").state == "online")  # type: ignore[union-attr]


def test_a_vector_of_another_length_is_refused(live: LiveService, device: Bus, see: See) -> None:
    publish(device, see(4, 1, vector=np.ones(7, np.float32)))
    expect(live, refused=1, matched=0)


def test_statuses_pass_through_and_faults_stay(
    live: LiveService, device: Bus, see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinlens.live.pulse.EVERY", 600.0)
    tell(device, DeviceStatus("door", "online", 0.0, 14.5, "abc"))
    wait_for(lambda: status_of(live, "door"))
    status = status_of(live, "door")
    assert status is not None
    assert (status.frames_per_second, status.fingerprint) == (14.5, "abc")
    assert abs(status.at - time.time()) < 60, "by our clock, whatever the device's says"
    publish(device, see(4, 1, fingerprint="feedface"))
    expect(live, refused=1)
    tell(device, DeviceStatus("door", "online", 0.0))
    expect(live, received=3)
    assert (status_of(live, "door") or status).state == "error"
    tell(device, DeviceStatus("door", "offline", 0.0))
    wait_for(lambda: (status_of(live, "door") or status).state == "offline")


def test_statuses_of_before_it_started_are_known(
    opened: Callable[..., LiveService], device: Bus
) -> None:
    tell(device, DeviceStatus("door", "offline", 0.0))
    live = opened()
    wait_for(lambda: status_of(live, "door"))
    device.publish(wire.status_topic("door"), b"", retain=True)
    tell(device, DeviceStatus("other", "online", 0.0))
    wait_for(lambda: status_of(live, "other"))
    expect(live, malformed=0)


def test_who_is_silent_for_long_counts_as_offline(
    live: LiveService, device: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(device, DeviceStatus("door", "online", 0.0))
    wait_for(lambda: status_of(live, "door"))
    monkeypatch.setattr("kinlens.live.service.SILENT", -1.0)
    status = status_of(live, "door")
    assert status is not None
    assert status.state == "offline"
    assert "Silent" in (status.message or "")


def test_deeplens_only_where_it_is_allowed(
    opened: Callable[..., LiveService], device: Bus, see: See, broker: str
) -> None:
    live = opened()
    features = ", ".join(map(str, see(7).vector))
    payload = json.dumps({"features": features}).encode()
    device.publish(wire.deeplens_topic("lens"), payload)
    expect(live, refused=1)
    assert "live_unnamed" in fault_of(live, "lens")
    trusting = opened(live_unnamed=True, live_group="trusting")
    for talk in (b"Model loaded SUCCESSFULLY", b"frame retrieved"):
        device.publish(wire.deeplens_topic("lens"), talk)
    device.publish(wire.deeplens_topic("lens"), payload)
    expect(trusting, matched=1, malformed=0)
    view = trusting.latest("lens")
    assert view is not None
    assert view.hits[0].id == item_id(7)
    device.publish(wire.deeplens_topic("lens"), b'{"features": "1,2,3"}')
    expect(trusting, refused=1)


def test_where_devices_have_keys_only_theirs_open(
    opened: Callable[..., LiveService], device: Bus, see: See, key: str
) -> None:
    live = opened(live_unnamed=True)
    publish(device, see(4, 1))
    publish(device, see(4, 1), "kl_made up")
    publish(device, see(4, 1, device="window"), key)
    tell(device, DeviceStatus("door", "error", 0.0, message="spoofed"))
    device.publish(wire.deeplens_topic("door"), b'{"features": "1"}')
    expect(live, refused=5, matched=0)
    for name in ("door", "window"):
        fault_of(live, name)
    assert [status.device for status in live.devices()] == ["door", "window"]
    assert "key" in live.last_refusal
    publish(device, see(4, 2, session=1), key)
    tell(device, DeviceStatus("door", "online", 0.0, 3.0), key)
    expect(live, refused=5, matched=1)
    wait_for(lambda: (status_of(live, "door") or DeviceStatus).frames_per_second == 3.0)


def test_a_camera_without_its_key_is_told_what_to_do(
    live: LiveService, device: Bus, see: See, key: str
) -> None:
    publish(device, see(4, 1, device="window"))
    expect(live, refused=1)
    message = fault_of(live, "window")
    assert message.startswith("Refused: window sent something that isn't signed")
    assert "kinlens keys create NAME --device window" in message


def test_others_cant_show_a_camera_that_signs_as_refused(
    live: LiveService, device: Bus, see: See, key: str
) -> None:
    publish(device, see(4, 1, session=1), key)
    expect(live, matched=1)
    publish(device, see(4, 2, session=2))
    tell(device, DeviceStatus("door", "offline", 0.0))
    expect(live, refused=2)
    status = status_of(live, "door")
    assert status is not None
    assert status.state == "online"


def test_a_replay_is_no_news(
    opened: Callable[..., LiveService], device: Bus, see: See, key: str
) -> None:
    live = opened()
    old, new = see(4, 1, session=5), see(6, 1, session=6)
    for sighting in (old, new, old, new):
        publish(device, sighting, key)
        wait_for(lambda: live.counters.snapshot()["received"] > 0)
    expect(live, duplicate=2)


def test_what_has_no_session_could_be_replayed(
    live: LiveService, device: Bus, see: See, key: str
) -> None:
    publish(device, see(4, 1), key)
    expect(live, refused=1, matched=0)
    wait_for(lambda: "session" in live.last_refusal)


@pytest.mark.parametrize(
    "payload", [b"", b"junk", b"KNLS", b"\x00" * 200, b"KNLS\x01" + b"\xff" * 99]
)
def test_malformed_payloads_cost_a_count(
    live: LiveService, device: Bus, see: See, payload: bytes
) -> None:
    device.publish(wire.sightings_topic("door"), payload)
    device.publish(wire.deeplens_topic("door"), b"{" + payload)
    device.publish("kinlens/no good id/sightings", payload)
    expect(live, malformed=3)
    publish(device, see(4, 1))
    expect(live, matched=1)
    assert live.bus is not None
    assert live.bus.failed == 0


def test_a_device_that_floods_is_held_to_its_rate(
    opened: Callable[..., LiveService], device: Bus, see: See
) -> None:
    live = opened(live_rate=5.0)
    began = time.monotonic()
    for number in range(200):
        publish(device, see(number % 12, number, device="flood"))
        wait_for(lambda upto=number: live.counters.snapshot()["received"] > upto)
    publish(device, see(3, 1))
    wait_for(lambda: live.latest("door"))
    counts = live.counters.snapshot()
    assert counts["limited"] >= 190 - 5 * (time.monotonic() - began) - 1
    assert counts["received"] == 201


def test_invented_devices_leave_those_in_use_alone(
    opened: Callable[..., LiveService], device: Bus, see: See
) -> None:
    live = opened(live_max_devices=10)
    began = time.monotonic()
    publish(device, see(1, 1))
    wait_for(lambda: live.latest("door"))
    for number in range(500):
        publish(device, see(2, 1, device=f"x{number}"))
        if number % 50 == 0:
            publish(device, see(number % 12, number + 2))
    expect(live, received=511)
    assert len(live.devices()) <= 10
    let_in = 10 + NEW_DEVICES * (time.monotonic() - began)
    assert live.counters.snapshot()["limited"] >= 499 - let_in


def test_a_frame_of_a_browser(live: LiveService, pictures: list[bytes]) -> None:
    assert live.see("phone", pictures[5], taken_at=3.0, sequence=8)
    expect(live, matched=1)
    view = live.latest("phone")
    assert view is not None
    assert (view.hits[0].id, view.taken_at, view.sequence) == (item_id(5), 3.0, 8)
    assert view.picture == pictures[5]
    status = status_of(live, "phone")
    assert status is not None
    assert status.state == "online"


def test_a_large_frame_is_shown_small(
    live: LiveService, make_picture: Callable[..., bytes]
) -> None:
    for kind, number in (("PNG", 1), ("JPEG", 2)):
        assert live.see("phone", make_picture(1200, 900, kind, seed=3, quality=100))
        expect(live, received=number)
        wait_for(lambda: live.latest("phone"))
        picture = live.picture("phone")
        assert picture is not None
        assert picture.startswith(b"\xff\xd8\xff")
        assert len(picture) <= 65_536


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff\xe0 broken"])
def test_frames_that_arent_pictures(live: LiveService, data: bytes) -> None:
    with pytest.raises(PictureError):
        live.see("phone", data)
    with pytest.raises(InvalidInput):
        live.see("no good id", data)


def test_of_frames_that_come_at_once_the_newest_wins(
    live: LiveService, pictures: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    load, turn, results = live.search.parts.loader.load, threading.Event(), {}
    waiting = threading.Event()

    def slow(data: bytes, **given: Any) -> Any:
        if data == pictures[1]:
            waiting.set()
            assert turn.wait(30)
        return load(data, **given)

    monkeypatch.setattr(live.search.parts.loader, "load", slow)
    first = threading.Thread(target=lambda: results.update(old=live.see("phone", pictures[1])))
    first.start()
    assert waiting.wait(30)
    assert live.see("phone", pictures[2])
    turn.set()
    first.join(30)
    assert results == {"old": False}
    expect(live, matched=1, dropped=1)


def test_the_newest_of_all(live: LiveService, device: Bus, see: See) -> None:
    assert live.newest() is None
    for name, item in (("a", 1), ("b", 2)):
        publish(device, see(item, 1, device=name))
        wait_for(lambda name=name: live.latest(name))
    found = live.newest()
    assert found is not None
    assert found.device == "b"


def test_matchers_of_a_group_share_the_work(
    opened: Callable[..., LiveService], device: Bus, see: See
) -> None:
    one, two, other = opened(), opened(), opened(live_group="other")
    for number in range(1, 41):
        publish(device, see(number % 12, number, device=f"door-{number % 4}"))
    wait_for(lambda: other.counters.snapshot()["received"] == 40)
    wait_for(lambda: sum(s.counters.snapshot()["received"] for s in (one, two)) == 40)
    assert one.counters.snapshot()["received"] == 20


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"live_devices": {"door": {"where": {"price": {"$near": 3}}}}}, "door"),
        ({"live_devices": {"no good": {}}}, "no good"),
        ({"live_broker": "amqp://user:hunter2@x"}, "mqtt://host"),
        ({"live_store": "mysql://user:hunter2@x"}, "redis://host"),
        ({"live_group": "a/b"}, "live_group"),
        ({"live_broker": "mqtt://host:notaport"}, "read"),
        ({"live_broker": "mqtts://host?insecure=1"}, "insecure"),
        ({"live_broker": "mqtts://host?ca=/nowhere.pem"}, "certificates"),
    ],
)
def test_settings_that_cant_be_used(search: Search, settings: dict[str, Any], message: str) -> None:
    threads = threading.active_count()
    with pytest.raises(ConfigError, match=message) as caught:
        wiring.open_live(search, **settings)
    assert "hunter2" not in str(caught.value)
    assert threading.active_count() <= threads


def test_settings_of_devices_are_used(
    opened: Callable[..., LiveService], device: Bus, see: See
) -> None:
    live = opened(live_k=4, live_devices={"door": {"k": 2, "where": {"color": "green"}}})
    for name in ("door", "window"):
        publish(device, see(3, 1, device=name))
        wait_for(lambda name=name: live.latest(name))
    door, window = live.latest("door"), live.latest("window")
    assert door is not None
    assert window is not None
    assert {hit.metadata["color"] for hit in door.hits} == {"green"}
    assert (len(door.hits), len(window.hits)) == (2, 4)


def test_two_hundred_devices(opened: Callable[..., LiveService], device: Bus, see: See) -> None:
    live = opened()
    for second in range(1, 4):
        for number in range(200):
            publish(device, see((number + second) % 12, second, device=f"camera-{number}"))
        wait_for(
            lambda at=second: all(
                (live.latest(f"camera-{number}") or see(0, 0)).sequence == at
                for number in range(200)
            )
        )
    assert len(live.devices()) == 200
    wait_for(lambda: counted(live) >= 600)
    counts = live.counters.snapshot()
    assert counts["matched"] + counts["repeated"] == 600
    assert counts["stale"] == counts["dropped"] == counts["limited"] == 0


def resident() -> int:
    """Bytes of this process's memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_memory_stays_flat(opened: Callable[..., LiveService], see: See) -> None:
    live = opened(live_rate=1e9)

    def run(first: int, count: int) -> None:
        for number in range(first, first + count):
            picture = b"\xff\xd8\xff" + number.to_bytes(8) * 2500
            device = f"camera-{number % 20}"
            live.offer(see(number // 20 % 12, number, device=device, picture=picture))
            if number % 20 == 0:
                wait_for(lambda at=number: counted(live) > at)

    run(0, 2000)
    before = resident()
    run(2000, 10_000)
    assert resident() - before < 60_000_000, "200 MB of pictures have passed"


def counted(live: LiveService) -> int:
    counts = live.counters.snapshot()
    return sum(counts[name] for name in ("matched", "repeated", "dropped", "stale"))


def test_closing_ends_all_threads(search: Search, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    live = wiring.open_live(search, live_broker="memory://closing")
    live.start()
    assert set(threading.enumerate()) - before
    live.close()
    assert set(threading.enumerate()) <= before
