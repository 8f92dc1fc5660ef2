"""Headers of proxies are believed from those that a setting names, and from nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kinlens.errors import ConfigError
from kinlens.http.limits import network_of
from kinlens.http.proxies import TrustedProxies, networks


def seen(peer: str, *lines: tuple[str, str], trusted: tuple[str, ...] = ()) -> Any:
    """The scope that the application gets."""
    got: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        got.append(scope)

    headers = [(name.encode(), value.encode()) for name, value in lines]
    scope = {"type": "http", "scheme": "http", "client": (peer, 5), "headers": headers}
    asyncio.run(TrustedProxies(app, networks(trusted))(scope, None, None))  # type: ignore[arg-type]
    return got[0]


FOR = "x-forwarded-for"


@pytest.mark.parametrize(
    ("peer", "lines", "trusted", "client"),
    [
        ("127.0.0.1", ["9.9.9.9"], (), "127.0.0.1"),
        ("8.8.8.8", ["9.9.9.9"], ("127.0.0.1",), "8.8.8.8"),
        ("127.0.0.1", ["9.9.9.9"], ("127.0.0.1",), "9.9.9.9"),
        ("127.0.0.1", ["6.6.6.6, 9.9.9.9, 10.0.0.3"], ("127.0.0.1", "10.0.0.0/8"), "9.9.9.9"),
        ("127.0.0.1", ["6.6.6.6", "9.9.9.9"], ("127.0.0.1",), "9.9.9.9"),
        ("127.0.0.1", ["6.6.6.6, junk"], ("127.0.0.1",), "127.0.0.1"),
        ("127.0.0.1", ["9.9.9.9:80"], ("127.0.0.1",), "9.9.9.9"),
        ("127.0.0.1", ["[2a00::1]:80"], ("127.0.0.1",), "2a00::1"),
        ("::ffff:127.0.0.1", ["::ffff:9.9.9.9"], ("127.0.0.1",), "9.9.9.9"),
        ("64:ff9b::909:909", [], (), "9.9.9.9"),
    ],
)
def test_the_client(peer: str, lines: list[str], trusted: tuple[str, ...], client: str) -> None:
    scope = seen(peer, *((FOR, line) for line in lines), trusted=trusted)
    assert scope["client"][0] == client


def test_the_scheme_is_the_trusted_proxys() -> None:
    line = ("x-forwarded-proto", "https")
    assert seen("127.0.0.1", line)["scheme"] == "http"
    assert seen("127.0.0.1", line, trusted=("127.0.0.1",))["scheme"] == "https"


def test_an_unreadable_proxy_is_told() -> None:
    with pytest.raises(ConfigError, match="trusted_proxies"):
        networks(("proxy.example",))


def test_an_embedded_ipv4_address_is_the_ipv4_client() -> None:
    assert network_of("::ffff:9.9.9.9") == network_of("64:ff9b::909:909") == "9.9.9.9"
