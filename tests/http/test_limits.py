from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from http_door import Door, Doors, bearer, item_id, problem
from kinlens.errors import Overloaded, RateLimited
from kinlens.http import connections, limits
from kinlens.http.limits import BodyLimit, RateLimits, network_of
from kinlens.http.workers import Workers
from kinlens.search import Search
from live_servers import wait_for


def test_a_window_takes_so_many_a_minute_for_each() -> None:
    window = RateLimits(3)
    for _ in range(3):
        window.take("a")
    with pytest.raises(RateLimited, match="rate_limit") as refused:
        window.take("a")
    assert 0 < refused.value.retry_after <= 60
    window.take("b")
    window.take("a", "pictures")


def test_no_limit() -> None:
    window = RateLimits(0)
    for _ in range(1000):
        window.take("a")


def test_many_addresses_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(limits, "MANY", 10)
    monkeypatch.setattr(limits.time, "monotonic", lambda: now)
    window = RateLimits(1)
    for number in range(100):
        now += 61.0
        window.take(f"address {number}")
    assert len(window._events) <= 11


def test_a_clock_that_is_set_back_changes_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    window = RateLimits(1)
    window.take("a")
    monkeypatch.setattr(limits.time, "time", lambda: 0.0)
    with pytest.raises(RateLimited) as refused:
        window.take("a")
    assert refused.value.retry_after <= 60


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_client_has_a_whole_network(address: str, who: str) -> None:
    assert network_of(address) == who


def test_too_many_requests(doors: Doors, stocked: Search) -> None:
    client = doors(stocked, rate_limit=5).client
    statuses = [client.get("/v1/stats").status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    response = client.get("/v1/stats")
    problem(response, 429, "rate-limited")
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert client.get("/healthz").status_code == 200


def test_each_key_has_its_own_budget(doors: Doors, stocked: Search) -> None:
    door = doors(stocked, guarded=True, rate_limit=3)

    def ask(headers: dict[str, str]) -> list[int]:
        return [door.client.get("/v1/stats", headers=headers).status_code for _ in range(4)]

    assert ask(bearer(door.read)) == [200, 200, 200, 429]
    assert ask(bearer(door.write)) == [200, 200, 200, 429]
    assert ask({}) == [401, 401, 401, 429]
    assert ask(bearer("kl_guess")) == [429] * 4, "guessing a key counts on the address"


def test_pictures_have_a_budget_of_their_own(doors: Doors, stocked: Search) -> None:
    client = doors(stocked, rate_limit=1).client
    url = client.get(f"/v1/items/{item_id(1)}").json()["thumbnail_url"]
    statuses = [client.get(url).status_code for _ in range(21)]
    assert statuses == [200] * 20 + [429]


@pytest.fixture(scope="module")
def small(file_doors: Doors, search: Search) -> Door:
    """A server that takes small bodies only."""
    return file_doors(search, max_body=100_000)


def test_a_body_that_says_it_is_too_large(small: Door) -> None:
    response = small.client.post("/v1/search", content=b"x" * 100_001)
    assert "max_body" in problem(response, 413, "body-too-large")["detail"]


def chunks(total: int) -> Iterator[bytes]:
    for _ in range(total // 10_000):
        yield b"x" * 10_000


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=b"])
def test_a_chunked_body_is_counted_while_it_comes(small: Door, content_type: str) -> None:
    def body() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
        yield from chunks(150_000)

    response = small.client.post(
        "/v1/search", content=body(), headers={"Content-Type": content_type}
    )
    problem(response, 413, "body-too-large")
    assert response.headers["connection"] == "close"


def test_an_endless_body_is_cut_off(small: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LINGER_BYTES", 10_000_000)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 10_000
            yield b"x" * 10_000

    headers = {"Content-Type": "application/json"}
    try:
        response = small.client.post("/v1/search", content=endless(), headers=headers)
        problem(response, 413, "body-too-large")
    except httpx.TransportError:
        pass  # the connection closed while the client was still sending
    assert sent < 50_000_000


def test_a_body_at_the_limit_passes(small: Door) -> None:
    content = b'{"examples": []' + b" " * (100_000 - 16) + b"}"
    headers = {"Content-Type": "application/json"}
    response = small.client.post("/v1/search", content=content, headers=headers)
    problem(response, 422, "invalid-input")


def test_a_body_that_stops_coming(small: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SILENCE", 0.3)
    head = (
        b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", small.server.port), timeout=60) as connection:
        connection.sendall(head)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"/problems/body-too-slow" in answer


def test_a_body_that_trickles_ends_too(small: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DURATION", 0.5)
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.5)

    def trickle() -> Iterator[bytes]:
        for _ in range(1200):
            time.sleep(0.05)
            yield b" "

    start = time.monotonic()
    try:
        response = small.client.post(
            "/v1/search", content=trickle(), headers={"Content-Type": "application/json"}
        )
        problem(response, 408, "body-too-slow")
    except httpx.TransportError:
        pass  # the connection closed while the client was still sending
    assert time.monotonic() - start < 15


def test_bodies_held_at_once_are_bounded() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await receive()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"x" * 60, "more_body": True}

    async def send(_message: Message) -> None:
        raise AssertionError

    async def scenario() -> None:
        limit = BodyLimit(app, max_body=1000, max_bodies=100)
        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
        with pytest.raises(Overloaded):
            await limit(scope, receive, send)
        assert limit.held == 0

    asyncio.run(scenario())


def test_workers_take_on_so_much_and_no_more() -> None:
    release = threading.Event()

    async def scenario() -> None:
        workers = Workers("test", threads=1, limit=2)
        tasks = [asyncio.create_task(workers.run(release.wait, 60)) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert workers.in_flight == 2
        with pytest.raises(Overloaded, match="max_in_flight"):
            await workers.run(release.wait)
        tasks[1].cancel()
        release.set()
        assert await tasks[0] is True
        async with asyncio.timeout(30):
            while workers.in_flight:
                await asyncio.sleep(0.01)
        with pytest.raises(ZeroDivisionError):
            await workers.run(lambda: 1 / 0)
        workers.close()

    asyncio.run(scenario())


def test_too_much_in_flight(
    doors: Doors, stocked: Search, pictures: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    door = doors(stocked, max_in_flight=1)
    load, refused_one = stocked.parts.loader.load, threading.Event()

    def slow(data: bytes, **given: Any) -> Any:
        refused_one.wait(30)
        return load(data, **given)

    monkeypatch.setattr(stocked.parts.loader, "load", slow)

    def ask(_number: int) -> httpx.Response:
        with httpx.Client(base_url=door.server.url, timeout=60) as client:
            response = client.post("/v1/search", files={"image": ("x.jpg", pictures[0])})
            if response.status_code == 503:
                refused_one.set()
            return response

    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(ask, range(8)))
    refused = [response for response in responses if response.status_code != 200]
    assert 1 <= len(refused) < 8
    for response in refused:
        problem(response, 503, "overloaded")
        assert response.headers["retry-after"] == "1"


def test_urls_of_slow_servers_leave_other_searches_free(doors: Doors, stocked: Search) -> None:
    slow = threading.Event()
    door = doors(stocked, max_in_flight=4)
    stocked.parts.fetcher.fetch = lambda _: slow.wait(30) and b""  # type: ignore[method-assign]
    by_url = {"examples": [{"url": "http://pictures.example/a.jpg"}]}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(door.client.post, "/v1/search", json=by_url)
        wait_for(lambda: door.server.app.state.kinlens.fetchers.in_flight)
        problem(door.client.post("/v1/search", json=by_url), 503, "overloaded")
        by_id = {"examples": [{"id": item_id(1)}]}
        assert door.client.post("/v1/search", json=by_id).status_code == 200
        slow.set()
        problem(first.result(), 422, "broken-picture")
