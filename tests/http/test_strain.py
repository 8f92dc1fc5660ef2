"""Slow work of one caller leaves the others free, and ends when the server does."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from http_door import Doors, bearer, item_id, problem
from kinlens.errors import FetchError, Overloaded
from kinlens.fetch import Fetcher
from kinlens.http import streams
from kinlens.http.serve import CANCEL_AFTER
from kinlens.search import Search
from kinlens.types import NewItem
from live_servers import wait_for


class Silent:
    """Accepts connections and never answers."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def urls(self, count: int) -> list[str]:
        return [f"http://localhost:{self.port}/{number}.jpg" for number in range(count)]

    def close(self) -> None:
        self.listener.close()
        for connection in self.connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                self.connections.append(self.listener.accept()[0])
            except OSError:
                return


@pytest.fixture
def silent() -> Iterator[Silent]:
    server = Silent()
    yield server
    server.close()


def patient(search: Search, seconds: float) -> None:
    """Let the catalog fetch from loopback, and wait so long for an answer."""
    search.parts.fetcher._timeout = seconds
    search.parts.fetcher._allowed_hosts = frozenset({"localhost"})


def batch(urls: list[str]) -> dict[str, Any]:
    return {"items": [{"id": f"url {number}", "url": url} for number, url in enumerate(urls)]}


def test_silent_urls_hold_no_other_write(
    doors: Doors, stocked: Search, silent: Silent, pictures: list[bytes]
) -> None:
    patient(stocked, 600)
    door = doors(stocked, shutdown_timeout=0.3)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(door.client.post, "/v1/items", json=batch(silent.urls(24)))
        wait_for(lambda: len(silent.connections) == 8)
        with httpx.Client(base_url=door.server.url, timeout=60) as other:
            files = {"image": ("x", pictures[3])}
            assert other.put("/v1/items/mine", files=files).status_code == 201
            metadata = {"metadata": {"color": "blue"}}
            assert other.put("/v1/items/mine", json=metadata).status_code == 200
            assert other.delete("/v1/items/mine").status_code == 204
        assert not held.done()
        door.server.stop()
        problem(held.result(60), 503, "overloaded")
    assert len(silent.connections) == 8, "no more were begun"
    outcomes = {outcome.id for outcome in stocked.ledger("failed")}
    assert not outcomes, "an item that was given up isn't one that failed"


def test_a_batch_of_urls_has_a_limit_in_all(
    stocked: Search, silent: Silent, pictures: list[bytes]
) -> None:
    patient(stocked, 600)
    stocked._batches._fetch_seconds = 0.5
    new = [
        *(NewItem(f"url {number}", url=url) for number, url in enumerate(silent.urls(20))),
        NewItem("upload", image=pictures[3]),
    ]
    outcomes = {outcome.id: outcome for outcome in stocked.add(new)}
    assert outcomes.pop("upload").state == "indexed"
    assert {outcome.state for outcome in outcomes.values()} == {"failed"}
    assert any("fetch_batch_timeout" in outcome.reason for outcome in outcomes.values())
    assert len(silent.connections) == 8


def test_one_caller_has_a_share_of_the_fetches(
    doors: Doors, stocked: Search, silent: Silent
) -> None:
    patient(stocked, 600)
    door = doors(stocked, guarded=True, max_in_flight=32, shutdown_timeout=0.3)
    query = {"examples": [{"url": silent.urls(1)[0]}]}

    def ask(key: str) -> httpx.Response:
        with httpx.Client(base_url=door.server.url, timeout=60) as client:
            return client.post("/v1/search", json=query, headers=bearer(key))

    pool_of = door.server.app.state.kinlens.fetchers
    with ThreadPoolExecutor(9) as pool:
        held = [pool.submit(ask, door.read) for _ in range(4)]
        wait_for(lambda: pool_of.in_flight == 4)
        refused = ask(door.read)
        problem(refused, 503, "overloaded")
        assert refused.headers["retry-after"]
        held.append(pool.submit(ask, door.write))
        wait_for(lambda: len(silent.connections) == 5)
        by_id = {"examples": [{"id": item_id(1)}]}
        found = door.client.post("/v1/search", json=by_id, headers=bearer(door.read))
        assert found.status_code == 200
        door.server.stop()
        for answer in held:
            problem(answer.result(60), 503, "overloaded")


def test_a_server_ends_in_its_time(
    doors: Doors, stocked: Search, silent: Silent, caplog: pytest.LogCaptureFixture
) -> None:
    """With silent URLs, an upload that stops, and a stream; what was answered is there."""
    patient(stocked, 3600)
    door = doors(stocked, shutdown_timeout=1 / CANCEL_AFTER)
    upload = (
        b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000\r\n\r\n{"
    )
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(2))
        held = pool.submit(door.client.post, "/v1/items", json=batch(silent.urls(24)))
        connection = socket.create_connection(("127.0.0.1", door.server.port), timeout=60)
        stack.enter_context(connection)
        connection.sendall(upload)
        wait_for(lambda: len(silent.connections) == 8)
        door.server.stop()
        thread = door.server._thread
        assert thread is not None
        thread.join(120)
        assert not thread.is_alive(), "it waits for what doesn't end"
        problem(held.result(60), 503, "overloaded")
        assert connection.recv(65536) == b""
    assert "Traceback" not in caplog.text
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{door.server.url}/healthz")


def test_a_fetcher_that_was_canceled_fetches_again(silent: Silent) -> None:
    fetcher = Fetcher(timeout=600, allowed_hosts=("localhost",))
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(fetcher.fetch, silent.urls(1)[0])
        wait_for(lambda: silent.connections)
        fetcher.cancel()
        with pytest.raises(Overloaded, match="shutting down"):
            held.result(60)
        again = pool.submit(fetcher.fetch, silent.urls(1)[0])
        wait_for(lambda: len(silent.connections) == 2)
        assert not again.done()
        silent.close()
        assert isinstance(again.exception(60), FetchError)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_leaves_in_mid_upload_is_no_error(
    doors: Doors, stocked: Search, caplog: pytest.LogCaptureFixture, chunked: bool
) -> None:
    door = doors(stocked)
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 100000"
    kinds = (b"application/json", b"multipart/form-data; boundary=b")
    requests = [(b"POST /v1/search", kind) for kind in kinds]
    requests += [(b"POST /v1/items", kind) for kind in kinds]
    requests += [(b"PUT /v1/items/a", kind) for kind in kinds]
    requests += [(b"POST /v1/live/shelf-1/frames", b"image/jpeg"), (b"POST /matches", kinds[0])]
    tasks = door.server._server.server_state.tasks
    caplog.set_level(logging.DEBUG)
    for line, kind in requests:
        with socket.create_connection(("127.0.0.1", door.server.port), timeout=60) as connection:
            connection.sendall(
                b"%b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %b\r\n%b\r\n\r\n"
                % (line, kind, framing)
            )
            connection.sendall(b"5\r\n--b\r\n\r\n" if chunked else b"--b\r\n")
            wait_for(lambda: tasks)
        wait_for(lambda: not tasks)
    bad = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not [record.getMessage() for record in bad]
    counted = door.client.get("/metrics").text
    assert 'status="499"' in counted
    assert 'status="500"' not in counted


def test_more_streams_than_places_at_once(
    doors: Doors, stocked: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST", 5)
    door = doors(stocked)
    together = threading.Barrier(20)
    done = threading.Event()

    def ask(_: int) -> tuple[int, bool, str]:
        with httpx.Client(base_url=door.server.url, timeout=60) as client:
            together.wait()
            with client.stream("GET", "/v1/live/shelf-1/events") as answer:
                begun = answer.status_code == 200 and next(answer.iter_bytes()) != b""
                statuses.append(answer.status_code)
                done.wait(60)
                return answer.status_code, begun, answer.headers.get("retry-after", "")

    statuses: list[int] = []
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(ask, number) for number in range(20)]
        wait_for(lambda: len(statuses) == 20)
        done.set()
        found = sorted(answer.result() for answer in answers)
    assert found == [(200, True, "")] * 5 + [(503, False, "1")] * 15
    wait_for(lambda: not len(door.server.app.state.kinlens.streams))


def test_a_stream_that_never_begins_gives_its_place_back(doors: Doors, stocked: Search) -> None:
    door = doors(stocked)
    with socket.create_connection(("127.0.0.1", door.server.port), timeout=60) as connection:
        connection.sendall(b"GET /v1/live/a/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    tasks = door.server._server.server_state.tasks
    wait_for(lambda: not tasks and not len(door.server.app.state.kinlens.streams))
