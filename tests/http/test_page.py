from __future__ import annotations

import gzip
import hashlib
import re
from base64 import b64encode
from pathlib import Path

import httpx
import pytest

from http_door import problem
from kinlens.http.page import FOLDER


def test_the_page_and_its_headers(client: httpx.Client) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    policy = response.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "camera=(self)" in response.headers["permissions-policy"]


def test_the_page_fits_its_policy() -> None:
    html = (FOLDER / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", html), "no inline script"
    assert not re.search(r"\son\w+=", html), "no inline handler"
    assert not re.search(r"<style|\sstyle=", html), "no inline style"


def test_every_file_the_page_names_is_served(client: httpx.Client) -> None:
    names = re.findall(r'(?:href|src)="(assets/[^"]+)"', client.get("/").text)
    assert names
    for name in names:
        assert client.get(f"/{name}").status_code == 200, name


def test_every_file_of_the_page_has_its_type(client: httpx.Client) -> None:
    types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for file in FOLDER.rglob("*"):
        if file.suffix in types:
            response = client.get(f"/assets/{file.relative_to(FOLDER).as_posix()}")
            assert response.headers["content-type"].startswith(types[file.suffix])
            assert response.content == file.read_bytes()


def test_no_look_is_written_in_two_files() -> None:
    written: dict[tuple[str, str], set[str]] = {}
    for sheet in (FOLDER / "style").glob("*.css"):
        text = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
        for selector, look in re.findall(r"([^{}]+)\{([^{}]+)\}", text):
            rule = " ".join(selector.split()), " ".join(look.split())
            written.setdefault(rule, set()).add(sheet.name)
    assert len(written) > 100
    assert {rule: sheets for rule, sheets in written.items() if len(sheets) > 1} == {}


def test_caching_and_compression(client: httpx.Client) -> None:
    plain = client.get("/assets/main.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    packed = client.get("/assets/main.js", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) == len(gzip.compress(plain.content, mtime=0))
    tag = {"If-None-Match": plain.headers["etag"], "Accept-Encoding": "identity"}
    assert client.get("/assets/main.js", headers=tag).status_code == 304
    assert client.head("/assets/main.js").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/assets/nothing.js",
        "/assets/",
        "/assets/style",
        "/assets/../http/app.py",
        "/assets/..%2Fhttp%2Fapp.py",
        "/assets/%2Fetc%2Fpasswd",
        "/assets/x%00.js",
        "/assets/" + "x" * 5000,
        "/favicon.ico",
    ],
)
def test_nothing_else_is_served(client: httpx.Client, path: str) -> None:
    problem(client.get(path), 404, "not-found")


def test_a_link_out_of_the_folder_is_not_followed(
    client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = tmp_path / "web"
    web.mkdir()
    (tmp_path / "outside.js").write_text("secret")
    (web / "inside.js").symlink_to(tmp_path / "outside.js")
    monkeypatch.setattr("kinlens.http.page.FOLDER", web)
    problem(client.get("/assets/inside.js"), 404, "not-found")
    problem(client.get("/"), 404, "not-found")


def test_the_reference(client: httpx.Client) -> None:
    response = client.get("/docs")
    assert response.headers["content-type"].startswith("text/html")
    html = response.text
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in html
    assert "<script" not in html
    style = re.search(r"<style>(.*)</style>", html, re.S)
    assert style
    digest = b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in response.headers["content-security-policy"]


def test_the_type_of_a_problem_leads_to_the_reference(client: httpx.Client) -> None:
    kind = client.get("/v1/items/nobody").json()["type"]
    response = client.get(kind, follow_redirects=True)
    assert response.url.path == "/docs"
    assert response.url.fragment == "not-found"
    assert 'id="not-found"' in response.text
    problem(client.get("/problems/of-mine"), 404, "not-found")
