from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from http_door import Doors, problem
from kinlens.search import Search


def encode(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


@pytest.mark.parametrize("k", [3, "3", 6])
def test_a_picture_in_base64(client: httpx.Client, pictures: list[bytes], k: Any) -> None:
    response = client.post("/postImage", json={"base64img": encode(pictures[2]), "k": k})
    assert response.status_code == 200, response.text
    [*urls] = response.json()["images"]
    assert set(response.json()) == {"images"}
    assert len(urls) == int(k)
    assert all(url.startswith(f"{client.base_url}/v1/images/") for url in urls)
    assert httpx.get(urls[0], timeout=60).content == pictures[2]


def test_a_data_url_and_no_k(client: httpx.Client, pictures: list[bytes]) -> None:
    body = {"base64img": f"data:image/jpeg;base64,{encode(pictures[2])}"}
    assert len(client.post("/postImage", json=body).json()["images"]) == 3


def test_a_url(doors: Doors, stocked: Search, pictures: list[bytes]) -> None:
    client = doors(stocked).client
    forbidden = {"url": f"{client.base_url}/assets/icon.svg", "k": 3}
    problem(client.post("/postURL", json=forbidden), 422, "forbidden-address")
    problem(client.post("/postURL", json={"url": "nonsense", "k": 3}), 422, "fetch-failed")


def test_urls_under_the_public_name(doors: Doors, stocked: Search, pictures: list[bytes]) -> None:
    client = doors(stocked, public_url="https://shop.example/visual").client
    response = client.post("/postImage", json={"base64img": encode(pictures[2])})
    assert response.json()["images"][0].startswith("https://shop.example/visual/v1/images/")


def test_the_front_end_on_its_own_origin(
    doors: Doors, stocked: Search, pictures: list[bytes]
) -> None:
    origin = "https://bucket.s3.example"
    client = doors(stocked, cors_origins=(origin,)).client
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    preflight = client.options("/postImage", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == origin
    assert "content-type" in preflight.headers["access-control-allow-headers"].lower()
    headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    body = {"base64img": encode(pictures[2]), "k": 3}
    response = client.post("/postImage", json=body, headers=headers)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize(
    "body", [{}, {"base64img": ""}, {"base64img": "eA==", "k": "many"}, {"base64img": "x", "k": 0}]
)
def test_what_does_not_fit(client: httpx.Client, body: dict[str, Any]) -> None:
    problem(client.post("/postImage", json=body), 422, "invalid-request")
