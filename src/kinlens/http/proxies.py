"""Who a request is from: the peer, or what a trusted proxy says of its client."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from kinlens.errors import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def plain(address: Address) -> Address:
    """The IPv4 address that a mapped or NAT64 address holds, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def networks(names: Iterable[str]) -> tuple[Network, ...]:
    """Read addresses and CIDR networks; `ConfigError` for anything else."""
    found = []
    for name in names:
        try:
            found.append(ipaddress.ip_network(name.strip()))
        except ValueError as error:
            raise ConfigError(
                "trusted_proxies needs addresses or networks such as 10.0.0.0/8; "
                f"got {name!r:.80}: {error}."
            ) from None
    return tuple(found)


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
        return any(address in network for network in self.trusted)


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
