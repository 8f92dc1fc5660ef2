from __future__ import annotations

import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from http_door import COUNT, Doors, problem
from kinlens.http.routes import health
from kinlens.search import Search


def ready(client: httpx.Client) -> httpx.Response:
    """The answer once the first search has been made."""
    for _ in range(1200):
        response = client.get("/readyz")
        if response.status_code == 200:
            break
        time.sleep(0.05)
    return response


def test_alive(client: httpx.Client) -> None:
    assert client.get("/healthz").text == "ok\n"


def test_monitors_ask_without_wanting_the_body(client: httpx.Client) -> None:
    ready(client)
    for path in ("/healthz", "/readyz"):
        response = client.head(path)
        assert (response.status_code, response.content) == (200, b"")


def test_ready(client: httpx.Client) -> None:
    answer = ready(client).json()
    assert answer == {"ready": True, "checks": {"catalog": "ok", "encoder": "ok", "disk": "ok"}}


def test_a_full_disk_is_told_but_searches_go_on(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "LITTLE_SPACE", 2**62)
    answer = ready(client).json()
    assert answer["ready"] is True
    assert answer["checks"]["disk"] == "full"


def test_a_closed_catalog_is_not_ready(doors: Doors, stocked: Search) -> None:
    client = doors(stocked).client
    assert ready(client).status_code == 200
    stocked.close()
    response = client.get("/readyz")
    problem(response, 503, "not-ready")
    assert response.headers["retry-after"] == "1"
    assert client.get("/healthz").status_code == 200


def test_metrics(doors: Doors, stocked: Search, pictures: list[bytes]) -> None:
    client = doors(stocked).client
    ready(client)
    client.post("/v1/search", files={"image": ("x", pictures[0])})
    client.get("/v1/items/secret-name")
    client.request("PROPFIND", "/coffee")
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    assert "secret-name" not in response.text
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }
    assert samples["kinlens_items",] == COUNT
    assert samples["kinlens_matrix_bytes",] > 0
    assert samples["kinlens_in_flight",] >= 1
    assert samples["kinlens_requests_total", "/v1/search", "200", "POST"] == 1
    assert samples["kinlens_requests_total", "/v1/items/{id:item}", "404", "GET"] == 1
    assert samples["kinlens_request_seconds_count", "/v1/search"] == 1
    for stage in ("decode", "encode", "search"):
        assert samples["kinlens_search_seconds_count", stage] == 1
    assert any(labels[1:] == ("404", "none", "other") for labels in samples)


def test_ready_says_that_no_query_pays_for_loading(doors: Doors, stocked: Search) -> None:
    assert ready(doors(stocked).client).status_code == 200
    with stocked.parts.catalog._matrix.current() as (_, head, contents):
        assert contents.shows(head, vectors=True, columns=True)
    session = stocked.parts.encoder._session
    assert session.runtime != "openvino" or session._streams is not None
