"""A server whose data folder is removed, replaced or locked while it runs."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from http_door import Doors
from kinlens.search import Search

PNG = {"content-type": "application/json"}


def test_a_removed_folder_is_told_and_takes_no_write(
    empty: Search, doors: Doors, pictures: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    client = doors(empty).client
    upload = {"image": ("a.png", pictures[0], "image/png")}
    assert client.put("/v1/items/a", files=upload).status_code == 201
    assert client.get("/readyz").status_code == 200
    away = empty.data.with_name("away")
    empty.data.rename(away)

    for answer in (
        client.put("/v1/items/b", files={"image": ("b.png", pictures[1], "image/png")}),
        client.get("/v1/items"),
        client.get("/v1/items/a/similar"),
        client.delete("/v1/items/a"),
    ):
        assert answer.status_code == 503, answer.text
        assert answer.json()["type"] == "/problems/catalog-unavailable"
        assert "gone" in answer.json()["detail"] or "removed" in answer.json()["detail"]
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "removed" in ready.json()["detail"]
    assert str(empty.data) not in ready.text
    assert not empty.data.exists()

    away.rename(empty.data)
    assert client.get("/readyz").status_code == 200
    assert [item["id"] for item in client.get("/v1/items").json()["items"]] == ["a"]


def test_a_restored_folder_is_served(
    empty: Search, doors: Doors, pictures: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    client = doors(empty).client
    client.put("/v1/items/a", files={"image": ("a.png", pictures[0], "image/png")})
    with empty.parts.catalog._database.write() as connection:  # type: ignore[attr-defined]
        connection.execute("SELECT 1")
    copy = empty.data.with_name("copy")
    shutil.copytree(empty.data, copy)
    client.put("/v1/items/b", files={"image": ("b.png", pictures[1], "image/png")})
    with caplog.at_level(logging.WARNING, "kinlens.catalog"):
        shutil.rmtree(empty.data)
        copy.rename(empty.data)
        assert client.get("/v1/items").json()["total"] == 1
    assert "was replaced while it was in use" in caplog.text
    link = client.get("/v1/items/a").json()["thumbnail_url"]
    assert client.get(link).status_code == 200
    assert (
        client.put("/v1/items/c", files={"image": ("c.png", pictures[1], "image/png")}).status_code
        == 201
    )
    assert client.get("/v1/items").json()["total"] == 2
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("replaced", [False, True])
def test_lost_keys_never_open_a_server(empty: Search, doors: Doors, replaced: bool) -> None:
    door = doors(empty, guarded=True)
    client = door.client
    key = {"authorization": f"Bearer {door.read}"}
    assert client.get("/v1/items", headers=key).status_code == 200
    file = empty.data / "keys.sqlite"
    kept = empty.data.with_name("keys")
    file.rename(kept)
    if replaced:
        file.touch()

    for headers in ({}, key):
        answer = client.get("/v1/items", headers=headers)
        assert answer.status_code == 503
        assert "keys were" in answer.json()["detail"]
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "keys were" in ready.json()["detail"]

    kept.replace(file)
    assert client.get("/v1/items", headers=key).status_code == 200
    assert client.get("/v1/items").status_code == 401


def test_integers_keep_their_digits(empty: Search, doors: Doors, pictures: list[bytes]) -> None:
    client = doors(empty).client
    client.put("/v1/items/a", files={"image": ("a.png", pictures[0], "image/png")})
    for digits in ("9007199254740993", "9223372036854775807", "-9223372036854775808"):
        body = f'{{"metadata": {{"n": {digits}}}}}'
        answer = client.put("/v1/items/a", content=body, headers=PNG)
        assert f'"n":{digits}' in answer.text
        assert f'"minimum":{digits},"maximum":{digits}' in client.get("/v1/fields").text
        facets = '{"fields": ["n"], "where": {"n": %s}}' % digits  # noqa: UP031
        answer = client.post("/v1/facets", content=facets, headers=PNG)
        assert f'"value":{digits},"count":1' in answer.text
    for digits in ("9223372036854775808", "-9223372036854775809", "1" + "0" * 30):
        for where, body in (
            ("/v1/items/a", f'{{"metadata": {{"n": {digits}}}}}'),
            ("/v1/facets", f'{{"fields": ["n"], "where": {{"n": {digits}}}}}'),
        ):
            send = client.put if where.endswith("a") else client.post
            answer = send(where, content=body, headers=PNG)
            assert answer.status_code == 422
            assert "2**63" in answer.text


_CHILD = """
import os, sys
from kinlens.images.limits import Limits
from kinlens.store import PictureStore, COPY
from kinlens.catalog.sqlite import SqliteCatalog
from pathlib import Path
folder = Path(sys.argv[1])
os.setuid(65534)  # after the imports, which this user may not be allowed
store = PictureStore(folder / "pictures", Limits())
for call in (
    lambda: store.read(COPY + "a" * 64),
    lambda: store.read(f"path:{folder}/x.jpg"),
    lambda: store.put(b"x"),
    lambda: list(store.copies()),
    lambda: SqliteCatalog.identity_of(folder),
    lambda: SqliteCatalog.open(folder),
):
    try:
        call()
    except Exception as error:
        print(type(error).__name__, error)
    else:
        print("no error")
"""


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="becomes another user")
def test_a_folder_that_may_not_be_read() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "locked"
        folder.mkdir(mode=0o700)
        Path(name).chmod(0o755)
        command = [sys.executable, "-c", _CHILD, str(folder)]
        found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    kinds = [line.split()[0] for line in found.splitlines()]
    assert kinds == [
        "PictureUnreadable", "PictureUnreadable", "CatalogUnavailable", "CatalogUnavailable",
        "CatalogUnavailable", "CatalogUnavailable",
    ], found  # fmt: skip
    assert all("ermission" in line for line in found.splitlines())
