"""Query parameters and form fields that are unknown, or given twice."""

from __future__ import annotations

import httpx
import pytest

from http_door import item_id, problem

GET = [
    ("/v1/items", "limit, after, where"),
    (f"/v1/items/{item_id(1)}", "none"),
    (f"/v1/items/{item_id(1)}/similar", "k, where, metric, facets"),
    ("/v1/fields", "none"),
    ("/v1/stats", "none"),
    ("/v1/live", "none"),
    ("/v1/live/events", "none"),
    ("/v1/live/shelf/latest", "none"),
    ("/v1/live/shelf/history", "limit"),
    ("/v1/live/shelf/picture", "sequence"),
    ("/healthz", "none"),
    ("/readyz", "none"),
    ("/metrics", "none"),
]


@pytest.mark.parametrize(("path", "known"), GET)
def test_an_unknown_parameter_is_named(client: httpx.Client, path: str, known: str) -> None:
    document = problem(client.get(f"{path}?wehre=x"), 422, "invalid-request")
    assert document["errors"][0]["parameter"] == "wehre"
    assert document["detail"].endswith(f"known are: {known}.")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/search"),
        ("POST", "/v1/facets"),
        ("POST", "/v1/items"),
        ("POST", "/v1/items/delete"),
        ("PUT", "/v1/items/x"),
        ("DELETE", "/v1/items/x"),
        ("POST", "/v1/preview"),
        ("POST", "/v1/live/shelf/frames"),
        ("DELETE", "/v1/live/shelf/frames"),
        ("POST", "/postURL"),
        ("POST", "/postImage"),
        ("POST", "/matches"),
    ],
)
def test_writes_and_searches_take_none(client: httpx.Client, method: str, path: str) -> None:
    document = problem(client.request(method, f"{path}?k=3"), 422, "invalid-request")
    assert document["errors"][0]["parameter"] == "k"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ('/v1/items?where={"sale":true}&where={"color":"red"}', "where"),
        ("/v1/items?limit=3&limit=3", "limit"),
        (f"/v1/items/{item_id(1)}/similar?k=1&facets=a&facets=b", "facets"),
        ("/v1/live/shelf/history?limit=1&limit=2", "limit"),
    ],
)
def test_a_parameter_given_twice(client: httpx.Client, path: str, name: str) -> None:
    document = problem(client.get(path), 422, "invalid-request")
    assert document["errors"] == [{"parameter": name, "detail": "is given 2 times; give it once"}]


def test_signed_urls_take_their_own_parameters_only(client: httpx.Client) -> None:
    item = client.get(f"/v1/items/{item_id(2)}").json()
    for url in (item["image_url"], item["thumbnail_url"]):
        assert client.get(url).status_code == 200
        problem(client.get(f"{url}&width=90"), 422, "invalid-request")
        problem(client.get(f"{url}&{url.partition('?')[2]}"), 422, "invalid-request")
    assert client.get(f"{item['image_url']}&rendition=browser").status_code == 200
    problem(client.get(f"{item['thumbnail_url']}&rendition=browser"), 422, "invalid-request")


def test_pages_keep_what_others_add_to_their_links(client: httpx.Client) -> None:
    for path in ("/", "/live", "/docs", "/assets/main.js"):
        assert client.get(f"{path}?utm_source=mail&utm_source=x").status_code == 200


def test_form_fields_come_once(client: httpx.Client, pictures: list[bytes]) -> None:
    image = ("image", ("a.jpg", pictures[0]))
    for name in ("where", "k", "query"):
        twice = [image, (name, (None, "{}")), (name, (None, "{}"))]
        answer = client.post("/v1/search", files=twice)
        assert f"'{name}' twice" in problem(answer, 422, "invalid-input")["detail"]
    unknown = client.post("/v1/search", files=[image, ("wehre", (None, "{}"))])
    assert "'wehre'" in problem(unknown, 422, "invalid-input")["detail"]
