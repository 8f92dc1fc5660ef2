from __future__ import annotations

import httpx
import pytest

from http_door import Doors, bearer, item_id, problem
from kinlens.search import Search

PATHS = ["/v1/stats", "/nothing", "/healthz", "/v1/images/x?expires=1&signature=x", "/metrics"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_guarded(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "server" not in headers
    assert headers["x-request-id"]


def test_a_request_has_a_name(client: httpx.Client) -> None:
    names = {client.get("/healthz").headers["x-request-id"] for _ in range(3)}
    assert len(names) == 3
    given = client.get("/healthz", headers={"X-Request-Id": "trace-1.2_3"})
    assert given.headers["x-request-id"] == "trace-1.2_3"
    for bad in ("x" * 65, "a b", "<script>", ""):
        answer = client.get("/healthz", headers={"X-Request-Id": bad})
        assert answer.headers["x-request-id"] != bad


def test_cors_is_off_unless_set(client: httpx.Client) -> None:
    headers = {"Origin": "https://shop.example"}
    assert "access-control-allow-origin" not in client.get("/v1/stats", headers=headers).headers
    asked = headers | {"Access-Control-Request-Method": "POST"}
    response = client.options("/v1/search", headers=asked)
    assert response.status_code == 204
    assert "access-control-allow-origin" not in response.headers


def test_cors_for_the_origins_that_are_set(doors: Doors, stocked: Search) -> None:
    door = doors(stocked, guarded=True, cors_origins=("https://shop.example",))
    mine = {"Origin": "https://shop.example"}
    asked = {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type",
        "Access-Control-Request-Private-Network": "true",
    }
    preflight = door.client.options("/v1/items/x", headers=mine | asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
    assert preflight.headers["access-control-allow-private-network"] == "true"
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in preflight.headers

    refused = door.client.get("/v1/stats", headers=mine)
    problem(refused, 401, "unauthenticated")
    assert refused.headers["access-control-allow-origin"] == "https://shop.example"
    answered = door.client.get("/v1/stats", headers=mine | bearer(door.read))
    assert answered.headers["access-control-allow-origin"] == "https://shop.example"
    assert "Server-Timing" in answered.headers["access-control-expose-headers"]

    other = {"Origin": "https://other.example"}
    assert door.client.options("/v1/items/x", headers=other | asked).status_code == 400
    answer = door.client.get("/v1/stats", headers=other | bearer(door.read))
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (("GET", "/v1/items/x", {"Host": "evil.example"}), 403),
        (("GET", "/v1/items/x", {"Host": "a b"}), 400),
        (("GET", "/v1/items/%FF", {}), 400),
        (("PATCH", "/v1/items", {}), 405),
        (("GET", "/nothing", {}), 404),
        (("GET", "/v1/items?x=1", {}), 422),
        (("PUT", "/v1/items/x", {}), 413),
        (("POST", "/v1/search", {"Content-Type": "text/plain"}), 415),
        (("GET", "/assets/main.js", {"Accept-Encoding": "*;q=0"}), 406),
        (("GET", "/v1/fields", {}), 500),
        (("HEAD", "/v1/fields", {}), 500),
    ],
)
def test_errors_can_be_read_by_pages_that_are_allowed(
    doors: Doors,
    stocked: Search,
    monkeypatch: pytest.MonkeyPatch,
    request_: tuple[str, str, dict[str, str]],
    status: int,
) -> None:
    def crash() -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(stocked, "fields", crash)
    door = doors(stocked, cors_origins=("https://shop.example",), max_body=1000)
    method, path, headers = request_
    origin = {"Origin": "https://shop.example", "Content-Type": "application/json"}
    body = bytes(2000) if status == 413 else None
    response = door.client.request(method, path, headers=origin | headers, content=body)
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "https://shop.example"
    assert "X-Request-Id" in response.headers["access-control-expose-headers"]
    assert "Origin" in response.headers["vary"]
    assert response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"


def test_what_depends_on_the_origin_says_so(doors: Doors, stocked: Search) -> None:
    client = doors(stocked, cors_origins=("https://shop.example",)).client
    url = client.get(f"/v1/items/{item_id(1)}").json()["image_url"]
    for headers in ({}, {"Origin": "https://shop.example"}, {"Origin": "https://x.example"}):
        assert client.get(url, headers=headers).headers["vary"] == "Origin"
        page = client.get("/", headers=headers)
        assert page.headers["vary"] == "Accept-Encoding, Origin"
    anyone = doors(stocked, cors_origins=("*",)).client
    for headers in ({}, {"Origin": "https://x.example"}):
        assert anyone.get(url, headers=headers).headers["vary"] == "Origin"
