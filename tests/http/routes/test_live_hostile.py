"""The live view's routes before clients that mean no good, or don't care."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from http_door import Door, Doors, bearer, problem
from kinlens.errors import Overloaded
from kinlens.http import streams
from kinlens.http.routes import live as routes
from kinlens.search import Search
from live_servers import wait_for

JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture
def door(doors: Doors, stocked: Search) -> Door:
    return doors(stocked)


def knock(door: Door, path: str = "/v1/live/a/events") -> socket.socket:
    """Ask for a stream by hand, and read nothing."""
    raw = socket.create_connection(("127.0.0.1", door.server.port), timeout=60)
    raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return raw


def test_who_leaves_is_no_longer_told(door: Door) -> None:
    opened = door.server.app.state.kinlens.streams
    watchers = door.live.store._watchers  # type: ignore[attr-defined]
    for _ in range(10):
        knocking = [knock(door) for _ in range(20)]
        wait_for(lambda: len(opened) == len(watchers) == 20, "20 streams")
        for raw in knocking:
            raw.close()
        wait_for(lambda: not opened and not watchers, "the end of streams whose readers left")


def test_one_client_leaves_room_for_others(
    doors: Doors, stocked: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST_EACH", 3)
    door = doors(stocked, guarded=True)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(
                door.client.stream("GET", "/v1/live/a/events", headers=bearer(door.read))
            )
        opened = door.server.app.state.kinlens.streams
        wait_for(lambda: len(opened) == 3, "3 streams")
        answer = door.client.get("/v1/live/a/events", headers=bearer(door.read))
        problem(answer, 503, "overloaded")
        other = door.client.stream("GET", "/v1/live/a/events", headers=bearer(door.write))
        assert stack.enter_context(other).status_code == 200


def test_those_who_come_at_once_are_no_more_than_there_may_be(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST", 5)
    opened = door.server.app.state.kinlens.streams
    highest = 0
    knocking = [knock(door) for _ in range(60)]
    wait_for(lambda: len(opened) >= 5, "5 streams")
    for _ in range(50):
        highest = max(highest, len(opened))
        time.sleep(0.01)
    assert highest == 5
    for raw in knocking:
        raw.close()


def test_a_stream_without_a_key_ends_when_one_is_made(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT", 0.05)
    with door.client.stream("GET", "/v1/live/a/events") as response:
        lines = response.iter_lines()
        next(lines)
        door.server.app.state.kinlens.keys.create("first")
        assert len(list(lines)) < 1000, "it ended"


def test_another_sites_page_opens_no_stream(door: Door) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    for path in ("/v1/live/events", "/v1/live/a/events"):
        problem(door.client.get(path, headers=headers), 403, "permission-denied")


def test_a_stream_goes_on_without_pictures_where_too_much_is_asked(
    door: Door, pictures: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is elsewhere tells of a view, but its picture can't be fetched now."""
    door.client.post("/v1/live/a/frames", content=pictures[0], headers=JPEG)
    wait_for(lambda: door.live.latest("a"), "a match")
    view = door.live.latest("a")
    with door.client.stream("GET", "/v1/live/a/events") as response:
        lines = response.iter_lines()
        assert any(line == "event: view" for line in lines)

        async def refuse(*_: Any) -> Any:
            raise Overloaded("Too much.")

        monkeypatch.setattr(door.server.app.state.kinlens.readers, "run", refuse)
        assert view is not None
        object.__setattr__(view, "picture", None)
        door.live.store._tell(view)  # type: ignore[attr-defined]
        assert any(line == "event: view" for line in lines)


def test_of_a_body_that_is_too_large_nothing_is_kept(door: Door) -> None:
    size, part = 40_000_000, b"\xff\xd8\xff" + bytes(100_000)

    def parts() -> Iterator[bytes]:
        for _ in range(size // len(part)):
            yield part

    tracemalloc.start()
    try:
        answer = door.client.post("/v1/live/a/frames", content=parts(), headers=JPEG)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    problem(answer, 413, "body-too-large")
    assert peak < 3 * routes.MAX_FRAME


def test_a_flood_of_frames_leaves_the_readers_free(
    doors: Doors, stocked: Search, pictures: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    door = doors(stocked, max_in_flight=8)
    go = threading.Event()
    monkeypatch.setattr(door.live, "see", lambda *_, **__: go.wait(30))
    address = f"{door.server.url}/v1/live/a/frames"

    def send() -> None:
        httpx.post(address, content=pictures[0], headers=JPEG, timeout=60)

    threads = [threading.Thread(target=send) for _ in range(12)]
    for thread in threads:
        thread.start()
    context = door.server.app.state.kinlens
    wait_for(lambda: context.cameras.in_flight == 2, "frames")
    assert door.client.get("/v1/live").status_code == 200
    assert door.client.get("/v1/items?limit=1").status_code == 200
    go.set()
    for thread in threads:
        thread.join()
