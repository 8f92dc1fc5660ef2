"""A request that is answered before its body has come leaves nothing behind on the connection."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from http_door import Door, Doors, problem
from kinlens.http import connections
from kinlens.search import Search

SIZE = 20_000_000
BLOCK = b"GET /stray HTTP/1.1\r\n" * 3000
"""Bodies that would be taken for requests, were they read as such."""

REFUSALS = [
    pytest.param("guarded", "POST", "/v1/search", {"Content-Type": "application/json"}, 401),
    pytest.param("guarded", "PUT", "/v1/items/a", {"Content-Type": "multipart/form-data"}, 401),
    pytest.param("guarded", "POST", "/v1/live/shelf-9/frames", {"Content-Type": "image/png"}, 401),
    pytest.param("small", "POST", "/v1/search", {"Content-Type": "application/json"}, 413),
    pytest.param("open", "POST", "/v1/search", {"Content-Type": "text/plain"}, 415),
    pytest.param("open", "POST", "/v1/items", {"Content-Type": "image/jpeg"}, 415),
    pytest.param("open", "POST", "/nowhere", {}, 404),
    pytest.param("open", "POST", "/healthz", {}, 405),
    pytest.param("open", "PUT", f"/v1/items/{'x' * 600}", {}, 422),
    pytest.param("open", "POST", "/v1/search", {"Origin": "http://elsewhere.example"}, 403),
    pytest.param("open", "POST", "/v1/search", {"Host": "elsewhere.example"}, 403),
    pytest.param("limited", "POST", "/v1/search", {"Content-Type": "application/json"}, 429),
    pytest.param("open", "GET", "/healthz", {}, 200),
]


@pytest.fixture(scope="module")
def served(file_doors: Doors, search: Search) -> dict[str, Door]:
    found = {
        "open": file_doors(search),
        "small": file_doors(search, max_body=100_000),
        "limited": file_doors(search, rate_limit=1),
    }
    found["limited"].client.get("/v1/stats")
    return found


def connect(door: Door) -> socket.socket:
    return socket.create_connection(("127.0.0.1", door.server.port), timeout=60)


def head(method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = {"Host": "127.0.0.1", **headers}
    fields = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode()


def body(chunked: bool) -> Iterator[bytes]:
    for sent in range(0, SIZE, len(BLOCK)):
        block = BLOCK[: SIZE - sent]
        yield b"%x\r\n%b\r\n" % (len(block), block) if chunked else block
    if chunked:
        yield b"0\r\n\r\n"


def read_all(connection: socket.socket) -> bytes:
    """Until the end; a reset is an error."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def refuse(door: Door, sent: tuple[str, str, dict[str, str]], chunked: bool) -> bytes:
    method, path, headers = sent
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(SIZE)}
    with connect(door) as connection:
        connection.sendall(head(method, path, {**headers, **framing}))
        for block in body(chunked):
            connection.sendall(block)
        return read_all(connection)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("kind", "method", "path", "headers", "status"), REFUSALS)
def test_a_client_that_sends_all_of_a_refused_body_reads_the_answer(
    served: dict[str, Door],
    request: pytest.FixtureRequest,
    kind: str,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    chunked: bool,
) -> None:
    door = request.getfixturevalue("guarded") if kind == "guarded" else served[kind]
    answer = refuse(door, (method, path, headers), chunked)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer.lower()


@pytest.fixture
def guarded(doors: Doors, stocked: Search) -> Door:
    return doors(stocked, guarded=True)


def test_clients_of_python_read_the_answer(guarded: Door) -> None:
    content = BLOCK * (SIZE // len(BLOCK))
    plain = http.client.HTTPConnection("127.0.0.1", guarded.server.port, timeout=60)
    for _ in range(2):
        plain.request("POST", "/v1/search", content, {"Content-Type": "application/json"})
        answer = plain.getresponse()
        assert answer.status == 401
        assert b"unauthenticated" in answer.read()
    plain.close()
    for _ in range(2):
        problem(guarded.client.post("/v1/search", content=content), 401, "unauthenticated")
        problem(guarded.client.post("/v1/search", content=iter([content])), 401, "unauthenticated")
    assert guarded.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("parts", [1, 2])
def test_a_small_refused_body_keeps_the_connection(guarded: Door, parts: int) -> None:
    content = b"GET /stray HTTP/1.1\r\n\r\n" * 1000
    start = head("POST", "/v1/search", {"Content-Length": str(len(content))})
    with connect(guarded) as connection:
        if parts == 1:
            connection.sendall(start + content)
        else:
            connection.sendall(start)
            connection.sendall(content)
        reader = http.client.HTTPResponse(connection)
        reader.begin()
        assert reader.status == 401
        reader.read()
        connection.sendall(head("GET", "/healthz", {"Connection": "close"}))
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")


def test_one_that_asks_first_is_refused_without_sending(guarded: Door) -> None:
    headers = {"Content-Length": "1000", "Expect": "100-continue"}
    with connect(guarded) as connection:
        connection.sendall(head("POST", "/v1/search", headers))
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer.lower()


def test_one_that_asks_first_and_may_sends(guarded: Door) -> None:
    content = b'{"fields": ["color"]}'
    headers = {
        "Content-Length": str(len(content)),
        "Content-Type": "application/json",
        "Expect": "100-continue",
        "Connection": "close",
        "Authorization": f"Bearer {guarded.read}",
    }
    with connect(guarded) as connection:
        connection.sendall(head("POST", "/v1/facets", headers))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(content)
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")


def test_requests_behind_a_small_refused_one_are_answered(guarded: Door) -> None:
    content = b"x" * 5000
    refused = head("POST", "/v1/search", {"Content-Length": str(len(content))}) + content
    last = head("GET", "/healthz", {"Connection": "close"})
    with connect(guarded) as connection:
        connection.sendall(refused + refused + last)
        answers = read_all(connection)
    statuses = re.findall(rb"HTTP/1\.1 ([0-9]+) ", answers)
    assert statuses == [b"401", b"401", b"200"]


def test_requests_behind_a_large_refused_one_are_not_looked_at(guarded: Door) -> None:
    refused = head("POST", "/v1/search", {"Content-Length": str(len(BLOCK) * 10)}) + BLOCK * 10
    with connect(guarded) as connection:
        connection.sendall(refused + head("GET", "/healthz", {}))
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\r\n\r\n", b"NOT A REQUEST\r\n\r\n"])
def test_a_request_before_garbage_is_answered(guarded: Door, garbage: bytes) -> None:
    with connect(guarded) as connection:
        connection.sendall(head("GET", "/healthz", {}) + garbage)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_body_that_breaks_its_framing(guarded: Door) -> None:
    headers = {
        "Transfer-Encoding": "chunked",
        "Content-Type": "application/json",
        "Authorization": f"Bearer {guarded.read}",
    }
    with connect(guarded) as connection:
        connection.sendall(head("POST", "/v1/search", headers) + b"5\r\n{    \r\n")
        connection.sendall(b"nonsense\r\n" * 10)
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


def test_a_refused_body_without_end_is_cut_off(
    guarded: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LINGER_BYTES", 3_000_000)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 200_000_000:
            sent += len(BLOCK)
            yield BLOCK

    with suppress(httpx.TransportError):  # it may be closed while the client still sends
        problem(guarded.client.post("/v1/search", content=endless()), 401, "unauthenticated")
    assert sent < 200_000_000
