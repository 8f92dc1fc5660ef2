from __future__ import annotations

import json
import socket

import pytest

from http_door import Door, Doors
from kinlens.search import Search


@pytest.fixture(scope="module")
def door(file_doors: Doors, search: Search) -> Door:
    return file_doors(search)


def ask(door: Door, head: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", door.server.port), timeout=60) as connection:
        connection.sendall(head)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("path", [b"/healthz", b"/v1/stats", b"/", b"/nowhere"])
@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b"127.0.0.1", b"127.0.0.1"],
        [b"127.0.0.1", b"elsewhere.example"],
        [b"127.0.0.1, elsewhere.example"],
        [b"user@127.0.0.1"],
        [b"127.0.0.1/path"],
        [b"127.0.0.1:port"],
        [b"[::1"],
        [b"local host"],
        [b""],
    ],
)
def test_a_host_that_is_missing_malformed_or_there_twice(
    door: Door, path: bytes, hosts: list[bytes]
) -> None:
    lines = b"".join(b"Host: %b\r\n" % host for host in hosts)
    answer = ask(door, b"GET %b HTTP/1.1\r\n%bConnection: close\r\n\r\n" % (path, lines))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "/problems/invalid-host"


@pytest.mark.parametrize("host", [b"127.0.0.1", b"127.0.0.1:80", b"localhost:", b"[::1]:7700"])
def test_hosts_that_are_fine(door: Door, host: bytes) -> None:
    answer = ask(door, b"GET /v1/stats HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % host)
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_http_1_0_needs_none(door: Door) -> None:
    assert ask(door, b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
