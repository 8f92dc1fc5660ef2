from __future__ import annotations

import socket
from contextlib import ExitStack

import httpx
import pytest

from http_door import Door, Doors
from kinlens.http.connection_table import SPARE, ConnectionTable
from kinlens.search import Search
from live_servers import wait_for


class Fake:
    def __init__(self, table: ConnectionTable, address: str, *, idle: bool = True) -> None:
        self.idle = idle
        self.dropped = False
        self.table = table
        self.address = address
        self.refusal = table.add(self, address)

    def is_idle(self) -> bool:
        return self.idle

    def drop(self) -> None:
        self.dropped = True
        self.table.remove(self, self.address)


def test_the_longest_idle_one_of_a_client_makes_room() -> None:
    table = ConnectionTable(10, 3)
    busy = Fake(table, "10.0.0.1", idle=False)
    first, second = Fake(table, "10.0.0.1"), Fake(table, "10.0.0.1")
    other = Fake(table, "10.0.0.2")
    table.used(first, "10.0.0.1")
    new = Fake(table, "10.0.0.1", idle=False)
    assert new.refusal is None
    assert second.dropped
    assert not any(fake.dropped for fake in (busy, first, other))
    assert len(table) == 4


def test_busy_connections_keep_more_of_the_same_client_out() -> None:
    table = ConnectionTable(10, 2)
    for _ in range(2):
        Fake(table, "2001:db8::1", idle=False)
    refused = Fake(table, "2001:db8::ffff", idle=False)
    assert refused.refusal
    assert "max_connections_each" in refused.refusal
    assert Fake(table, "2001:db8:1::1").refusal is None


def test_a_full_table_drops_of_the_client_that_has_most() -> None:
    table = ConnectionTable(4, 4)
    lone = Fake(table, "10.0.0.1")
    many = [Fake(table, "10.0.0.2") for _ in range(3)]
    assert Fake(table, "10.0.0.3").refusal is None
    assert [fake.dropped for fake in many] == [True, False, False]
    assert not lone.dropped


def test_beyond_a_full_table_some_are_told_and_the_rest_dropped() -> None:
    table = ConnectionTable(2, 2)
    for number in range(2):
        Fake(table, f"10.0.0.{number}", idle=False)
    told = [Fake(table, f"10.0.1.{number}", idle=False) for number in range(SPARE + 1)]
    assert all(fake.refusal and "max_connections" in fake.refusal for fake in told)
    assert [fake.dropped for fake in told] == [False] * SPARE + [True]


def test_a_trusted_proxy_has_as_many_as_it_needs() -> None:
    table = ConnectionTable(10, 1, is_exempt=lambda address: address == "10.0.0.9")
    proxied = [Fake(table, "10.0.0.9", idle=False) for _ in range(5)]
    assert all(fake.refusal is None for fake in proxied)


@pytest.fixture
def small(doors: Doors, stocked: Search) -> Door:
    return doors(stocked, max_connections=40, max_connections_each=20)


def connect(door: Door) -> socket.socket:
    return socket.create_connection(("127.0.0.1", door.server.port), timeout=60)


def test_idle_connections_shut_nobody_out(small: Door) -> None:
    """Whether they never sent a byte, began a head, or were used before."""
    answered = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with ExitStack() as stack:
        for number in range(90):
            connection = stack.enter_context(connect(small))
            connection.sendall((b"", b"GET / HT", answered)[number % 3])
            if number % 3 == 2:
                assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert httpx.get(f"{small.server.url}/healthz", timeout=60).status_code == 200
        assert len(small.server._server.server_state.connections) <= 21


def test_connections_in_use_are_told_to_wait(small: Door) -> None:
    head = (
        b"POST /v1/facets HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 21\r\n\r\n"
    )
    tasks = small.server._server.server_state.tasks
    with ExitStack() as stack:
        busy = [stack.enter_context(connect(small)) for _ in range(20)]
        for connection in busy:
            connection.sendall(head)
        wait_for(lambda: len(tasks) == 20)
        refused = httpx.get(f"{small.server.url}/healthz", timeout=60)
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert "max_connections_each" in refused.json()["detail"]
        for connection in busy:
            connection.sendall(b'{"fields": ["color"]}')
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert httpx.get(f"{small.server.url}/healthz", timeout=60).status_code == 200
