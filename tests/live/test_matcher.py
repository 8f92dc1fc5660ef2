"""The newest of each device is matched; what is late, old or seen already isn't."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from http_door import item_id
from kinlens.config import DeviceSettings, Settings
from kinlens.errors import CatalogBusy
from kinlens.live.matcher import Matcher
from kinlens.live.memory import MemoryStore
from kinlens.live.types import Sighting, View
from kinlens.search import Search
from live_servers import wait_for

See = Callable[..., Sighting]


class Gate:
    """A catalog whose searches wait until they are let through; counts them."""

    def __init__(self, search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.waiting = threading.Event()
        self.sizes: list[int] = []
        self.error: Exception | None = None
        self._search = search.parts.catalog.search
        monkeypatch.setattr(search.parts.catalog, "search", self)

    def __call__(self, vectors: Any, k: int, **given: Any) -> Any:
        self.waiting.set()
        assert self.open.wait(30)
        self.sizes.append(len(vectors))
        if self.error is not None:
            raise self.error
        return self._search(vectors, k, **given)


@pytest.fixture(autouse=True)
def held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or may be: no test says what happens after a pause, but those that set one."""
    for limit in ("RESTART", "LOOK_AGAIN"):
        monkeypatch.setattr(f"kinlens.live.matcher.{limit}", 1000.0)


@pytest.fixture
def gate(search: Search, monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(search, monkeypatch)


@pytest.fixture
def make(search: Search) -> Iterator[Callable[..., tuple[Matcher, MemoryStore]]]:
    with ExitStack() as opened:

        def open_one(**given: Any) -> tuple[Matcher, MemoryStore]:
            store = MemoryStore()
            matcher = Matcher(search, store, **{"max_age": 60.0, **given})
            opened.callback(matcher.close)
            return matcher, store

        yield open_one


def counted(matcher: Matcher, **counts: int) -> bool:
    found = matcher.counters.snapshot()
    return all(found[name] == count for name, count in counts.items())


def settle(matcher: Matcher, **counts: int) -> None:
    wait_for(lambda: counted(matcher, **counts), f"{counts} in {matcher.counters.snapshot()}")


def test_a_sighting_becomes_a_view(make: Callable[..., Any], see: See) -> None:
    matcher, store = make()
    assert matcher.offer(see(3, 17, session=4))
    settle(matcher, matched=1)
    view = store.latest("door")
    assert isinstance(view, View)
    assert (view.device, view.sequence, view.session, view.since) == ("door", 17, 4, 17)
    assert (view.taken_at, view.received_at) == (5.0, 10.0)
    assert view.picture == see(3).picture
    assert len(view.hits) == Settings().live_k
    assert view.hits[0].id == item_id(3)
    assert view.hits[0].score == pytest.approx(1, abs=1e-5)
    assert view.hits[0].metadata["color"] == "red"


def test_the_same_as_a_search_would_find(
    make: Callable[..., Any], see: See, search: Search
) -> None:
    matcher, store = make(settings_of=lambda name: DeviceSettings(name, 4, {"color": "blue"}))
    vector = np.random.default_rng(5).standard_normal(48)
    vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    matcher.offer(see(0, vector=vector))
    settle(matcher, matched=1)
    [view] = store.history("door", 5)
    matches = search.parts.catalog.search(vector[None], 4, where={"color": "blue"})[0]
    assert [(hit.id, hit.score) for hit in view.hits] == [
        (match.item.id, match.score) for match in matches
    ]


def test_each_device_by_its_own_settings_in_one_pass_for_each_filter(
    make: Callable[..., Any], see: See, gate: Gate
) -> None:
    own = {
        "red": DeviceSettings("red", 2, {"color": "red"}),
        "red-too": DeviceSettings("red-too", 3, {"color": "red"}),
        "far": DeviceSettings("far", 1, None, "euclidean"),
    }
    matcher, store = make(settings_of=lambda name: own.get(name, DeviceSettings(name, 5)))
    matcher.offer(see(0, device="first"))
    assert gate.waiting.wait(30)
    for name in (*own, "plain", "plain-too"):
        matcher.offer(see(1, device=name))
    gate.open.set()
    settle(matcher, matched=6)
    assert sorted(gate.sizes) == [1, 1, 2, 2]
    for name, k in (("red", 2), ("red-too", 3), ("far", 1), ("plain", 5)):
        view = store.latest(name)
        assert len(view.hits) == k
        assert name[:3] != "red" or all(hit.metadata["color"] == "red" for hit in view.hits)


def test_only_the_newest_waits(make: Callable[..., Any], see: See, gate: Gate) -> None:
    matcher, store = make()
    matcher.offer(see(0, 1))
    assert gate.waiting.wait(30)
    for number in range(2, 12):
        assert matcher.offer(see(number % 12, number))
    gate.open.set()
    settle(matcher, matched=2, dropped=9)
    assert [view.sequence for view in store.history("door", 20)] == [11, 1]


def test_what_has_waited_for_too_long_is_dropped(
    make: Callable[..., Any], see: See, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = 0.0
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead, time=time.time)
    for module in ("matcher", "slots"):
        monkeypatch.setattr(f"kinlens.live.{module}.time", clock)
    matcher, store = make(max_age=60.0)
    matcher.offer(see(0, 1))
    assert gate.waiting.wait(30)
    matcher.offer(see(1, 2))
    ahead = 90.0
    gate.open.set()
    settle(matcher, matched=1, stale=1)
    matcher.offer(see(2, 3))
    settle(matcher, matched=2)
    assert [view.sequence for view in store.history("door", 20)] == [3, 1]


def test_the_same_view_isnt_looked_up_again_but_renewed(
    make: Callable[..., Any], see: See, gate: Gate
) -> None:
    gate.open.set()
    matcher, store = make()
    matcher.offer(see(3, 1, received_at=10.0))
    settle(matcher, matched=1)
    matcher.offer(see(3, 2, received_at=11.0, taken_at=6.0, picture=None))
    settle(matcher, matched=1, repeated=1)
    [view] = store.history("door", 20)
    assert (view.sequence, view.since, view.received_at, view.taken_at) == (2, 1, 11.0, 6.0)
    assert view.picture == see(3).picture
    matcher.offer(see(3, 1, device="other"))
    settle(matcher, matched=2)
    matcher.offer(see(5, 3))
    settle(matcher, matched=3)
    matcher.offer(see(3, 4))
    settle(matcher, matched=4, repeated=1)
    assert gate.sizes == [1, 1, 1, 1]


def test_the_same_view_is_looked_up_again_after_a_while(
    make: Callable[..., Any], see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinlens.live.matcher.LOOK_AGAIN", 0.05)
    matcher, _ = make()
    matcher.offer(see(3, 1))
    settle(matcher, matched=1)
    threading.Event().wait(0.1)
    matcher.offer(see(3, 2))
    settle(matcher, matched=2, repeated=0)


def test_duplicates_and_late_ones_are_dropped(make: Callable[..., Any], see: See) -> None:
    matcher, store = make()
    for number, news in ((5, True), (5, False), (4, False), (6, True), (5, False)):
        assert matcher.offer(see(number, number)) is news
    settle(matcher, duplicate=3)
    wait_for(lambda: [view.sequence for view in store.history("door", 1)] == [6])


def test_a_device_that_starts_again_begins_again(
    make: Callable[..., Any], see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    matcher, _ = make()
    assert matcher.offer(see(1, 500, session=7))
    assert not matcher.offer(see(1, 1, session=7))
    assert matcher.offer(see(1, 1, session=8))
    assert not matcher.offer(see(1, 501, session=7)), "what an old session sent was replayed"
    monkeypatch.setattr("kinlens.live.matcher.RESTART", 0.0)
    assert not matcher.offer(see(1, 1, session=8))


def test_without_sessions_a_pause_is_a_new_start(
    make: Callable[..., Any], see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    matcher, _ = make()
    assert matcher.offer(see(1, 500))
    assert not matcher.offer(see(1, 3))
    monkeypatch.setattr("kinlens.live.matcher.RESTART", 0.0)
    assert matcher.offer(see(1, 4))


def test_a_frame_sent_by_hand_ends_no_session(make: Callable[..., Any], see: See) -> None:
    matcher, _ = make()
    assert matcher.offer(see(1, 500, session=7))
    assert matcher.offer(see(2, 10**15))
    assert matcher.offer(see(1, 501, session=7)), "the device goes on"
    assert not matcher.offer(see(1, 501, session=7))
    assert not matcher.offer(see(2, 10**15))
    assert matcher.offer(see(2, 10**15 + 1))


def test_clocks_that_disagree_dont_matter(make: Callable[..., Any], see: See) -> None:
    """A device of 1970 and one of the next century, and one whose clock runs back."""
    matcher, store = make()
    for number, clock in enumerate((0.0, 4e9, -5.0, 1e300), start=1):
        assert matcher.offer(see(number, number, taken_at=clock))
        settle(matcher, matched=number)
    assert [view.taken_at for view in store.history("door", 9)] == [1e300, -5.0, 4e9, 0.0]


def test_a_search_that_fails_ends_nothing(
    make: Callable[..., Any], see: See, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    gate.open.set()
    gate.error = CatalogBusy("Someone else writes.")
    matcher, _ = make()
    matcher.offer(see(1, 1))
    settle(matcher, failed=1)
    gate.error = ZeroDivisionError("a bug")
    matcher.offer(see(1, 2))
    settle(matcher, failed=2)
    gate.error = None
    matcher.offer(see(1, 3))
    settle(matcher, matched=1)
    assert "Someone else writes" in caplog.text


def test_invented_devices_fill_no_memory(make: Callable[..., Any], see: See, gate: Gate) -> None:
    matcher, _ = make(devices=20)
    matcher.offer(see(0, device="first"))
    assert gate.waiting.wait(30)
    for number in range(2000):
        matcher.offer(see(1, device=f"invented-{number}"))
    assert len(matcher._devices) == 20
    assert len(matcher._slots) == 20
    gate.open.set()
    settle(matcher, matched=21, dropped=1980)


def test_offers_never_block(make: Callable[..., Any], see: See, gate: Gate) -> None:
    """They return though no search does."""
    matcher, _ = make()
    for number in range(1, 500):
        matcher.offer(see(0, number))
    assert not gate.open.is_set()
    gate.open.set()
