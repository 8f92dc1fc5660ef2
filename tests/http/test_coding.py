"""Accept-Encoding and If-None-Match as RFC 9110 reads them."""

from __future__ import annotations

import gzip

import httpx
import pytest

from http_door import item_id, problem
from kinlens.http.coding import is_current, qualities

PATHS = ("/", "/assets/main.js", "/assets/icon.svg")


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        (None, ""),
        ("", ""),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("br, gzip;q=0.5", "gzip"),
        ("deflate, gzip; q=0.001", "gzip"),
        ("*", "gzip"),
        ("br;q=1, *;q=0.5", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("gzip;q=1.000", "gzip"),
        ("br", ""),
        ("gzip;q=0", ""),
        ("gzip;q=0.000", ""),
        ("gzip;Q=0", ""),
        ("gzip ; q=0", ""),
        ("gzip;q=0, *", ""),
        ("gzip;q=0, *;q=1", ""),
        ("gzip;q=0.2, identity;q=0.8", ""),
        ("*;q=0, identity", ""),
        ("gzip;q=2", ""),
        ("gzip;q=x", ""),
        ("notgzip", ""),
        ("gzipped, x", ""),
    ],
)
def test_the_coding_of_a_script(client: httpx.Client, header: str | None, coding: str) -> None:
    request = client.build_request("GET", "/assets/main.js")
    del request.headers["accept-encoding"]
    if header is not None:
        request.headers["accept-encoding"] = header
    response = client.send(request)
    assert response.status_code == 200
    assert response.headers.get("content-encoding", "") == coding
    assert "Accept-Encoding" in response.headers["vary"]
    assert response.text.startswith(("/*", "import", "//"))


@pytest.mark.parametrize("header", ["*;q=0", "identity;q=0", "gzip;q=0, identity;q=0", "br, *;q=0"])
def test_nothing_that_is_acceptable(client: httpx.Client, header: str) -> None:
    response = client.get("/assets/main.js", headers={"Accept-Encoding": header})
    problem(response, 406, "not-acceptable")
    assert response.headers["vary"] == "Accept-Encoding"


def test_several_lines_are_one_list() -> None:
    assert qualities(["br", "gzip;q=0.5"])[0] == 0.5
    assert qualities(["gzip", "gzip;q=0"])[0] == 0.0


@pytest.mark.parametrize("path", PATHS)
def test_each_coding_has_a_tag_of_its_own(client: httpx.Client, path: str) -> None:
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    packed = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert plain.headers["etag"] != packed.headers["etag"]
    assert plain.content == packed.content
    assert int(packed.headers["content-length"]) == len(gzip.compress(plain.content, mtime=0))
    for response in (plain, packed):
        coding, tag = response.request.headers["accept-encoding"], response.headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            headers = {"Accept-Encoding": coding, "If-None-Match": known}
            again = client.get(path, headers=headers)
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
            assert again.headers["vary"] == "Accept-Encoding"
            assert client.head(path, headers=headers).status_code == 304
        for other in ('"other"', tag.strip('"'), f'"x{tag[1:]}'):
            headers = {"Accept-Encoding": coding, "If-None-Match": other}
            assert client.get(path, headers=headers).status_code == 200


def test_tags_of_pictures(client: httpx.Client) -> None:
    url = client.get(f"/v1/items/{item_id(3)}").json()["image_url"]
    tag = client.get(url).headers["etag"]
    for known in (f"W/{tag}", f'"a,b", {tag}', "*"):
        response = client.get(url, headers={"If-None-Match": known})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == tag
        assert "max-age=" in response.headers["cache-control"]
    assert client.get(url, headers={"If-None-Match": f'"x{tag[1:]}'}).status_code == 200


def test_a_tag_within_another_is_not_it() -> None:
    assert not is_current(['"abc"'], '"ab"')
    assert not is_current([], '"ab"')
    assert is_current(['"x"', 'W/"ab"'], '"ab"')
