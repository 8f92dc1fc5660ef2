"""Item ids in paths: each goes there and back, or is refused clearly."""

from __future__ import annotations

import base64
import shutil
import subprocess
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest

from http_door import Doors, item_id, problem
from kinlens.search import Search
from kinlens.types import NewItem

IDS = [
    "a/../b", "../b", "b/..", "a/./b", "./b", "b/.", "/a", "a/", "/", "//", "a//b", "...", "..a",
    "a?b=c&d", "a#b", " a b ", "a\\b", "..\\b", "a%2Fb", "%2e", "%2E%2E", "a;b", "a+b", "http://x/y",
    "a\nb", "a\r\nb", "a\x01\x7f", "similar", "a/similar", "delete", "é", "雪/../\u202e",
]  # fmt: skip


@pytest.fixture
def picture(pictures: list[bytes]) -> str:
    return base64.b64encode(pictures[0]).decode()


def path_of(name: str) -> str:
    return f"/v1/items/{quote(name, safe='')}"


@pytest.mark.parametrize("name", IDS)
def test_any_other_id_goes_there_and_back(
    name: str, doors: Doors, empty: Search, pictures: list[bytes], picture: str
) -> None:
    client = doors(empty).client
    assert client.put(path_of(name), json={"image": picture}).status_code == 201
    item = client.get(path_of(name)).json()
    assert item["id"] == name
    for url in (item["image_url"], item["thumbnail_url"]):
        assert client.get(url).status_code == 200
    assert client.get(item["image_url"]).content == pictures[0]
    [listed] = client.get("/v1/items").json()["items"]
    assert listed["id"] == name
    assert client.get(f"{path_of(name)}/similar").json()["hits"] == []
    assert client.get("/v1/items", params={"after": name}).json()["items"] == []
    assert client.delete(path_of(name)).status_code == 204
    assert client.get("/v1/items").json()["total"] == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("name", ["a/../b", "a/./b", "/a", "a/", "a//b", "a\\b"])
def test_an_id_sent_as_it_is(doors: Doors, empty: Search, pictures: list[bytes], name: str) -> None:
    empty.add([NewItem(name, image=pictures[0])])
    url = f"{doors(empty).server.url}/v1/items/{name}"
    command = ["curl", "-sS", "--path-as-is", url]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert '"width":96' in told.stdout


@pytest.mark.parametrize("name", ["%2e", "%2e%2e", "%2E%2e", "%00", "", "x" * 513])
def test_an_id_that_no_item_can_have(doors: Doors, empty: Search, picture: str, name: str) -> None:
    url = f"{doors(empty).server.url}/v1/items/{name}"
    answer = httpx.put(url, json={"image": picture}, timeout=60)
    assert "id" in problem(answer, 422, "invalid-input")["detail"]
    assert empty.count() == 0


@pytest.mark.parametrize("name", ["a%FF", "a%FE", "%ED%A0%80", "%C3"])
def test_a_path_that_is_no_utf8_is_refused(
    doors: Doors, empty: Search, picture: str, name: str
) -> None:
    client = doors(empty).client
    for method in ("PUT", "GET", "DELETE"):
        answer = client.request(method, f"/v1/items/{name}", json={"image": picture})
        problem(answer, 400, "bad-request")
    assert client.put("/v1/items/a%C3%A9", json={"image": picture}).status_code == 201
    assert client.get("/v1/items").json()["total"] == 1


def test_one_bad_id_of_a_batch_fails_alone(doors: Doors, empty: Search, picture: str) -> None:
    def item(name: str, image: str = picture) -> dict[str, Any]:
        return {"id": name, "image": image}

    client = doors(empty).client
    names = [".", "a", "..", "b\0", "c", "broken"]
    items = [item(name) for name in names[:-1]] + [item("broken", "eA==")]
    answer = client.post("/v1/items", json={"items": items})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["id"] for result in results] == names
    assert [result["state"] for result in results] == [
        "failed", "indexed", "failed", "failed", "indexed", "failed",
    ]  # fmt: skip
    assert "use another" in results[0]["reason"]
    assert "NUL" in results[3]["reason"]
    assert {entry.id for entry in empty.ledger(state="failed")} == {".", "..", "broken"}
    alone = client.post("/v1/items", json={"items": [item("\0")]})
    assert (alone.status_code, alone.json()["failed"]) == (200, 1)


@pytest.mark.parametrize("name", [".", ".."])
def test_an_item_from_before_can_be_changed_and_deleted(
    name: str, doors: Doors, stocked: Search, picture: str
) -> None:
    known = stocked.get([item_id(1)])[item_id(1)]
    vector = np.ones((1, stocked.stats().dim), np.float32) / np.sqrt(stocked.stats().dim)
    stocked.parts.catalog.upsert([replace(known, id=name)], vector.astype(np.float32))
    client = doors(stocked).client
    changed = {"items": [{"id": name, "metadata": {"color": "white"}}]}
    assert client.post("/v1/items", json=changed).json()["indexed"] == 1
    assert stocked.get([name])[name].metadata == {"color": "white"}
    assert client.post("/v1/items/delete", json={"ids": [name]}).json() == {"deleted": [name]}
    assert client.post("/v1/items", json=changed).json()["failed"] == 1


@pytest.mark.parametrize("name", [".", ".."])
def test_from_python_a_dot_is_refused_as_an_id(
    name: str, empty: Search, pictures: list[bytes]
) -> None:
    refused, added = empty.add([NewItem(name, image=pictures[0]), NewItem("a", image=pictures[1])])
    assert (refused.state, added.state) == ("failed", "indexed")
    assert "use another" in refused.reason
