from __future__ import annotations

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from http_door import Doors, item_id
from kinlens.search import Search

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def test_search_and_items_are_described_for_both_kinds_of_body(document: dict[str, Any]) -> None:
    for path, method in (("/v1/search", "post"), ("/v1/items", "post"), ("/v1/items/{id}", "put")):
        content = document["paths"][path][method]["requestBody"]["content"]
        assert set(content) == {"application/json", "multipart/form-data"}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                assert node["$ref"].rpartition("/")[2] in document["components"]["schemas"]
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(document)


def test_every_route_tells_what_it_is_and_its_problems(document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"]


def test_the_examples_of_a_search_work(document: dict[str, Any], client: httpx.Client) -> None:
    example = document["components"]["schemas"]["SearchBody"]["examples"][0]
    example["examples"] = [{"id": item_id(1)}]
    assert client.post("/v1/search", json=example).status_code == 200


def test_no_request_makes_the_server_fail(doors: Doors, stocked: Search) -> None:
    url = doors(stocked).server.url
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    for found in schema.get_all_operations():
        if found.ok().path.endswith("/events"):
            continue  # an answer without an end
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            fuzz(found.ok(), mode)
    assert stocked.count() >= 0


def fuzz(operation: Any, mode: GenerationMode) -> None:
    """Send requests that fit an operation's description, or that don't."""

    @settings(
        max_examples=12,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        case.call_and_validate(checks=CHECKS, timeout=60)

    try:
        send()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "nothing about such an operation can be wrong"
