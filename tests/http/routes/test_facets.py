from __future__ import annotations

import httpx

from http_door import COUNT, DIM, problem
from kinlens.http.answers import FacetsAnswer, FieldsAnswer, StatsAnswer


def test_facets(client: httpx.Client) -> None:
    body = {"fields": ["color", "sale", "nothing"], "where": {"price": {"$lt": 10}}}
    answer = FacetsAnswer.model_validate(client.post("/v1/facets", json=body).json())
    assert answer.total == 4
    assert {entry.value: entry.count for entry in answer.facets["color"]} == {
        "red": 2,
        "blue": 1,
        "green": 1,
    }
    assert answer.facets["color"][0].value == "red"
    assert answer.facets["nothing"] == []
    assert client.post("/v1/facets", json={"fields": ["color"]}).json()["total"] == COUNT


def test_facets_that_do_not_fit(client: httpx.Client) -> None:
    problem(client.post("/v1/facets", json={"fields": []}), 422, "invalid-request")
    problem(client.post("/v1/facets", json={"fields": ["a"] * 33}), 422, "invalid-request")
    bad = {"fields": ["color"], "where": {"$and": 1}}
    problem(client.post("/v1/facets", json=bad), 422, "invalid-filter")
    problem(client.post("/v1/facets", data={"fields": "a"}), 415, "unsupported-content-type")


def test_fields(client: httpx.Client) -> None:
    answer = FieldsAnswer.model_validate(client.get("/v1/fields").json())
    fields = {field.name: field for field in answer.fields}
    assert list(fields) == ["color", "price", "sale"]
    assert fields["color"].kind == "string"
    assert fields["color"].distinct == 3
    assert (fields["price"].minimum, fields["price"].maximum) == (0, 27.5)
    assert fields["sale"].kind == "boolean"


def test_stats(client: httpx.Client) -> None:
    answer = StatsAnswer.model_validate(client.get("/v1/stats").json())
    assert answer.items == COUNT
    assert answer.encoder.dim == DIM
    assert answer.encoder.name == "tiny"
    assert answer.database_bytes > 0
