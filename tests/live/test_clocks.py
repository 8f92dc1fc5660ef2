"""Clocks that are set back or forward: ages and order go by monotonic time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from contract.test_latest_store import view
from kinlens import wiring
from kinlens.http import live as bodies
from kinlens.live.redis import RedisStore
from kinlens.live.service import SILENT, LiveService
from kinlens.live.types import DeviceStatus, Sighting, View
from kinlens.messaging import Message
from kinlens.search import Search
from live_servers import Server, redis_server, wait_for

HOUR = 3600.0
STEPS = [-HOUR, HOUR]
See = Callable[..., Sighting]
SetClock = Callable[[float], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """``set_clock(seconds)``: sets this process's clock forward, or back if less than 0."""
    real = time.time

    def by(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return by


@pytest.fixture
def live(search: Search) -> Iterator[LiveService]:
    with wiring.open_live(search, live_max_age=600.0, live_unnamed=True) as opened:
        yield opened


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    with redis_server(tmp_path) as server:
        yield server


@pytest.mark.parametrize("step", STEPS)
def test_a_view_ages_as_it_did(set_clock: SetClock, step: float) -> None:
    old = view(received_at=time.time() - 60)
    status = DeviceStatus("door", "online", time.time() - 60)
    set_clock(step)
    for aged in (old, status, replace(old, sequence=2)):
        assert 60 <= aged.age < 60 + HOUR / 2
    assert old == replace(old, came=None), "two views are the same whenever they were read"


def test_what_comes_from_the_future_is_new() -> None:
    assert view(received_at=time.time() + HOUR).age < HOUR / 2


@pytest.mark.parametrize("step", STEPS)
def test_a_device_isnt_silent_because_the_clock_was_set(
    live: LiveService, set_clock: SetClock, step: float
) -> None:
    live.store.set_status(DeviceStatus("here", "online", time.time()))
    live.store.set_status(DeviceStatus("gone", "online", time.time() - 20 * SILENT))
    set_clock(step)
    assert {each.device: each.state for each in live.devices()} == {
        "here": "online",
        "gone": "offline",
    }


@pytest.mark.parametrize("skew", STEPS)
def test_a_camera_whose_clock_is_wrong_is_live(live: LiveService, see: See, skew: float) -> None:
    sighting = see(3, 1, taken_at=time.time() + skew, received_at=time.time())
    live.offer(sighting)
    wait_for(lambda: live.latest("door"))
    seen = live.latest("door")
    assert seen is not None
    assert seen.age < HOUR / 2
    assert seen.taken_at == sighting.taken_at


def test_frames_without_numbers_go_on_when_the_clock_is_set_back(
    live: LiveService, see: See, set_clock: SetClock
) -> None:
    picture = see(3).picture
    assert picture is not None
    assert live.see("shelf", picture)
    set_clock(-HOUR)
    assert live.see("shelf", picture)
    assert live.see("shelf", picture)
    assert live.counters.snapshot()["duplicate"] == 0


def test_a_deeplens_goes_on_when_the_clock_is_set_back(
    live: LiveService, see: See, set_clock: SetClock
) -> None:
    features = ",".join(str(float(value)) for value in see(3).vector)
    message = Message("$aws/things/lens/infer", b'{"features": "%s"}' % features.encode())
    live._on_deeplens(message)
    set_clock(-HOUR)
    live._on_deeplens(message)
    assert live.counters.snapshot()["duplicate"] == 0


def test_a_frame_is_as_old_as_its_request(live: LiveService, see: See) -> None:
    picture = see(3).picture
    assert picture is not None
    live.see("shelf", picture, came=time.monotonic() - HOUR)
    wait_for(lambda: live.latest("shelf"))
    seen = live.latest("shelf")
    assert seen is not None
    assert HOUR <= seen.age < 2 * HOUR
    assert HOUR / 2 < time.time() - seen.received_at < 2 * HOUR


@pytest.mark.parametrize("skew", STEPS)
def test_who_hears_of_a_view_by_redis_goes_by_its_age(
    redis: Server, set_clock: SetClock, skew: float
) -> None:
    url = f"redis://127.0.0.1:{redis.port}/0"
    with closing(RedisStore(url)) as one, closing(RedisStore(url)) as two:
        wait_for(lambda: one.connected and two.connected)
        seen: list[View | DeviceStatus] = []
        two.watch(seen.append)
        # As one whose clock is an hour off writes it.
        one.put(view(received_at=time.time() + skew, came=time.monotonic() - 60))
        status = DeviceStatus("door", "online", time.time() + skew, came=time.monotonic() - 60)
        one.set_status(status)
        wait_for(lambda: len(seen) == 2)
        for event in seen:
            assert 60 <= event.age < HOUR / 2
        wait_for(lambda: two.devices() and two.latest("door"))
        latest = two.latest("door")
        assert latest is not None
        assert 60 <= latest.age < HOUR / 2
        assert 60 <= two.devices()[0].age < HOUR / 2


def test_the_newest_is_shown_though_the_clock_was_set_back(redis: Server) -> None:
    url = f"redis://127.0.0.1:{redis.port}/0"
    with closing(RedisStore(url)) as store:
        wait_for(lambda: store.connected)
        store.put(view(sequence=1))
        redis_has_it = lambda: store._redis.llen(store._key("views", "door"))  # noqa: E731
        wait_for(redis_has_it)
        store._own.put(view(sequence=2, received_at=time.time() - HOUR))
        latest = store.latest("door")
        assert latest is not None
        assert latest.sequence == 2


def test_answers_tell_by_which_clock_they_are_old() -> None:
    status = DeviceStatus("door", "online", time.time() - 5)
    before = time.monotonic()
    body = bodies.device(status)
    assert before - 0.001 <= body["clock"] <= time.monotonic() + 0.001
    assert body["server"] == bodies.device(status)["server"]
    assert len(body["server"]) == 8
