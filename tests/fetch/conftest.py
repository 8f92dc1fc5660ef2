"""A server for each test."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import pytest

from fetch.loopback import Handler, Server


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(handler: Handler | bytes, context: ssl.SSLContext | None = None) -> Server:
        if isinstance(handler, bytes):
            text = handler
            server = Server(lambda connection, _: connection.sendall(text), context)
        else:
            server = Server(handler, context)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.listener.close()
