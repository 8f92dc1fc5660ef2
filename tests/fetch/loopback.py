"""Servers on loopback that behave as badly as a test needs."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kinlens.fetch import Fetcher

Handler = Callable[[socket.socket, str], None]
PICTURE = b"\xff\xd8\xff picture"


class Server:
    """Gives each connection's requests to `handler(connection, path)`; closes after it returns."""

    def __init__(self, handler: Handler, context: ssl.SSLContext | None = None) -> None:
        self.handler = handler
        self.context = context
        self.heads: list[str] = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str = "/", host: str = "localhost") -> str:
        return f"http{'s' if self.context else ''}://{host}:{self.port}{path}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                with connection:
                    head = b""
                    while b"\r\n\r\n" not in head:
                        received = connection.recv(65536)
                        if not received:
                            return
                        head += received
                    self.heads.append(head.decode("latin-1"))
                    self.handler(connection, head.split()[1].decode("latin-1"))
            except OSError:
                return  # the client has given up, as it should


def response(body: bytes = PICTURE, status: str = "200 OK", **headers: object) -> bytes:
    headers.setdefault("Content_Length", len(body))
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def redirect(to: str, status: str = "302 Found") -> bytes:
    return response(b"", status, Location=to)


@contextmanager
def fetcher(**options: object) -> Iterator[Fetcher]:
    options.setdefault("allowed_hosts", ("localhost",))
    found = Fetcher(**options)  # type: ignore[arg-type]
    try:
        yield found
    finally:
        found.close()


def trickle(head: bytes, rest: bytes) -> Handler:
    def handle(connection: socket.socket, path: str) -> None:
        connection.sendall(head)
        for byte in rest * 5000:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    return handle


def endless(head: bytes, block: bytes) -> Handler:
    def handle(connection: socket.socket, path: str) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(block)

    return handle
