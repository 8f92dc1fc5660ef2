from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from http_door import COUNT, DIM, item_id, problem
from kinlens.http.answers import AnswerBody
from kinlens.types import DEFAULT_K


def post(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post("/v1/search", json=body)


def ids(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [hit["id"] for hit in AnswerBody.model_validate(response.json()).model_dump()["hits"]]


def encode(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def test_a_picture_finds_itself_first(client: httpx.Client, pictures: list[bytes]) -> None:
    response = post(client, examples=[{"image": encode(pictures[3])}], k=5)
    answer = response.json()
    assert ids(response)[0] == item_id(3)
    assert len(answer["hits"]) == 5
    first = answer["hits"][0]
    assert first["score"] == pytest.approx(1, abs=1e-3)
    assert first["distance"] == pytest.approx(0, abs=1e-3)
    assert first["metadata"] == {"color": "red", "price": 7.5, "sale": False}
    assert (first["width"], first["height"]) == (96, 72)
    assert answer["total"] == COUNT
    assert answer["exact"] is True
    assert answer["encoder"]["dim"] == DIM
    assert set(answer["took_ms"]) == {"decode", "encode", "search", "total"}


def test_a_data_url_is_a_picture(client: httpx.Client, pictures: list[bytes]) -> None:
    url = f"data:image/jpeg;base64,{encode(pictures[4])}"
    assert ids(post(client, examples=[{"image": url}], k=1)) == [item_id(4)]


def test_an_item_is_an_example_and_no_hit(client: httpx.Client) -> None:
    found = ids(post(client, examples=[{"id": item_id(2)}], k=COUNT))
    assert len(found) == COUNT - 1
    assert item_id(2) not in found


def test_a_vector_is_an_example(client: httpx.Client) -> None:
    assert len(ids(post(client, examples=[{"vector": [1] * DIM}], k=3))) == 3


def test_weights_and_crops_are_taken(client: httpx.Client, pictures: list[bytes]) -> None:
    examples = [
        {"image": encode(pictures[1]), "crop": {"x": 0, "y": 0, "width": 1, "height": 1}},
        {"id": item_id(2), "weight": -0.2},
    ]
    assert ids(post(client, examples=examples, k=1)) == [item_id(1)]


def test_a_filter_comes_before_ranking(client: httpx.Client, pictures: list[bytes]) -> None:
    where = {"color": "blue", "price": {"$gte": 10}}
    response = post(
        client, examples=[{"image": encode(pictures[0])}], k=10, where=where, facets=["sale"]
    )
    answer = response.json()
    assert {hit["metadata"]["color"] for hit in answer["hits"]} == {"blue"}
    assert answer["total"] == len(answer["hits"]) == 3
    assert sorted(answer["facets"]["sale"], key=str) == [
        {"value": False, "count": 1},
        {"value": True, "count": 2},
    ]


def test_euclidean_sets_the_distance(client: httpx.Client, pictures: list[bytes]) -> None:
    answer = post(client, examples=[{"image": encode(pictures[0])}], k=3, metric="euclidean").json()
    assert answer["metric"] == "euclidean"
    for hit in answer["hits"]:
        assert hit["distance"] ** 2 == pytest.approx(2 - 2 * hit["score"], abs=1e-3)


def test_server_timing_tells_the_stages(client: httpx.Client) -> None:
    timing = post(client, examples=[{"id": item_id(0)}]).headers["server-timing"]
    stages = dict(part.split(";dur=") for part in timing.split(", "))
    assert list(stages) == ["decode", "encode", "search", "total", "server"]
    assert float(stages["server"]) >= float(stages["total"]) >= float(stages["search"])


def test_a_form_with_a_picture(client: httpx.Client, pictures: list[bytes]) -> None:
    response = client.post(
        "/v1/search",
        files={"image": ("x.jpg", pictures[5])},
        data={
            "k": "2",
            "where": '{"price": {"$gt": 1}}',
            "metric": "euclidean",
            "facets": "color, sale",
            "crop": "0,0,1,1",
        },
    )
    assert ids(response)[0] == item_id(5)
    assert len(response.json()["hits"]) == 2
    assert response.json()["metric"] == "euclidean"
    assert set(response.json()["facets"]) == {"color", "sale"}


def test_a_form_with_a_query(client: httpx.Client, pictures: list[bytes]) -> None:
    files = [("image", ("a", pictures[5])), ("image", ("b", pictures[6]))]
    query = {"examples": [{"upload": 1}, {"upload": 0, "weight": -0.1}], "k": 1}
    as_text = client.post("/v1/search", files=files, data={"query": json.dumps(query)})
    assert ids(as_text) == [item_id(6)]
    as_blob = [*files, ("query", ("blob", json.dumps(query), "application/json"))]
    assert ids(client.post("/v1/search", files=as_blob)) == [item_id(6)]


def test_several_pictures_are_examples_of_weight_one(
    client: httpx.Client, pictures: list[bytes]
) -> None:
    files = [("image", ("a", pictures[5])), ("image", ("b", pictures[6]))]
    response = client.post("/v1/search", files=files, data={"k": "2"})
    assert set(ids(response)) == {item_id(5), item_id(6)}


def test_a_large_picture_comes_whole(
    client: httpx.Client, make_picture: Callable[..., bytes]
) -> None:
    picture = make_picture(1500, 1200, format="PNG", compress_level=0)
    assert len(picture) > 2_000_000
    response = client.post("/v1/search", files={"image": ("x.png", picture)}, data={"k": "1"})
    assert len(ids(response)) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"examples": [{"id": "x"}], "k": 0}, "/k"),
        ({"examples": [{"id": "x"}], "k": 1001}, "/k"),
        ({"examples": [{"id": "x"}], "k": "5"}, "/k"),
        ({"examples": [{"id": "x"}], "k": True}, "/k"),
        ({"examples": [{"id": "x"}], "metric": "manhattan"}, "/metric"),
        ({"examples": [{"id": "x", "weight": 1e9}]}, "/examples/0/weight"),
        ({"examples": [{"id": ""}]}, "/examples/0/id"),
        ({"examples": [{"path": "/etc/passwd"}]}, "/examples/0/path"),
        ({"examples": [{"id": "x"}] * 17}, "/examples"),
        ({"examples": [{"id": "x"}], "typo": 1}, "/typo"),
        ({"examples": [{"id": "x"}], "where": {"a": {"$gt": 2**70}}}, "/where"),
        ({"examples": [{"id": "x"}], "where": {"a": {"$in": [1] * 3000}}}, "/where"),
        ({"examples": [{"id": "x"}], "facets": ["a"] * 33}, "/facets"),
    ],
)
def test_what_does_not_fit_is_pointed_at(
    client: httpx.Client, body: dict[str, Any], pointer: str
) -> None:
    document = problem(client.post("/v1/search", json=body), 422, "invalid-request")
    assert pointer in [part["pointer"] for part in document["errors"]]


@pytest.mark.parametrize(
    "body",
    [
        {"examples": []},
        {},
        {"examples": [{}]},
        {"examples": [{"id": "x", "url": "http://x/"}]},
        {"examples": [{"id": "x", "weight": -1}]},
        {"examples": [{"id": "x", "weight": 0}]},
        {"examples": [{"upload": 0}]},
        {"examples": [{"vector": [1, 2, 3]}]},
        {"examples": [{"vector": [0] * DIM}]},
        {"examples": [{"vector": [1e308] * DIM}]},
        {"examples": [{"vector": [1] * DIM, "crop": {"x": 0, "y": 0, "width": 1, "height": 1}}]},
        {"examples": [{"id": "x", "crop": {"x": 0.9, "y": 0, "width": 0.5, "height": 1}}]},
        {"examples": [{"vector": [1] * DIM}, {"vector": [-1] * DIM}]},
        {"examples": [{"image": "not base64 at all!"}]},
    ],
)
def test_values_that_cannot_be_used(client: httpx.Client, body: dict[str, Any]) -> None:
    problem(client.post("/v1/search", json=body), 422, "invalid-input")


def test_an_unknown_operator_is_an_invalid_filter(client: httpx.Client) -> None:
    response = post(client, examples=[{"id": item_id(0)}], where={"a": {"$near": 1}})
    assert "$near" in problem(response, 422, "invalid-filter")["detail"]


def test_a_filter_nested_too_deep(client: httpx.Client) -> None:
    where: dict[str, Any] = {"a": 1}
    for _ in range(40):
        where = {"$not": where}
    problem(post(client, examples=[{"id": "x"}], where=where), 422, "invalid-request")


def test_an_item_that_is_not_there(client: httpx.Client) -> None:
    problem(post(client, examples=[{"id": "nobody"}]), 404, "not-found")


@pytest.mark.parametrize(
    ("picture", "slug"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported-picture"),
        (b"hello, I am a text", "unsupported-picture"),
        (b"", "broken-picture"),
    ],
)
def test_what_is_no_picture(client: httpx.Client, picture: bytes, slug: str) -> None:
    problem(client.post("/v1/search", files={"image": ("x.jpg", picture)}), 422, slug)


def test_a_truncated_picture(client: httpx.Client, pictures: list[bytes]) -> None:
    half = pictures[0][: len(pictures[0]) // 2]
    problem(client.post("/v1/search", files={"image": ("x.jpg", half)}), 422, "broken-picture")


def test_urls_do_not_reach_this_machine(client: httpx.Client) -> None:
    for url in (str(client.base_url), "http://169.254.169.254/latest/", "http://[::1]/x"):
        problem(post(client, examples=[{"url": url}]), 422, "forbidden-address")
    problem(post(client, examples=[{"url": "file:///etc/passwd"}]), 422, "fetch-failed")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1,", b'{"k": NaN', b"\xff\xfe", b'{"x": "\\ud800"}', b"[" * 10_000]
)
def test_malformed_json(client: httpx.Client, content: bytes) -> None:
    response = client.post(
        "/v1/search", content=content, headers={"Content-Type": "application/json"}
    )
    problem(response, 400, "malformed-request")


def test_json_that_is_no_object(client: httpx.Client) -> None:
    problem(client.post("/v1/search", json=[1, 2]), 422, "invalid-request")


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "", "image/jpeg"])
def test_other_content_types(client: httpx.Client, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    problem(
        client.post("/v1/search", content=b"{}", headers=headers), 415, "unsupported-content-type"
    )


def test_other_charsets(client: httpx.Client) -> None:
    for charset in ("latin-1", "unicode_escape", '"utf-16"'):
        for kind in ("application/json", "multipart/form-data; boundary=x"):
            headers = {"Content-Type": f"{kind}; charset={charset}"}
            response = client.post("/v1/search", content=b"{}", headers=headers)
            problem(response, 415, "unsupported-content-type")
    headers = {"Content-Type": "Application/JSON; Charset=UTF-8"}
    content = b'{"examples": [{"vector": [1]}]}'
    response = client.post("/v1/search", content=content, headers=headers)
    problem(response, 422, "invalid-input")


@pytest.mark.parametrize(
    ("data", "status", "slug"),
    [
        ({"k": "many"}, 422, "invalid-request"),
        ({"k": "0"}, 422, "invalid-request"),
        ({"where": "{"}, 400, "malformed-request"),
        ({"where": "[]"}, 422, "invalid-input"),
        ({"where": '{"a": {"$no": 1}}'}, 422, "invalid-filter"),
        ({"crop": "1,2,3"}, 422, "invalid-input"),
        ({"crop": "0,0,nan,1"}, 422, "invalid-request"),
        ({"crop": "0,0,0,1"}, 422, "invalid-request"),
        ({"metric": "x"}, 422, "invalid-request"),
        ({"query": "{"}, 400, "malformed-request"),
        ({"query": '{"examples": [{"upload": 5}]}'}, 422, "invalid-input"),
        ({"query": '{"examples": [{"id": "x"}]}'}, 422, "invalid-input"),
        ({"query": "{}", "k": "3"}, 422, "invalid-input"),
        ({"other": "1"}, 422, "invalid-input"),
        ({"facets": ",".join(map(str, range(40)))}, 422, "invalid-input"),
    ],
)
def test_forms_that_do_not_fit(
    client: httpx.Client, pictures: list[bytes], data: dict[str, str], status: int, slug: str
) -> None:
    files = {"image": ("x.jpg", pictures[0])}
    problem(client.post("/v1/search", files=files, data=data), status, slug)


def test_a_form_without_a_picture(client: httpx.Client) -> None:
    problem(client.post("/v1/search", files={"k": (None, "3")}), 422, "invalid-input")


def test_an_image_that_is_no_file(client: httpx.Client) -> None:
    problem(client.post("/v1/search", files={"image": (None, "x")}), 422, "invalid-input")


def test_too_many_pictures(client: httpx.Client, pictures: list[bytes]) -> None:
    files = [("image", ("x", pictures[0]))] * 17
    problem(client.post("/v1/search", files=files), 422, "invalid-input")


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"junk", "multipart/form-data; boundary=x"),
        (b"junk", "multipart/form-data"),
        (
            b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--",
            "multipart/form-data; boundary=x",
        ),
    ],
)
def test_malformed_forms(client: httpx.Client, content: bytes, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    response = client.post("/v1/search", content=content, headers=headers)
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


def test_other_methods(client: httpx.Client) -> None:
    response = client.get("/v1/search")
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize(
    "body",
    [
        b"{" + b",".join(b'"a%d":0' % number for number in range(310_000)) + b"}",
        b'{"where":{"a":{"$in":[' + b"0," * 310_000 + b"0]}}}",
    ],
)
def test_a_body_of_very_many_values_is_refused_before_it_is_read(
    client: httpx.Client, body: bytes
) -> None:
    json_body = client.post(
        "/v1/search", content=body, headers={"Content-Type": "application/json"}
    )
    problem(json_body, 413, "body-too-large")
    part = client.post("/v1/search", files={"query": (None, body)})
    problem(part, 413, "body-too-large")


def test_a_field_that_no_item_has_is_warned_of(client: httpx.Client) -> None:
    where = {"colour": "red"}
    one = client.get("/v1/items", params={"limit": 1}).json()["items"][0]["id"]
    params = {"where": json.dumps(where)}
    body = {"examples": [{"id": one}], "where": where}
    for answer in (
        client.post("/v1/search", json=body),
        client.get(f"/v1/items/{one}/similar", params=params),
        client.get("/v1/items", params=params),
        client.post("/v1/facets", json={"fields": ["color"], "where": where}),
    ):
        (warning,) = answer.json()["warnings"]
        assert warning.startswith("No item has the field colour, which counts as null. The fields ")
    known = client.post("/v1/search", json={**body, "where": {"color": "red"}})
    assert known.json()["warnings"] == []


def test_as_many_hits_as_at_the_other_doors(client: httpx.Client, pictures: list[bytes]) -> None:
    assert COUNT > DEFAULT_K
    for response in (
        client.post("/v1/search", json={"examples": [{"vector": [1.0] * DIM}]}),
        client.post("/v1/search", files={"image": pictures[0]}),
        client.get(f"/v1/items/{item_id(0)}/similar"),
    ):
        assert len(response.json()["hits"]) == DEFAULT_K
