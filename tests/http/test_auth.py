from __future__ import annotations

from contextlib import closing

import httpx
import pytest

from http_door import Door, Doors, bearer, item_id, problem
from kinlens.keys import KeyStore
from kinlens.search import Search

READ = [
    ("POST", "/v1/search", 400),
    ("GET", "/v1/items", 200),
    ("GET", "/v1/items/x", 404),
    ("GET", "/v1/items/x/similar", 404),
    ("POST", "/v1/facets", 400),
    ("GET", "/v1/fields", 200),
    ("GET", "/v1/stats", 200),
    ("GET", "/metrics", 200),
    ("POST", "/postURL", 400),
    ("POST", "/postImage", 400),
]
WRITE = [
    ("POST", "/v1/items", 400),
    ("PUT", "/v1/items/x", 400),
    ("DELETE", "/v1/items/x", 404),
    ("POST", "/v1/items/delete", 400),
]
OPEN = ["/", "/healthz", "/readyz", "/docs", "/openapi.json"]


@pytest.fixture(scope="module")
def door(file_doors: Doors, search: Search) -> Door:
    return file_doors(search, guarded=True)


def ask(client: httpx.Client, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    content_type = {"Content-Type": "application/json"} if method in ("POST", "PUT") else {}
    return client.request(method, path, headers={**headers, **content_type})


@pytest.mark.parametrize(("method", "path", "status"), READ + WRITE)
def test_without_a_key(door: Door, method: str, path: str, status: int) -> None:
    response = ask(door.client, method, path, {})
    problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header", ["Bearer kl_wrong", "Bearer", "Basic a2xfeDp5", "kl_x", "Bearer é".encode()]
)
def test_with_a_key_that_is_none(door: Door, header: str | bytes) -> None:
    response = door.client.get("/v1/stats", headers={"Authorization": header})  # type: ignore[dict-item]
    problem(response, 401, "unauthenticated")


@pytest.mark.parametrize(("method", "path", "status"), READ)
def test_a_reader_may_read(door: Door, method: str, path: str, status: int) -> None:
    assert ask(door.client, method, path, bearer(door.read)).status_code == status


@pytest.mark.parametrize(("method", "path", "status"), WRITE)
def test_a_reader_may_not_write(door: Door, method: str, path: str, status: int) -> None:
    document = problem(ask(door.client, method, path, bearer(door.read)), 403, "permission-denied")
    assert "'write'" in document["detail"]


@pytest.mark.parametrize(("method", "path", "status"), WRITE)
def test_a_writer_may_write(door: Door, method: str, path: str, status: int) -> None:
    assert ask(door.client, method, path, bearer(door.write)).status_code == status


@pytest.mark.parametrize("path", OPEN)
def test_what_needs_no_key(door: Door, path: str) -> None:
    assert door.client.get(path).status_code == 200


def test_a_signed_url_needs_no_key(door: Door) -> None:
    item = door.client.get(f"/v1/items/{item_id(1)}", headers=bearer(door.read)).json()
    assert door.client.get(item["image_url"]).status_code == 200
    assert door.client.get(item["thumbnail_url"]).status_code == 200


def test_the_first_key_shuts_a_running_server_and_the_last_revocation_keeps_it_shut(
    doors: Doors, stocked: Search
) -> None:
    client = doors(stocked).client
    assert client.get("/v1/stats").status_code == 200
    with closing(KeyStore(stocked.data)) as shell:
        token = shell.create("late")
        assert client.get("/v1/stats").status_code == 401
        assert client.get("/v1/stats", headers=bearer(token)).status_code == 200
        shell.revoke("late")
    assert client.get("/v1/stats", headers=bearer(token)).status_code == 401
    assert client.get("/v1/stats").status_code == 401
