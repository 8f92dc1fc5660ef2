"""A camera that speaks HTTP, on loopback, that can be killed and come back."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

Answer = Callable[[str], Iterable[bytes]]
"""The request's text to the bytes of the answer, which are sent as they come."""


class HttpCamera:
    """Answers each request by what `answer` gives; a path of "kept" keeps the connection."""

    def __init__(self, answer: Answer, port: int = 0) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", port), reuse_port=False)
        self.port = self._listener.getsockname()[1]
        self.requests: list[str] = []
        self._open: list[socket.socket] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def kill(self) -> None:
        """Cut every connection and take no more."""
        self._stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            cut(each)
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while not self._stopped.is_set():
                request = connection.recv(65536).decode("latin-1")
                if not request:
                    return
                self.requests.append(request)
                for chunk in self._answer(request):
                    if self._stopped.is_set():
                        return
                    connection.sendall(chunk)
                if "/kept" not in request:
                    return
        except OSError:
            return
        finally:
            connection.close()


def cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def http_camera(answer: Answer, port: int = 0) -> Iterator[HttpCamera]:
    camera = HttpCamera(answer, port)
    try:
        yield camera
    finally:
        camera.kill()


def head(kind: str, *more: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def mjpeg(
    jpegs: Iterable[bytes], pace: Callable[[], object] = lambda: None, boundary: str = "frame"
) -> Answer:
    """A stream of these pictures, waiting for `pace` before each."""
    pictures = list(jpegs)

    def answer(_request: str) -> Iterator[bytes]:
        yield head(f"multipart/x-mixed-replace; boundary={boundary}")
        for jpeg in itertools.cycle(pictures):
            pace()
            lines = f"--{boundary}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
            yield lines.encode() + b"\r\n\r\n" + jpeg + b"\r\n"

    return answer
