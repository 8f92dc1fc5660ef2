from __future__ import annotations

import httpx
import pytest
from starlette.datastructures import Headers

from http_door import Doors, bearer, problem
from kinlens.config import Settings
from kinlens.errors import PermissionDenied
from kinlens.http.hosts import Hosts, is_loopback
from kinlens.search import Search

OWN = ["localhost", "localhost:7700", "127.0.0.1:80", "127.9.9.9", "[::1]:7700", "x.localhost"]
FOREIGN = ["evil.example", "evil.example:7700", "10.0.0.5", "127.0.0.1.evil.example", "", "["]


@pytest.mark.parametrize("host", OWN)
def test_names_of_a_loopback_server(host: str) -> None:
    Hosts(Settings()).check_host(host)


@pytest.mark.parametrize("host", FOREIGN)
def test_foreign_names(host: str) -> None:
    with pytest.raises(PermissionDenied, match="public_url"):
        Hosts(Settings()).check_host(host)


def test_the_public_name_is_known() -> None:
    hosts = Hosts(Settings(public_url="https://Shop.example/visual"))
    hosts.check_host("shop.example")
    with pytest.raises(PermissionDenied):
        hosts.check_host("other.example")


def test_an_open_server_on_all_addresses_knows_addresses_but_not_names() -> None:
    hosts = Hosts(Settings(host="0.0.0.0"))  # noqa: S104
    hosts.check_host("192.168.1.7:7700")
    hosts.check_host("localhost")
    with pytest.raises(PermissionDenied):
        hosts.check_host("rebound.example:7700")


@pytest.mark.parametrize(
    ("headers", "reads", "writes"),
    [
        ({}, True, True),
        ({"sec-fetch-site": "same-origin", "origin": "https://proxied.example"}, True, True),
        ({"sec-fetch-site": "none"}, True, True),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, False, False),
        ({"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:9999"}, False, False),
        ({"origin": "http://127.0.0.1:7700"}, True, True),
        ({"origin": "http://127.0.0.1:9999"}, False, False),
        ({"origin": "null"}, False, False),
        ({"origin": "https://listed.example", "sec-fetch-site": "cross-site"}, True, True),
    ],
)
def test_pages_of_other_sites(headers: dict[str, str], reads: bool, writes: bool) -> None:
    hosts = Hosts(Settings(cors_origins=("https://listed.example",)))
    for allowed, changing in ((reads, False), (writes, True)):
        given = Headers({"host": "127.0.0.1:7700", **headers})
        if allowed:
            hosts.check_origin(given, writes=changing)
        else:
            with pytest.raises(PermissionDenied, match="cors_origins"):
                hosts.check_origin(given, writes=changing)


def test_a_star_lets_any_page_read_but_not_write() -> None:
    hosts = Hosts(Settings(cors_origins=("*",)))
    headers = Headers({"origin": "https://any.example", "sec-fetch-site": "cross-site"})
    hosts.check_origin(headers, writes=False)
    with pytest.raises(PermissionDenied):
        hosts.check_origin(headers, writes=True)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("192.168.0.1", False),
        ("no-such-host.invalid", False),
        ("x" * 300, False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_rebound_name_gets_nothing(client: httpx.Client) -> None:
    for path in ("/", "/v1/items", "/v1/stats", "/openapi.json", "/nothing"):
        problem(client.get(path, headers={"Host": "evil.example"}), 403, "host-refused")
    for path in ("/healthz", "/readyz"):
        assert client.get(path, headers={"Host": "10.1.2.3"}).status_code == 200


def test_a_foreign_page_cannot_make_a_browser_search_or_write(client: httpx.Client) -> None:
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    requests = [
        ("POST", "/v1/search"),
        ("POST", "/v1/items"),
        ("PUT", "/v1/items/x"),
        ("DELETE", "/v1/items/x"),
        ("POST", "/v1/items/delete"),
        ("POST", "/postURL"),
    ]
    for method, path in requests:
        problem(client.request(method, path, headers=headers, json={}), 403, "permission-denied")


def test_with_keys_the_key_decides(doors: Doors, stocked: Search) -> None:
    door = doors(stocked, guarded=True)
    headers = {"Host": "shop.example", "Origin": "https://evil.example"}
    assert door.client.get("/v1/stats", headers=headers).status_code == 401
    headers |= bearer(door.read)
    assert door.client.get("/v1/stats", headers=headers).status_code == 200
