"""A fetch ends in time, whatever the server does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from fetch.loopback import Handler, Server, fetcher, redirect, trickle
from kinlens.errors import (
    FetchError,
)
from kinlens.fetch import Fetcher


def test_a_slow_resolver_is_given_up() -> None:
    release = threading.Event()

    def slow(host: str, port: int) -> list[str]:
        release.wait(120)
        return ["127.0.0.1"]

    started = time.monotonic()
    with fetcher(resolver=slow, timeout=0.2) as get, pytest.raises(FetchError, match=r"0\.2 s"):
        get.fetch("http://localhost/")
    assert time.monotonic() - started < 15
    release.set()


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(lambda connection, _: connection.recv(1), id="silence"),
        pytest.param(trickle(b"HTTP/1.1 200 OK\r\nX: ", b"a"), id="headers"),
        pytest.param(trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="endless 100 Continue"),
        pytest.param(trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"a"), id="body"),
        pytest.param(
            trickle(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
            id="chunks",
        ),
    ],
)
def test_a_trickling_server_is_cut_off(serve: Callable[..., Server], handler: Handler) -> None:
    url = serve(handler).url()
    with fetcher(timeout=0.4) as get:
        assert soonest_end(get, url, r"longer than 0\.4 s") < 2


def test_the_time_is_shared_by_redirects(serve: Callable[..., Server]) -> None:
    def handle(connection: socket.socket, path: str) -> None:
        time.sleep(0.2)
        connection.sendall(redirect("/more"))

    url = serve(handle).url()
    with fetcher(timeout=0.5, redirects=200) as get:
        assert soonest_end(get, url, "longer than") < 2


def soonest_end(get: Fetcher, url: str, words: str) -> float:
    """Seconds until a fetch is given up; the least of three, as the machine may stand still."""
    took = []
    for _ in range(3):
        started = time.monotonic()
        with pytest.raises(FetchError, match=words):
            get.fetch(url)
        took.append(time.monotonic() - started)
    return min(took)
