"""A connection to an address that has been checked, which obeys one deadline."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kinlens.errors import FetchError, ForbiddenAddress
from kinlens.fetch.addresses import is_public
from kinlens.fetch.interruption import Interruption
from kinlens.fetch.target import Target

Resolve = Callable[[str, int], Sequence[str]]
"""Host name and port to addresses; raises OSError if there are none."""

Context = Callable[[], ssl.SSLContext]

MAX_ADDRESSES = 4


class Deadline:
    """A moment after which nothing more is waited for.

    Parameters
    ----------
    seconds : from now on
    interruption : ends all waits earlier
    """

    def __init__(self, seconds: float, interruption: Interruption | None = None) -> None:
        self.seconds = seconds
        self.interruption = interruption or Interruption()
        self.restart()

    def restart(self) -> None:
        """Wait anew, after one of many answers has come."""
        self._end = time.monotonic() + self.seconds

    def left(self) -> float:
        """Seconds left, above 0.

        Raises
        ------
        TimeoutError : none
        """
        left = self._end - time.monotonic()
        if left <= 0 or self.interruption.ended:
            raise TimeoutError
        return left


def resolve(host: str, port: int) -> list[str]:
    """Ask the system for a host's addresses; it also reads odd spellings such as 0x7f.1."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def checked_addresses(
    target: Target, deadline: Deadline, look_up: Resolve, *, anywhere: bool
) -> list[str]:
    """Addresses of a host, all of them public unless it may be `anywhere`.

    Raises
    ------
    ForbiddenAddress : one or more of them isn't public; a host that is half inside is not trusted
    FetchError : there are none
    """
    try:
        addresses = _in_time(lambda: list(look_up(target.host, target.port)), deadline)
    except (OSError, UnicodeError) as error:
        if isinstance(error, TimeoutError):
            raise
        raise FetchError(f"The host of {target.shown} isn't known; check the URL.") from None
    if not addresses:
        raise FetchError(f"The host of {target.shown} has no address; check the URL.")
    if not anywhere and not all(is_public(address) for address in addresses):
        raise ForbiddenAddress(
            f"{target.shown} leads to an address that isn't public, where Kinlens doesn't "
            "connect. If it is meant to, name its host in the setting fetch_allowed_hosts "
            "(KINLENS_FETCH_ALLOWED_HOSTS)."
        )
    return addresses[:MAX_ADDRESSES]


def _in_time(work: Callable[[], list[str]], deadline: Deadline) -> list[str]:
    """Run what can't be given a timeout in a thread that is left behind when it takes too long."""
    outcome: list[list[str] | BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # raised again by the caller
            outcome.append(error)
        done.set()

    threading.Thread(target=run, daemon=True).start()
    with deadline.interruption.ends(done.set):
        done.wait(deadline.left())
    if not outcome:
        raise TimeoutError
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


class Connection:
    """An HTTP connection over a socket of our own making.

    Parameters
    ----------
    target : where to; its host name is what TLS has to prove
    addresses : checked ones, tried in turn; no name is resolved again
    context : called for https alone, since reading the system's certificates takes a while
    """

    def __init__(
        self, target: Target, addresses: Sequence[str], context: Context, deadline: Deadline
    ) -> None:
        self._socket = _TimedSocket(_connected(target, addresses, context, deadline), deadline)
        self._http = http.client.HTTPConnection(target.host, target.port)
        self._http.sock = self._socket

    def get(
        self, target: Target, deadline: Deadline, headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """Send a request, with some more headers, and read the head of the answer."""
        self._socket.deadline = deadline
        self._http.putrequest("GET", target.path, skip_host=True, skip_accept_encoding=True)
        for name, value in {**_HEADERS, **(headers or {})}.items():
            self._http.putheader(name, value)
        self._http.putheader("Host", target.authority)
        self._http.endheaders()
        return self._http.getresponse()

    def close(self) -> None:
        """Close the socket."""
        self._http.close()
        self._socket.shut()


_HEADERS = {
    "User-Agent": "kinlens",
    "Accept": "image/*,application/octet-stream;q=0.8,*/*;q=0.1",
    "Accept-Encoding": "identity",
}


def _connected(
    target: Target, addresses: Sequence[str], context: Context, deadline: Deadline
) -> socket.socket:
    failure: OSError = OSError("no address")
    for tried, address in enumerate(addresses):
        share = deadline.left() / (len(addresses) - tried)
        try:
            plain = _connect(address, target.port, share, deadline)
        except OSError as error:
            failure = error
            continue
        if target.scheme == "http":
            return plain
        try:
            return _secured(plain, context(), target, deadline)
        except BaseException:
            plain.close()
            raise
    raise failure


def _connect(address: str, port: int, seconds: float, deadline: Deadline) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )[0]
    plain = socket.socket(family, kind, protocol)
    try:
        plain.settimeout(seconds)
        with deadline.interruption.ends_socket(plain):
            plain.connect(where)
    except BaseException:
        plain.close()
        raise
    return plain


def _secured(
    plain: socket.socket, context: ssl.SSLContext, target: Target, deadline: Deadline
) -> socket.socket:
    plain.settimeout(deadline.left())
    secured = context.wrap_socket(plain, server_hostname=target.host, do_handshake_on_connect=False)
    try:
        with deadline.interruption.ends_socket(secured):
            secured.do_handshake()
    except BaseException:
        secured.close()
        raise
    return secured


class _TimedSocket:
    """What `http.client` needs of a socket, each wait cut to what the deadline leaves.

    A socket's own timeout starts anew with each byte, so that a server which trickles them is
    never cut off by it.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self.deadline = deadline

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(self.deadline.left())
        with self.deadline.interruption.ends_socket(self._sock):
            self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002  (http.client only reads)
        return io.BufferedReader(_TimedReader(self), 65536)

    def recv_into(self, buffer: Any) -> int:
        self._sock.settimeout(self.deadline.left())
        with self.deadline.interruption.ends_socket(self._sock):
            return self._sock.recv_into(buffer)

    def close(self) -> None:
        """Do nothing: http.client closes it while the body is still to be read."""

    def shut(self) -> None:
        self._sock.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: _TimedSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        return self._sock.recv_into(buffer)
