from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from http_door import COUNT, Doors, item_id, problem
from kinlens.http.answers import AnswerBody, ItemAnswer, ItemsAnswer, OutcomesAnswer
from kinlens.search import Search


@pytest.fixture
def writable(doors: Doors, empty: Search) -> httpx.Client:
    """A client of a server over a catalog of its own."""
    return doors(empty).client


def encode(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def put(client: httpx.Client, name: str, **body: Any) -> httpx.Response:
    return client.put(f"/v1/items/{quote(name, safe='')}", json=body)


def test_add_read_and_delete_by_json(writable: httpx.Client, pictures: list[bytes]) -> None:
    metadata = {"color": "red", "price": 9.5, "tags": ["a", "b"], "sale": True, "none": None}
    items = [
        {"id": "a", "image": encode(pictures[0]), "metadata": metadata},
        {"id": "b/c d", "image": f"data:image/jpeg;base64,{encode(pictures[1])}"},
        {"id": "bad", "image": encode(b"no picture")},
        {"id": "private", "url": "http://127.0.0.1:1/x.jpg"},
    ]
    response = writable.post("/v1/items", json={"items": items})
    answer = OutcomesAnswer.model_validate(response.json())
    assert [result.state for result in answer.results] == ["indexed", "indexed", "failed", "failed"]
    assert [result.id for result in answer.results] == ["a", "b/c d", "bad", "private"]
    assert all(result.reason for result in answer.results[2:])
    assert (answer.indexed, answer.unchanged, answer.failed) == (2, 0, 2)

    found = ItemAnswer.model_validate(writable.get("/v1/items/a").json())
    assert found.metadata == metadata
    assert (found.width, found.height) == (96, 72)
    assert len(found.content_hash) == 64

    again = writable.post("/v1/items", json={"items": items[:1]}).json()
    assert again["unchanged"] == 1

    response = writable.post("/v1/items/delete", json={"ids": ["a", "b/c d", "nobody", "a"]})
    assert response.json() == {"deleted": ["a", "b/c d"]}
    problem(writable.get("/v1/items/a"), 404, "not-found")


def test_add_by_form(writable: httpx.Client, pictures: list[bytes]) -> None:
    items = [
        {"id": "second", "upload": 1, "metadata": {"n": 2}},
        {"id": "first", "upload": 0, "metadata": {"n": 1}},
    ]
    files = [("image", ("a", pictures[0])), ("image", ("b", pictures[1]))]
    response = writable.post("/v1/items", files=files, data={"items": json.dumps(items)})
    assert response.json()["indexed"] == 2
    hits = writable.post("/v1/search", files={"image": ("x", pictures[1])}).json()["hits"]
    assert hits[0]["id"] == "second"


def test_put_creates_replaces_and_changes_metadata(
    writable: httpx.Client, pictures: list[bytes]
) -> None:
    created = put(writable, "x/y", image=encode(pictures[0]), metadata={"n": 1})
    assert created.status_code == 201
    assert created.json()["metadata"] == {"n": 1}
    replaced = put(writable, "x/y", image=encode(pictures[1]))
    assert replaced.status_code == 200
    assert replaced.json()["metadata"] == {}
    assert replaced.json()["content_hash"] != created.json()["content_hash"]
    changed = put(writable, "x/y", metadata={"n": 2})
    assert changed.status_code == 200
    assert changed.json()["metadata"] == {"n": 2}
    assert changed.json()["content_hash"] == replaced.json()["content_hash"]


def test_put_by_form(writable: httpx.Client, pictures: list[bytes]) -> None:
    response = writable.put(
        "/v1/items/x", files={"image": ("x", pictures[0])}, data={"metadata": '{"n": 1}'}
    )
    assert response.status_code == 201
    assert response.json()["metadata"] == {"n": 1}
    response = writable.put("/v1/items/x", files={"image": ("x", pictures[0])})
    assert response.json()["metadata"] == {}


def test_put_that_fails(writable: httpx.Client, pictures: list[bytes]) -> None:
    problem(put(writable, "x", image=encode(b"no picture")), 422, "invalid-input")
    problem(put(writable, "x", metadata={"n": 1}), 422, "invalid-input")
    problem(put(writable, "x", upload=0), 422, "invalid-input")
    problem(put(writable, "x", url="http://a/", image="eA=="), 422, "invalid-input")
    problem(put(writable, "x" * 513, image=encode(pictures[0])), 422, "invalid-input")
    problem(put(writable, "x\0", image=encode(pictures[0])), 422, "invalid-input")
    problem(put(writable, "x", metadata={"n": {"deep": 1}}), 422, "invalid-request")
    problem(put(writable, "x", metadata={"n": [1, 2]}), 422, "invalid-request")
    for metadata in ({"n\ud800": 1}, {"n": "\ud800"}):
        document = json.dumps({"image": encode(pictures[0]), "metadata": metadata})
        sent = writable.put(
            "/v1/items/x", content=document, headers={"Content-Type": "application/json"}
        )
        assert 400 <= sent.status_code < 500
    form = {"image": ("x", pictures[0])}
    broken = writable.put("/v1/items/x", files=form, data={"metadata": "{"})
    problem(broken, 400, "malformed-request")
    listed = writable.put("/v1/items/x", files=form, data={"metadata": "[]"})
    problem(listed, 422, "invalid-request")
    smuggled = writable.put("/v1/items/x", files=form, data={"metadata": '{},"url":"http://a/"'})
    assert smuggled.status_code in (400, 422)
    assert writable.get("/v1/items").json()["total"] == 0


def test_delete_one(writable: httpx.Client, pictures: list[bytes]) -> None:
    put(writable, "x", image=encode(pictures[0]))
    assert writable.delete("/v1/items/x").status_code == 204
    problem(writable.delete("/v1/items/x"), 404, "not-found")


@pytest.mark.parametrize(
    "body",
    [
        {"items": []},
        {"items": [{"id": "x"}] * 257},
        {"items": [{"image": "x"}]},
        {"items": [{"id": ""}]},
        {"items": [{"id": "x", "path": "/etc/passwd"}]},
        {"items": [{"id": "x", "metadata": {"": 1}}]},
        {"items": [{"id": "x", "metadata": {"n": "x" * 20_001}}]},
        {"items": [{"id": "x", "metadata": {str(n): n for n in range(257)}}]},
        {"ids": ["x"]},
        {},
    ],
)
def test_items_that_do_not_fit(client: httpx.Client, body: dict[str, Any]) -> None:
    problem(client.post("/v1/items", json=body), 422, "invalid-request")


def test_forms_of_items_that_do_not_fit(client: httpx.Client, pictures: list[bytes]) -> None:
    files = {"image": ("x", pictures[0])}
    problem(client.post("/v1/items", files=files), 422, "invalid-input")
    data = {"items": '[{"id": "x", "upload": 3}]'}
    problem(client.post("/v1/items", files=files, data=data), 422, "invalid-input")
    problem(client.post("/v1/items", files=files, data={"items": "{}"}), 422, "invalid-request")
    problem(client.post("/v1/items", files=files, data={"items": "["}), 400, "malformed-request")


def test_ids_to_delete_that_do_not_fit(client: httpx.Client) -> None:
    problem(client.post("/v1/items/delete", json={"ids": []}), 422, "invalid-request")
    problem(client.post("/v1/items/delete", json={"ids": ["x\0"]}), 422, "invalid-input")
    problem(client.post("/v1/items/delete", content=b"{}"), 415, "unsupported-content-type")


def test_list_page_by_page(client: httpx.Client) -> None:
    seen: list[str] = []
    after = None
    while True:
        params = {"limit": "5"} | ({"after": after} if after else {})
        page = ItemsAnswer.model_validate(client.get("/v1/items", params=params).json())
        assert page.total == COUNT
        seen += [item.id for item in page.items]
        after = page.next
        if after is None:
            break
    assert seen == [item_id(number) for number in range(COUNT)]


def test_list_with_a_filter(client: httpx.Client) -> None:
    params = {"where": '{"color": "green"}', "limit": "4"}
    page = client.get("/v1/items", params=params).json()
    assert [item["id"] for item in page["items"]] == [item_id(number) for number in (2, 5, 8, 11)]
    assert page["total"] == 4
    assert page["next"] is None


@pytest.mark.parametrize(
    ("params", "status", "slug"),
    [
        ({"limit": "0"}, 422, "invalid-request"),
        ({"limit": "501"}, 422, "invalid-request"),
        ({"limit": "x"}, 422, "invalid-request"),
        ({"where": "{"}, 400, "malformed-request"),
        ({"where": '{"a": NaN}'}, 400, "malformed-request"),
        ({"where": '{"a": 1e999}'}, 422, "invalid-input"),
        ({"where": '{"$no": 1}'}, 422, "invalid-filter"),
        ({"where": "7"}, 422, "invalid-input"),
    ],
)
def test_lists_that_cannot_be(
    client: httpx.Client, params: dict[str, str], status: int, slug: str
) -> None:
    document = problem(client.get("/v1/items", params=params), status, slug)
    if "limit" in params:
        assert document["errors"][0]["parameter"] == "limit"


def test_similar(client: httpx.Client) -> None:
    params = {
        "k": "3",
        "where": '{"sale": true}',
        "metric": "euclidean",
        "facets": "color,price",
    }
    path = f"/v1/items/{quote(item_id(2), safe='')}/similar"
    answer = AnswerBody.model_validate(client.get(path, params=params).json())
    assert len(answer.hits) == 3
    assert item_id(2) not in [hit.id for hit in answer.hits]
    assert all(hit.metadata["sale"] for hit in answer.hits)
    assert answer.metric == "euclidean"
    assert set(answer.facets) == {"color", "price"}
    problem(client.get("/v1/items/nobody/similar"), 404, "not-found")
    problem(client.get(path, params={"k": "0"}), 422, "invalid-request")
    problem(client.get(path, params={"metric": "x"}), 422, "invalid-request")


def test_slashes_may_be_escaped_or_not(client: httpx.Client) -> None:
    plain = client.get("/v1/items/shop/item%2003").json()
    assert client.get("/v1/items/shop%2Fitem%2003").json()["id"] == plain["id"] == item_id(3)
    assert client.get("/v1/items/shop/item%2003/similar").status_code == 200


def test_an_id_that_ends_like_a_route(writable: httpx.Client, pictures: list[bytes]) -> None:
    put(writable, "a/similar", image=encode(pictures[0]))
    put(writable, "delete", image=encode(pictures[1]))
    assert writable.get("/v1/items/a%2Fsimilar").json()["id"] == "a/similar"
    assert len(writable.get("/v1/items/a%2Fsimilar/similar").json()["hits"]) == 1
    assert writable.get("/v1/items/delete").json()["id"] == "delete"
    assert writable.delete("/v1/items/delete").status_code == 204


ITEM_IDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=100
).filter(lambda text: text not in (".", "..") and not set(text.split("/")) & {".", ".."})


def test_any_id_goes_there_and_back(writable: httpx.Client, pictures: list[bytes]) -> None:
    image = encode(pictures[0])

    @settings(max_examples=25, deadline=None)
    @given(name=ITEM_IDS)
    @example(name="a\nb\n")
    @example(name="100% é/ü?x=1#y+z\\")
    @example(name="//")
    def check(name: str) -> None:
        assert put(writable, name, image=image).status_code in (200, 201)
        item = writable.get(f"/v1/items/{quote(name, safe='')}").json()
        assert item["id"] == name
        assert writable.get(item["image_url"]).content == pictures[0]
        assert writable.delete(f"/v1/items/{quote(name, safe='')}").status_code == 204

    check()
