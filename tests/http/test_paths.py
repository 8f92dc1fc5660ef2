"""Paths and ids that clients may not be able to name."""

from __future__ import annotations

import base64

import httpx
import pytest

from http_door import Doors
from kinlens.errors import InvalidInput
from kinlens.search import Search
from kinlens.types import NewItem


def test_a_path_that_is_no_utf8_is_refused(
    doors: Doors, empty: Search, pictures: list[bytes]
) -> None:
    client: httpx.Client = doors(empty).client
    image = base64.b64encode(pictures[0]).decode()
    for name in ("a%FF", "a%FE"):
        assert client.put(f"/v1/items/{name}", json={"image": image}).status_code == 400
    assert client.put("/v1/items/a%C3%A9", json={"image": image}).status_code == 201
    assert client.get("/v1/items").json()["total"] == 1


@pytest.mark.parametrize("name", [".", ".."])
def test_a_dot_is_no_new_id(name: str, doors: Doors, empty: Search, pictures: list[bytes]) -> None:
    with pytest.raises(InvalidInput, match="another id"):
        NewItem(name)
    image = base64.b64encode(pictures[0]).decode()
    client = doors(empty).client
    answer = client.post("/v1/items", json={"items": [{"id": name, "image": image}]})
    assert answer.status_code == 422
    assert client.post("/v1/items/delete", json={"ids": [name]}).status_code == 200


def test_the_samples_double_slash(doors: Doors, empty: Search, pictures: list[bytes]) -> None:
    image = base64.b64encode(pictures[0]).decode()
    url = f"{doors(empty).client.base_url}".rstrip("/")
    answer = doors(empty).client.post(f"{url}//postImage", json={"base64img": image})
    assert answer.status_code == 200
    assert answer.json() == {"images": []}
