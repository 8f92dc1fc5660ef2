"""Pictures of a camera on the network: an MJPEG stream, or one picture a request."""

from __future__ import annotations

import base64
import http
import http.client
import ssl
import threading
import time
from collections.abc import Iterator
from functools import cached_property
from urllib.parse import unquote, urlsplit, urlunsplit

from kinlens.camera.base import Frame
from kinlens.camera.multipart import PartReader, boundary_of
from kinlens.errors import FetchError
from kinlens.fetch.body import check_kind, read_body
from kinlens.fetch.connection import Connection, Deadline, checked_addresses, resolve
from kinlens.fetch.target import Target, parse
from kinlens.images import Limits

PATIENCE = 10.0
"""Seconds in which a camera has to answer, and to send its next frame."""

MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_CHUNK = 65536


class HttpFrames:
    """A camera that speaks HTTP: multipart/x-mixed-replace, or a snapshot with each request.

    Its address may be private: who starts the device names the camera. A redirect must stay on
    the camera's host. A user name and password in the URL are sent as Basic authentication.

    Parameters
    ----------
    url : http or https
    rate : snapshots a second; a stream has a pace of its own
    limits : on the bytes of a frame
    patience : seconds in which each frame has to come
    """

    def __init__(
        self,
        url: str,
        rate: float = 15.0,
        *,
        limits: Limits | None = None,
        patience: float = PATIENCE,
    ) -> None:
        plain, self._headers = _without_password(url)
        self._target = parse(plain)
        self._period = 1 / rate
        self._max_bytes = (limits or Limits()).max_bytes
        self._deadline = Deadline(patience)
        self._closed = threading.Event()
        self._connection: Connection | None = None

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return self._target.shown

    @property
    def endless(self) -> bool:
        """See `Source.endless`."""
        return True

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`."""
        try:
            yield from self._frames()
        except TimeoutError:
            raise FetchError(
                f"{self.name} sent nothing whole for {self._deadline.seconds:g} s; check that the "
                "camera is on."
            ) from None
        except ssl.SSLError as error:
            raise FetchError(f"{self.name} has no TLS that holds ({error.reason}).") from None
        except (http.client.HTTPException, ValueError) as error:
            raise FetchError(
                f"{self.name} doesn't answer as a web server should ({type(error).__name__})."
            ) from None
        except OSError as error:
            raise FetchError(
                f"{self.name} can't be reached ({error.strerror or type(error).__name__})."
            ) from None

    def close(self) -> None:
        """See `Source.close`."""
        self._closed.set()

    def _frames(self) -> Iterator[Frame]:
        self._deadline.restart()
        try:
            answer, target = self._first_answer()
            kind = answer.headers.get_content_type() if "Content-Type" in answer.headers else ""
            if kind.startswith("multipart/"):
                yield from self._stream(answer)
            else:
                yield from self._snapshots(answer, target)
        finally:
            self._disconnect()

    def _connect(self, target: Target) -> Connection:
        addresses = checked_addresses(target, self._deadline, resolve, anywhere=True)
        return Connection(target, addresses, lambda: self._context, self._deadline)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, target: Target) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = self._connect(target)
        return self._connection.get(target, self._deadline, self._headers)

    def _first_answer(self) -> tuple[http.client.HTTPResponse, Target]:
        """The answer after redirects, and where it comes from."""
        target = self._target
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._ask(target)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                self._check_status(answer)
                return answer, target
            self._disconnect()
            target = target.redirected(location)
            if target.host != self._target.host:
                raise FetchError(
                    f"{self.name} redirects to another host, {target.host:.80}; name that one if "
                    "it is the camera."
                )
        raise FetchError(f"{self.name} redirects more than {MAX_REDIRECTS} times.")

    def _check_status(self, answer: http.client.HTTPResponse) -> None:
        if answer.status == http.HTTPStatus.UNAUTHORIZED:
            raise FetchError(
                f"{self.name} wants a user name and password that hold, as in "
                "http://user:password@camera/; Basic authentication is what is spoken."
            )
        if answer.status != http.HTTPStatus.OK:
            raise FetchError(f"{self.name} answers {answer.status}; check the URL.")

    def _stream(self, answer: http.client.HTTPResponse) -> Iterator[Frame]:
        boundary = boundary_of(answer.headers["Content-Type"])
        reader = PartReader(lambda: answer.read1(_CHUNK), boundary, self._max_bytes)
        for part in reader.parts():
            if self._closed.is_set():
                return
            yield Frame(part)
            self._deadline.restart()

    def _snapshots(self, answer: http.client.HTTPResponse, target: Target) -> Iterator[Frame]:
        due = time.monotonic()
        while True:
            check_kind(answer, target)
            yield Frame(read_body(answer, target, self._max_bytes))
            due = max(due + self._period, time.monotonic() - self._period)
            if self._closed.wait(max(0.0, due - time.monotonic())):
                return
            self._deadline.restart()
            if answer.will_close:
                self._disconnect()
            answer = self._ask(target)
            self._check_status(answer)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context()


def _without_password(url: str) -> tuple[str, dict[str, str]]:
    """A URL without its user name and password, and the headers that say them."""
    try:
        parts = urlsplit(url)
        user, password = parts.username, parts.password
    except ValueError:
        return url, {}
    if user is None:
        return url, {}
    login = f"{unquote(user)}:{unquote(password or '')}".encode()
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return plain, {"Authorization": "Basic " + base64.b64encode(login).decode("ascii")}
