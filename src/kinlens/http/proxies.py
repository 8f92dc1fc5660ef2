"""Who a request is from: the peer, or what a trusted proxy says of its client."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from kinlens.networks import Address, Network, plain


class TrustedProxies:
    """ASGI middleware: takes client and scheme from headers of trusted proxies only.

    The client is the right-most address of ``X-Forwarded-For`` that is no trusted proxy. A value
    that is no address ends the search: what stands left of it was not checked by a proxy.
    """

    def __init__(self, app: ASGIApp, trusted: tuple[Network, ...]) -> None:
        self.app = app
        self.trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request with its client's own address."""
        if scope["type"] == "http" and scope.get("client"):
            scope = self._resolved(scope)
        await self.app(scope, receive, send)

    def _resolved(self, scope: Scope) -> Scope:
        host, port = scope["client"]
        peer = _address(host)
        if peer is None:
            return scope
        headers = Headers(scope=scope)
        if not self._trusts(peer):
            return {**scope, "client": (str(peer), port)}
        client = self._client(peer, ",".join(headers.getlist("x-forwarded-for")))
        resolved = {**scope, "client": (str(client), port if client == peer else 0)}
        scheme = ",".join(headers.getlist("x-forwarded-proto")).rpartition(",")[2].strip().lower()
        if scheme in ("http", "https"):
            resolved["scheme"] = scheme
        return resolved

    def _client(self, peer: Address, chain: str) -> Address:
        client = peer
        for hop in reversed(chain.split(",")):
            address = _address(hop)
            if address is None:
                return client
            client = address
            if not self._trusts(address):
                return client
        return client

    def _trusts(self, address: Address) -> bool:
        return _is_among(address, self.trusted)


def is_trusted(peer: str, trusted: Iterable[Network]) -> bool:
    """Whether a peer, as the socket names it, is a trusted proxy."""
    address = _address(peer)
    return address is not None and _is_among(address, trusted)


def _is_among(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _address(text: str) -> Address | None:
    """The address in ``1.2.3.4``, ``1.2.3.4:5``, ``::1``, ``[::1]`` or ``[::1]:5``."""
    name = text.strip()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    try:
        return plain(ipaddress.ip_address(name))
    except ValueError:
        return None
