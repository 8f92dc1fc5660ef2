"""Headers of proxies are believed from those that a setting names, and from nobody else."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from http_door import Doors, problem
from kinlens.config import Settings, load_settings
from kinlens.errors import ConfigError
from kinlens.http.limits import network_of
from kinlens.http.proxies import TrustedProxies, is_trusted
from kinlens.networks import parse_networks
from kinlens.search import Search


def seen(peer: str, *lines: tuple[str, str], trusted: tuple[str, ...] = ()) -> Any:
    """The scope that the application gets."""
    got: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        got.append(scope)

    headers = [(name.encode(), value.encode()) for name, value in lines]
    scope = {"type": "http", "scheme": "http", "client": (peer, 5), "headers": headers}
    proxies = TrustedProxies(app, parse_networks(trusted, "trusted_proxies"))
    asyncio.run(proxies(scope, None, None))  # type: ignore[arg-type]
    return got[0]


FOR = "x-forwarded-for"
LOCAL = ("127.0.0.1",)


@pytest.mark.parametrize(
    ("peer", "lines", "trusted", "client"),
    [
        ("127.0.0.1", ["9.9.9.9"], (), "127.0.0.1"),
        ("8.8.8.8", ["9.9.9.9"], LOCAL, "8.8.8.8"),
        ("127.0.0.1", [], LOCAL, "127.0.0.1"),
        ("127.0.0.1", [""], LOCAL, "127.0.0.1"),
        ("127.0.0.1", ["9.9.9.9"], LOCAL, "9.9.9.9"),
        ("127.0.0.1", ["6.6.6.6, 9.9.9.9, 10.0.0.3"], ("127.0.0.1", "10.0.0.0/8"), "9.9.9.9"),
        ("127.0.0.1", ["10.0.0.4, 10.0.0.3"], ("127.0.0.1", "10.0.0.0/8"), "10.0.0.4"),
        ("127.0.0.1", ["6.6.6.6", "9.9.9.9"], LOCAL, "9.9.9.9"),
        ("127.0.0.1", ["6.6.6.6, junk"], LOCAL, "127.0.0.1"),
        ("127.0.0.1", ["6.6.6.6,, 9.9.9.9"], LOCAL, "9.9.9.9"),
        ("127.0.0.1", ["9.9.9.9:80"], LOCAL, "9.9.9.9"),
        ("127.0.0.1", ["[2a00::1]:80"], LOCAL, "2a00::1"),
        ("127.0.0.1", ["2a00::1"], LOCAL, "2a00::1"),
        ("::1", ["9.9.9.9"], ("::1",), "9.9.9.9"),
        ("::ffff:127.0.0.1", ["::ffff:9.9.9.9"], LOCAL, "9.9.9.9"),
        ("127.0.0.1", ["9.9.9.9"], ("::ffff:127.0.0.1",), "9.9.9.9"),
        ("127.0.0.1", ["9.9.9.9"], ("::ffff:127.0.0.0/104",), "9.9.9.9"),
        ("::ffff:127.0.0.1", ["9.9.9.9"], ("64:ff9b::7f00:1",), "9.9.9.9"),
        ("64:ff9b::909:909", [], (), "9.9.9.9"),
        # Anybody can write a proxy's IPv4 address into an address of 6to4.
        ("2002:7f00:1::", ["9.9.9.9"], LOCAL, "2002:7f00:1::"),
    ],
)
def test_the_client(peer: str, lines: list[str], trusted: tuple[str, ...], client: str) -> None:
    scope = seen(peer, *((FOR, line) for line in lines), trusted=trusted)
    assert scope["client"][0] == client


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("http, https", "https"),
        ("ws", "http"),
        ("", "http"),
    ],
)
def test_the_scheme_is_the_trusted_proxys(value: str, scheme: str) -> None:
    line = ("x-forwarded-proto", value)
    assert seen("127.0.0.1", line)["scheme"] == "http"
    assert seen("127.0.0.1", line, trusted=LOCAL)["scheme"] == scheme


def test_no_other_header_of_a_proxy_is_read(
    doors: Doors, stocked: Search, pictures: list[bytes]
) -> None:
    client = doors(stocked, trusted_proxies=LOCAL).client
    others = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Port": "1",
        "Forwarded": "for=9.9.9.9;host=evil.example;proto=http",
        "X-Real-IP": "9.9.9.9",
    }
    body = {"base64img": base64.b64encode(pictures[0]).decode()}
    [url, *_] = client.post("/postImage", json=body, headers=others).json()["images"]
    assert url.startswith(f"https://127.0.0.1:{client.base_url.port}/v1/images/")


def test_each_client_of_a_trusted_proxy_has_its_own_budget(doors: Doors, stocked: Search) -> None:
    def statuses(trusted: tuple[str, ...]) -> list[int]:
        client = doors(stocked, rate_limit=2, trusted_proxies=trusted).client
        clients = [f"9.9.9.{number}" for number in range(4)]
        return [client.get("/v1/stats", headers={FOR: one}).status_code for one in clients]

    assert statuses(()) == [200, 200, 429, 429]
    assert statuses(("192.0.2.0/24",)) == [200, 200, 429, 429]
    assert statuses(("127.0.0.0/8",)) == [200] * 4


def test_a_spoofed_client_doesnt_get_a_new_budget(doors: Doors, stocked: Search) -> None:
    """The proxy appends the address that it sees to what its client claims."""
    client = doors(stocked, rate_limit=1, trusted_proxies=LOCAL).client
    for number, status in enumerate((200, 429)):
        answer = client.get("/v1/stats", headers={FOR: f"1.2.3.{number}, 9.9.9.9"})
        assert answer.status_code == status
    problem(answer, 429, "rate-limited")


def test_a_trusted_proxy_may_hold_many_connections() -> None:
    trusted = Settings(trusted_proxies=("10.0.0.0/8",)).proxy_networks
    assert is_trusted("10.1.2.3", trusted)
    assert is_trusted("::ffff:10.1.2.3", trusted)
    assert not is_trusted("11.1.2.3", trusted)
    assert not is_trusted("", trusted)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("proxy.example", "not host names"),
        ("10.0.0.1/8", "Write 10.0.0.1 for this address, or 10.0.0.0/8 for its network"),
        ("fd00::1/8", "or fd00::/8 for its network"),
        ("::ffff:10.0.0.1/104", "Write"),
        ("10.0.0.0/33", "needs addresses or networks"),
        ("*", "needs addresses or networks"),
        ("10.0.0", "needs addresses or networks"),
        ("10.0.0.1:80", "needs addresses or networks"),
        ("fe80::1%eth0", "needs addresses or networks"),
    ],
)
def test_a_proxy_that_isnt_an_address_is_told_at_the_start(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match="trusted_proxies") as told:
        load_settings(environ={"KINLENS_TRUSTED_PROXIES": f"10.1.1.1, {name}"})
    assert words in str(told.value)


def test_networks_are_read_from_the_environment() -> None:
    settings = load_settings(environ={"KINLENS_TRUSTED_PROXIES": " 10.0.0.0/8, ::1,192.0.2.7"})
    assert [str(network) for network in settings.proxy_networks] == [
        "10.0.0.0/8", "::1/128", "192.0.2.7/32",
    ]  # fmt: skip


def test_an_embedded_ipv4_address_is_the_ipv4_client() -> None:
    assert network_of("::ffff:9.9.9.9") == network_of("64:ff9b::909:909") == "9.9.9.9"
