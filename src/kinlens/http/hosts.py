"""Who may speak to a server without keys: the browser's own page, not somebody else's.

A page elsewhere can make a browser send requests to a server on the same machine. Without keys
two checks keep it out: the Host header must be a name of this server (a rebound DNS name isn't),
and whatever isn't a plain read must come from the server's own page or an origin in
``cors_origins``.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from kinlens.config import Settings
from kinlens.errors import KinlensError, PermissionDenied
from kinlens.http.problems import HostRefused, respond
from kinlens.keys import KeyStore


class Hosts:
    """The names of one server, and the origins it trusts."""

    def __init__(self, settings: Settings) -> None:
        public = urlsplit(settings.public_url)
        self._names = {"localhost", settings.host.lower(), (public.hostname or "localhost")}
        self._any_address = not is_loopback(settings.host)
        if self._any_address:
            self._names.add(socket.gethostname().lower())
        self._origins = {origin.lower().rstrip("/") for origin in settings.cors_origins}
        if public.netloc:
            self._origins.add(f"{public.scheme}://{public.netloc}".lower())

    def check_host(self, header: str) -> None:
        """`HostRefused` unless the Host header is a name of this server.

        An address can't be rebound as a name can, so a server that listens on all addresses
        accepts each of them.
        """
        host = _hostname(header)
        if host in self._names or host.endswith(".localhost"):
            return
        address = _address(host)
        if address and (self._any_address or address.is_loopback):
            return
        raise HostRefused(
            f"This server has no keys and isn't called {host!r:.100}; use its own address, set "
            "public_url to this name, or make a key with `kinlens keys create`."
        )

    def check_origin(self, headers: Headers, *, writes: bool) -> None:
        """`PermissionDenied` for a request that another site's page made a browser send.

        Parameters
        ----------
        writes : whether the route changes the catalog; "*" in cors_origins doesn't allow that
        """
        origin = headers.get("origin", "").lower()
        if origin in self._origins or ("*" in self._origins and not writes):
            return
        site = headers.get("sec-fetch-site")
        if site in ("same-origin", "none"):
            return
        if site is None and (not origin or urlsplit(origin).netloc == headers.get("host", "")):
            return
        raise PermissionDenied(
            f"A page of {origin or 'another site'!r:.100} may not do this; add its origin to the "
            "setting cors_origins, or use an API key."
        )


class KnownHost:
    """ASGI middleware: on a server without keys, refuses a Host that isn't its own.

    Probes come by whatever address the machine has, and learn nothing of the catalog.
    """

    PROBES = ("/healthz", "/readyz")

    def __init__(self, app: ASGIApp, hosts: Hosts, keys: KeyStore) -> None:
        self.app = app
        self.hosts = hosts
        self.keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request that was sent to this server by name."""
        if scope["type"] == "http" and scope["path"] not in self.PROBES:
            try:
                if not self.keys.required:
                    self.hosts.check_host(Headers(scope=scope).get("host", ""))
            except KinlensError as error:
                await respond(error, scope)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on this host; a name may resolve to many."""
    address = _address(host.strip("[]"))
    if address:
        return address.is_loopback
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return _all_loopback(str(entry[4][0]) for entry in found)


def _all_loopback(addresses: Iterable[str]) -> bool:
    parsed = [_address(address.partition("%")[0]) for address in addresses]
    return bool(parsed) and all(address and address.is_loopback for address in parsed)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _hostname(header: str) -> str:
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""
