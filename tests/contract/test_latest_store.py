"""What every store of the newest views promises; a new one is a line in `STORES`."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from kinlens.live.memory import MemoryStore
from kinlens.live.redis import RedisStore
from kinlens.live.store import Bounds, Event, LatestStore
from kinlens.live.types import DeviceStatus, View
from kinlens.types import Hit
from live_servers import redis_server, wait_for

STORES = ["memory", "redis"]
Opener = Callable[..., LatestStore]
JPEG = b"\xff\xd8\xff a picture"

_databases = itertools.cycle(range(16))


def view(device: str = "door", sequence: int = 1, *, like: str = "", **given: object) -> View:
    """A view, of other hits for each sequence number unless `like` says which."""
    values: dict[str, object] = {
        "device": device,
        "sequence": sequence,
        "taken_at": 12.5,
        "received_at": time.time(),
        "matched_at": time.time(),
        "hits": (Hit(like or f"item {sequence}", 0.75, 0.25, {"color": "red", "n": [1]}, 40, 30),),
        "session": 7,
        "since": sequence,
        "pictured": True,
        "picture": JPEG + str(sequence).encode(),
    }
    return View(**values | given)  # type: ignore[arg-type]


class Two:
    """Writes to one store and reads from another that shares what it keeps."""

    def __init__(self, writer: LatestStore, reader: LatestStore) -> None:
        self._writer = writer
        self.put, self.set_status = writer.put, writer.set_status
        self.latest, self.history, self.devices = reader.latest, reader.history, reader.devices
        self.watch, self.newest = reader.watch, reader.newest
        self.reader = reader

    @property
    def connected(self) -> bool:
        return self._writer.connected and self.reader.connected

    def close(self) -> None:
        self._writer.close()
        self.reader.close()


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server.port


@pytest.fixture(params=STORES)
def connect(request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Opens a store; of Redis two, so that what is read has been there."""
    with ExitStack() as opened:
        if request.param == "memory":

            def open_memory(bounds: Bounds | None = None) -> LatestStore:
                store = MemoryStore(bounds)
                opened.callback(store.close)
                return store

            yield open_memory
            return
        port = request.getfixturevalue("redis_port")
        url = f"redis://127.0.0.1:{port}/{next(_databases)}"

        def open_redis(bounds: Bounds | None = None) -> LatestStore:
            store = Two(RedisStore(url, bounds), RedisStore(url, bounds))
            opened.callback(store.close)
            wait_for(lambda: store.connected, "Redis")
            return store

        yield open_redis


def sequences(store: LatestStore, device: str = "door", limit: int = 100) -> list[int]:
    return [view.sequence for view in store.history(device, limit)]


def put_all(store: LatestStore, views: list[View]) -> None:
    """One by one, each kept before the next comes: a store may drop what is not the newest."""
    for each in views:
        store.put(each)
        wait_for(lambda each=each: store.latest(each.device) == each, f"{each}")


def test_empty(connect: Opener) -> None:
    store = connect()
    assert store.latest("door") is None
    assert store.history("door", 5) == []
    assert store.devices() == []


def test_what_is_put_comes_back_whole(connect: Opener) -> None:
    store, wanted = connect(), view()
    store.put(wanted)
    wait_for(lambda: store.latest("door") == wanted)
    assert store.history("door", 5) == [wanted]
    assert store.latest("other") is None


def test_last_in_first_out_and_bounded(connect: Opener) -> None:
    store = connect(Bounds(history=4))
    put_all(store, [view(sequence=number) for number in range(1, 8)])
    wait_for(lambda: sequences(store) == [7, 6, 5, 4])
    assert sequences(store, limit=2) == [7, 6]
    assert sequences(store, limit=0) == []
    latest = store.latest("door")
    assert latest is not None
    assert latest.picture == JPEG + b"7"


def test_devices_are_kept_apart(connect: Opener) -> None:
    store = connect()
    put_all(store, [view("a", 1), view("b", 2), view("a", 3)])
    wait_for(lambda: sequences(store, "a") == [3, 1])
    assert sequences(store, "b") == [2]


def test_the_newest_of_all(connect: Opener) -> None:
    store = connect()
    assert store.newest() is None
    store.set_status(DeviceStatus("c", "online", 1.0))
    put_all(store, [view("a", 9), view("b", 2)])

    def comes_last() -> tuple[str, int] | None:
        newest = store.newest()
        return None if newest is None else (newest.device, newest.sequence)

    # One that reads hears of the writer's views by themselves, a moment later.
    wait_for(lambda: comes_last() == ("b", 2), "the newest")


def test_the_same_hits_take_the_place_of_the_newest(connect: Opener) -> None:
    store = connect()
    put_all(store, [view(sequence=1), view(sequence=2, like="x"), view(sequence=3, like="x")])
    wait_for(lambda: sequences(store) == [3, 1])
    put_all(store, [view(sequence=4), view(sequence=5, like="x")])
    wait_for(lambda: sequences(store) == [5, 4, 3, 1])


def test_what_is_late_is_ignored(connect: Opener) -> None:
    store = connect()
    put_all(store, [view(sequence=5), view(sequence=8)])
    for late in (7, 8, 1):
        store.put(view(sequence=late))
    put_all(store, [view(sequence=9)])
    assert sequences(store) == [9, 8, 5]


def test_large_sequences_keep_their_order(connect: Opener) -> None:
    store = connect()
    top = 2**64 - 1
    put_all(store, [view(sequence=9), view(sequence=top - 1), view(sequence=top)])
    store.put(view(sequence=top - 1))
    assert sequences(store) == [top, top - 1, 9]


def test_a_new_session_begins_again(connect: Opener) -> None:
    store = connect()
    put_all(store, [view(sequence=500), view(sequence=1, session=8)])
    assert sequences(store) == [1, 500]


def test_without_sessions_a_pause_is_a_new_start(
    connect: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restart_after(seconds: float) -> None:
        for module in ("store", "redis"):
            monkeypatch.setattr(f"kinlens.live.{module}.RESTART", seconds)

    store = connect()
    restart_after(1000.0)
    put_all(store, [view(sequence=500, session=0)])
    store.put(view(sequence=3, session=0))
    store.set_status(DeviceStatus("door", "online", 1.0))
    wait_for(store.devices)
    assert sequences(store) == [500]
    restart_after(0.0)
    put_all(store, [view(sequence=4, session=0)])
    assert sequences(store) == [4, 500]


def test_statuses(connect: Opener) -> None:
    store = connect()
    door = DeviceStatus("door", "online", 5.0, 14.5, "abc", None)
    shelf = DeviceStatus("a-shelf", "error", 6.0, None, None, "broken")
    store.set_status(DeviceStatus("door", "offline", 4.0))
    store.set_status(door)
    store.set_status(shelf)
    wait_for(lambda: store.devices() == [shelf, door])


def test_the_device_not_heard_of_for_the_longest_goes(connect: Opener) -> None:
    store = connect(Bounds(devices=3))
    put_all(store, [view("a"), view("b"), view("c")])
    store.set_status(DeviceStatus("a", "online", 1.0))
    wait_for(lambda: [status.device for status in store.devices()] == ["a"])
    time.sleep(0.01)
    put_all(store, [view("d")])
    wait_for(lambda: sequences(store, "b") == [])
    assert [sequences(store, name) for name in "acd"] == [[1], [1], [1]]


def test_devices_are_forgotten(connect: Opener) -> None:
    store = connect(Bounds(expiry=0.3))
    numbers = itertools.count(1)

    def known() -> object:
        """Told until it is seen, for on a busy machine it may be forgotten before."""
        store.put(view("a", next(numbers)))
        store.set_status(DeviceStatus("a", "online", 1.0))
        return store.latest("a") and store.devices()

    wait_for(known, "the device to be known")
    wait_for(lambda: store.devices() == [], "the device to be forgotten")
    wait_for(lambda: store.history("a", 5) == [], "its views to be forgotten")


def test_who_watches_sees_all_until_the_end(connect: Opener) -> None:
    store = connect()
    seen: list[Event] = []
    end = store.watch(seen.append)
    status = DeviceStatus("door", "online", 1.0)
    store.set_status(status)
    put_all(store, [view(sequence=1), view(sequence=2)])
    wait_for(lambda: len(seen) == 3)
    assert seen[0] == status
    assert [event.sequence for event in seen[1:] if isinstance(event, View)] == [1, 2]
    end()
    end()
    put_all(store, [view(sequence=3)])
    assert len(seen) == 3


def test_a_watcher_that_raises_harms_nobody(
    connect: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    store = connect()
    seen: list[Event] = []

    def fail(event: Event) -> None:
        raise ZeroDivisionError

    store.watch(fail)
    store.watch(seen.append)
    put_all(store, [view()])
    wait_for(lambda: len(seen) == 1)
    assert "failed" in caplog.text


def test_no_picture(connect: Opener) -> None:
    store = connect()
    bare = view(picture=None, pictured=False)
    put_all(store, [bare])
    assert store.history("door", 1) == [bare]


def test_no_hits(connect: Opener) -> None:
    store = connect()
    put_all(store, [view(hits=())])
    assert store.history("door", 1)[0].hits == ()
