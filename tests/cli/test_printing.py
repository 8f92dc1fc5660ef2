"""What the command line tells a newcomer who mistypes, asks for nothing, or has nothing yet."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

import kinlens
from kinlens.cli import app, common, serve
from kinlens.errors import FetchError
from kinlens.sample import build_sample


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    run("index", str(build_sample(folder, 6)), "--data", str(folder / "data"))
    return folder / "data"


def search(catalog: Path, *arguments: str) -> str:
    return run("search", "--id", "mug-0002", "--data", str(catalog), *arguments)


def test_version() -> None:
    assert run("--version") == f"kinlens {kinlens.__version__}\n"


def test_a_misspelled_field_is_named(catalog: Path) -> None:
    printed = search(catalog, "-w", "colour=red", "-w", '{"$or": [{"$not": {"prize": 1}}]}', "-k1")
    assert "No item has the field colour, prize, which counts as null." in printed
    assert "category, color" in printed
    assert "mug-0002" not in printed
    assert "No item has the field colour" in search(catalog, "-w", "colour!=red", "-k1")
    listing = run("items", "list", "-w", "colour=red", "--data", str(catalog))
    assert "No item has the field colour" in listing
    assert "no item has it" in search(catalog, "--facet", "colour")


def test_a_filter_that_leaves_nothing(catalog: Path) -> None:
    assert "the filter leaves no other items" in search(catalog, "-w", "category=nothing")


def test_empty_columns_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    columns = {"id": "left", "title": "left"}
    common.table(columns, [("a", ""), ("b", "")])
    assert "title" not in capsys.readouterr().out
    common.table(columns, [("a", ""), ("b", "mug")])
    assert "title" in capsys.readouterr().out


def test_an_empty_source_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    printed = run("index", str(tmp_path / "photos"), "--data", str(tmp_path / "data"))
    assert "There are no pictures in" in printed
    assert "a second" not in printed


def test_other_schemes_are_urls(catalog: Path) -> None:
    arguments = ["search", "ftp://shop.example/mug.jpg", "--data", str(catalog)]
    assert isinstance(CliRunner().invoke(app, arguments).exception, FetchError)


def test_the_last_key_leaves_the_api_closed(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    for name in ("one", "two"):
        run("keys", "create", name, *data)
    assert "stays closed" not in run("keys", "revoke", "one", *data)
    assert "stays closed" in run("keys", "revoke", "two", *data)


def test_a_device_key_has_no_say_in_who_may_use_the_api(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    run("keys", "create", "shelf", "--device", "shelf-1", *data)
    assert "closed" not in run("keys", "revoke", "shelf", *data)


def test_a_demo_goes_on_after_an_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "_run", lambda *_, **__: None)
    photos = build_sample(tmp_path / "photos", 6).parent / "images"
    where = ("--data", str(tmp_path / "demo"), "--port", "0")
    demo = ("demo", "--pictures", str(photos), *where)
    run(*demo)
    (catalog,) = (tmp_path / "demo").glob("catalog-images-*")
    with closing(sqlite3.connect(catalog / "catalog.sqlite")) as database, database:
        database.execute("UPDATE spaces SET fingerprint = 'of an earlier version'")
    refused = (
        CliRunner()
        .invoke(app, ["search", str(photos / "mug-0002.jpg"), "--data", str(catalog)])
        .exception
    )
    assert "vectors of another version of kinlens-mini" in str(refused)
    assert "Open it with" not in str(refused)
    printed = run(*demo)
    assert "encoder has changed" in printed
    assert "6 unchanged" in printed
