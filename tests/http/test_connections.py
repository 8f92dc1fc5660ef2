from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from http_door import Door, Doors
from kinlens.http import connections
from kinlens.search import Search
from kinlens.types import NewItem
from live_servers import wait_for


@pytest.fixture(scope="module")
def door(file_doors: Doors, search: Search) -> Door:
    return file_doors(search)


def connect(door: Door) -> socket.socket:
    return socket.create_connection(("127.0.0.1", door.server.port), timeout=60)


def read_all(connection: socket.socket) -> bytes:
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize("start", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
def test_a_head_that_does_not_come(
    door: Door, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    with connect(door) as connection:
        connection.sendall(start)
        began = time.monotonic()
        assert read_all(connection) == b""
        assert time.monotonic() - began < 5


def test_a_head_that_trickles_after_an_answer(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(door) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
        began = time.monotonic()
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        try:
            while time.monotonic() - began < 60:
                connection.sendall(b"X: y\r\n")
                time.sleep(0.05)
        except OSError:
            pass
        assert time.monotonic() - began < 14


def test_a_head_without_end(door: Door) -> None:
    with connect(door) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        sent = 0
        try:
            while sent < 10_000_000:
                connection.sendall(b"X-Filler: " + b"x" * 10_000 + b"\r\n")
                sent += 10_000
        except OSError:
            pass
        assert sent < 5_000_000


def test_a_head_too_large_is_told(door: Door) -> None:
    with connect(door) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000)
        assert read_all(connection).startswith(b"HTTP/1.1 431 ")


def test_requests_one_after_the_other_are_not_cut(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 2.5)
    with connect(door) as connection:
        for _ in range(4):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = b""
            while not answer.endswith(b"\r\n\r\nok\n"):  # head and body may come one by one
                part = connection.recv(65536)
                assert part, answer
                answer += part
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(0.8)


def test_a_body_slower_than_the_head_may_be_is_read(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 2.0)
    head = (
        b"POST /v1/facets HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 21\r\nConnection: close\r\n\r\n"
    )
    with connect(door) as connection:
        connection.sendall(head)
        for part in (b'{"fields"', b': ["color"', b"]}"):
            time.sleep(0.7)
            connection.sendall(part)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_what_is_not_http(door: Door) -> None:
    with connect(door) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("reads", [False, True])
def test_a_client_that_does_not_read_is_cut_off(
    doors: Doors,
    empty: Search,
    make_picture: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    reads: bool,
) -> None:
    # One that reads may be held up, too; one that doesn't is cut off whenever that is.
    monkeypatch.setattr(connections, "READ_SECONDS", 3.0 if reads else 0.3)
    picture = make_picture(format="PNG") + bytes(15_000_000)
    empty.add([NewItem("large", image=picture)])
    door = doors(empty)
    address = door.client.get("/v1/items/large").json()["image_url"]
    opened = door.server._server.server_state.connections
    others = set(opened)
    with connect(door) as slow:
        wait_for(lambda: set(opened) - others)
        slow.sendall(f"GET {address} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        received = 0
        if reads:
            for _ in range(10):
                time.sleep(0.35)
                received += len(slow.recv(200_000))
        else:
            wait_for(lambda: not set(opened) - others, "the end of the connection")
        with suppress(ConnectionError):
            while received < len(picture) and (part := slow.recv(1_000_000)):
                received += len(part)
    assert (received >= len(picture)) is reads
