from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from PIL import Image

from http_door import Doors, item_id, problem
from kinlens.http.signing import UrlSigner, load_secret
from kinlens.search import Search
from kinlens.types import NewItem


@pytest.fixture(scope="module")
def urls(client: httpx.Client) -> tuple[str, str]:
    """The picture's and the thumbnail's."""
    item = client.get(f"/v1/items/{item_id(7)}").json()
    return item["image_url"], item["thumbnail_url"]


def test_the_picture_comes_as_it_was_sent(
    client: httpx.Client, urls: tuple[str, str], pictures: list[bytes]
) -> None:
    response = client.get(urls[0])
    assert response.content == pictures[7]
    headers = response.headers
    assert headers["content-type"] == "image/jpeg"
    assert headers["content-disposition"] == "inline"
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    kind, age = headers["cache-control"].split(", max-age=")
    assert kind == "private"
    assert 0 < int(age) <= 300


def test_the_thumbnail_is_small(
    doors: Doors, empty: Search, make_picture: Callable[..., bytes]
) -> None:
    empty.add([NewItem("large", image=make_picture(900, 600, format="TIFF"))])
    client = doors(empty).client
    item = client.get("/v1/items/large").json()
    assert client.get(item["image_url"]).headers["content-type"] == "image/tiff"
    response = client.get(item["thumbnail_url"])
    assert response.headers["content-type"] in ("image/jpeg", "image/webp")
    with Image.open(io.BytesIO(response.content)) as thumbnail:
        assert max(thumbnail.size) <= 320


def test_a_browser_that_has_it_gets_304(client: httpx.Client, urls: tuple[str, str]) -> None:
    for url in urls:
        tag = client.get(url).headers["etag"]
        response = client.get(url, headers={"If-None-Match": tag})
        assert response.status_code == 304
        assert response.content == b""
        assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


def test_head(client: httpx.Client, urls: tuple[str, str], pictures: list[bytes]) -> None:
    response = client.head(urls[0])
    assert response.status_code == 200
    assert response.headers["content-length"] == str(len(pictures[7]))
    assert response.content == b""


def test_forged_and_missing_signatures(client: httpx.Client, urls: tuple[str, str]) -> None:
    path, _, query = urls[0].partition("?")
    expires, signature = (part.partition("=")[2] for part in query.split("&"))
    forged = [
        f"expires={expires}&signature={signature[:-2]}xx",
        f"expires={int(expires) + 1}&signature={signature}",
        f"expires={expires}&signature=",
        f"expires={expires}&signature=%C3%A9",
    ]
    for attempt in forged:
        problem(client.get(f"{path}?{attempt}"), 403, "permission-denied")
    other = path.replace("07", "08")
    problem(client.get(f"{other}?{query}"), 403, "permission-denied")
    for attempt in ("", f"expires={expires}", "expires=soon&signature=x", "expires=-1&signature=x"):
        problem(client.get(f"{path}?{attempt}"), 422, "invalid-request")


def test_urls_expire(client: httpx.Client, search: Search) -> None:
    signer = UrlSigner(load_secret(search.data), 300)
    now = time.time()
    for url in signer.urls(item_id(7), now):
        assert client.get(url).status_code == 200
    for url in signer.urls(item_id(7), now - 300):
        assert "expired" in problem(client.get(url), 403, "permission-denied")["detail"]


def test_a_deleted_item_has_no_picture(doors: Doors, stocked: Search) -> None:
    client = doors(stocked).client
    item = client.get(f"/v1/items/{item_id(1)}").json()
    client.delete(f"/v1/items/{item_id(1)}")
    problem(client.get(item["image_url"]), 404, "not-found")
    problem(client.get(item["thumbnail_url"]), 404, "not-found")


def test_a_file_that_has_gone_is_told_without_its_path(
    doors: Doors, empty: Search, pictures: list[bytes], tmp_path: Path
) -> None:
    file = tmp_path / "secret-folder" / "a.jpg"
    file.parent.mkdir()
    file.write_bytes(pictures[0])
    empty.add([NewItem("gone", path=file)])
    client = doors(empty).client
    item = client.get("/v1/items/gone").json()
    assert client.get(item["image_url"]).content == pictures[0]
    file.unlink()
    crop = {"x": 0, "y": 0, "width": 0.5, "height": 0.5}
    search = {"examples": [{"id": "gone", "crop": crop}]}
    for response in (client.get(item["image_url"]), client.post("/v1/search", json=search)):
        document = problem(response, 404, "picture-gone")
        assert "secret-folder" not in response.text
        assert "index it again" in document["detail"]
