"""A long way to a server of this machine: TCP connections whose bytes take their time."""

from __future__ import annotations

import contextlib
import queue
import random
import socket
import threading
import time
from types import TracebackType


class FarLink:
    """Passes connections on to a port of loopback, and each byte later; a context manager.

    Parameters
    ----------
    port : of the server
    delay : seconds each way
    jitter : seconds more at most, by chance; what comes later waits for what came before
    """

    def __init__(self, port: int, delay: float, jitter: float = 0.0) -> None:
        self.connections = 0
        self.bytes = 0
        self._target = port
        self._delay = delay
        self._jitter = jitter
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> FarLink:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _shut(self._listener)
        for each in list(self._sockets):
            _shut(each)
        for thread in list(self._threads):
            thread.join()
        for each in (self._listener, *self._sockets):
            each.close()

    def _start(self, target: object, *given: object) -> None:
        thread = threading.Thread(target=target, args=given, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self.connections += 1
                self._sockets += [near, far]
                for source, sink in ((near, far), (far, near)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
                    on_its_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                    self._start(self._read, source, on_its_way)
                    self._start(self._write, sink, on_its_way)

    def _read(
        self, source: socket.socket, on_its_way: queue.SimpleQueue[tuple[float, bytes]]
    ) -> None:
        data = b"begin"
        while data:
            try:
                data = source.recv(65_536)
            except OSError:
                data = b""
            self.bytes += len(data)
            later = self._delay + self._jitter * random.random()
            on_its_way.put((time.monotonic() + later, data))

    def _write(
        self, sink: socket.socket, on_its_way: queue.SimpleQueue[tuple[float, bytes]]
    ) -> None:
        with contextlib.suppress(OSError):
            while True:
                at, data = on_its_way.get()
                if not data:
                    break
                time.sleep(max(0.0, at - time.monotonic()))
                sink.sendall(data)
        _shut(sink)


def _shut(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
