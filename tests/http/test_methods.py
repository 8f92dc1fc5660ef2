"""HEAD wherever GET is, OPTIONS, and all methods of a path in Allow."""

from __future__ import annotations

import socket

import httpx
import pytest

from http_door import Doors, item_id, problem
from kinlens.search import Search

ITEM = "GET, HEAD, PUT, DELETE, OPTIONS"
METHODS = [
    ("/v1/items", "GET, HEAD, POST, OPTIONS"),
    ("/v1/items/x", ITEM),
    ("/v1/items/delete", "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    ("/v1/items/x/similar", ITEM),
    ("/v1/search", "POST, OPTIONS"),
    ("/v1/live/shelf/frames", "POST, DELETE, OPTIONS"),
    ("/v1/live/shelf/events", "GET, OPTIONS"),
    ("/v1/live/events", "GET, OPTIONS"),
    ("/v1/images/x", "GET, HEAD, OPTIONS"),
    ("//postURL", "POST, OPTIONS"),
    ("/openapi.json", "GET, HEAD, OPTIONS"),
    ("/docs", "GET, HEAD, OPTIONS"),
    ("/", "GET, HEAD, OPTIONS"),
]


@pytest.mark.parametrize(("path", "methods"), METHODS)
def test_the_methods_of_a_path(client: httpx.Client, path: str, methods: str) -> None:
    url = str(client.base_url).rstrip("/") + path
    asked = httpx.options(url, timeout=60)
    assert asked.status_code == 204
    assert asked.content == b""
    assert asked.headers["allow"] == methods
    refused = httpx.request("PATCH", url, timeout=60)
    assert refused.status_code == 405
    assert refused.headers["allow"] == methods


def test_options_of_nothing_and_of_the_server(client: httpx.Client) -> None:
    problem(client.options("/nothing"), 404, "not-found")
    with socket.create_connection((client.base_url.host, client.base_url.port), 60) as sock:
        sock.sendall(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head = sock.makefile("rb").read().decode().lower()
    assert head.startswith("http/1.1 204")
    assert "allow: get, head, post, put, delete, options" in head


def test_options_need_no_key(doors: Doors, stocked: Search) -> None:
    client = doors(stocked, guarded=True).client
    assert client.options("/v1/items").status_code == 204
    problem(client.head("/v1/items") and client.get("/v1/items"), 401, "unauthenticated")


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/openapi.json", "/healthz", "/readyz", "/v1/items", "/v1/fields", "/v1/live",
     f"/v1/items/{item_id(3)}", "/v1/items/nobody", "/nothing", "/v1/items?limit=0"],
)  # fmt: skip
def test_head_is_get_without_the_body(client: httpx.Client, path: str) -> None:
    read, asked = client.get(path), client.head(path)
    assert asked.status_code == read.status_code
    assert asked.content == b""
    # The id of the request and signatures differ, in the same number of characters.
    for name in ("content-type", "content-length", "etag", "vary", "cache-control"):
        assert asked.headers.get(name) == read.headers.get(name)


def test_head_is_counted_under_its_route(doors: Doors, stocked: Search) -> None:
    client = doors(stocked).client
    client.head("/v1/fields")
    counted = 'kinlens_requests_total{method="HEAD",route="/v1/fields",status="200"} 1.0'
    assert counted in client.get("/metrics").text
