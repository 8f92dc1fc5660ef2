"""`kinlens neighbors`, as a person runs it."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kinlens.cli import app
from kinlens.cli.neighbors import parse_size
from kinlens.errors import InvalidInput
from kinlens.sample import build_sample

parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    table = build_sample(folder / "shop", 48)
    run("index", str(table), "--data", str(folder / "data"))
    return folder / "data"


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from kinlens.cli import main; main()", *arguments]


def columns(path: Path) -> dict[str, list[Any]]:
    return dict(parquet.read_table(path).to_pydict())


def test_every_item_has_its_neighbors(catalog: Path, tmp_path: Path):
    output = tmp_path / "similar.parquet"
    common = ("neighbors", "--data", str(catalog), "-o", str(output), "-k", "3")
    printed = run(*common)
    assert "144 neighbors of 48 items" in printed
    assert "All computed anew: the first time." in printed
    table = columns(output)
    assert list(table) == ["id", "neighbor", "rank", "distance"]
    assert table["rank"] == [1, 2, 3] * 48
    hits = json.loads(run("search", "--id", table["id"][0], "-d", str(catalog), "-k3", "--json"))
    assert [hit["id"] for hit in hits["hits"]] == table["neighbor"][:3]
    assert "Nothing has changed" in run(*common)
    printed = run(*common, "--metric", "euclidean")
    assert "All computed anew: metric was cosine." in printed


def test_filters_groups_and_near_duplicates(catalog: Path, tmp_path: Path):
    output = tmp_path / "similar.parquet"
    options = ("--same", "category", "-w", "in_stock=true", "--for-where", "price<50")
    more = ("--min-distance", "0.001", "--memory", "50MB", "--json")
    report = json.loads(run("neighbors", "-d", str(catalog), "-o", str(output), *options, *more))
    assert 0 < report["lists"] < 48
    items = json.loads(run("items", "list", "-d", str(catalog), "--json"))["items"]
    about = {item["id"]: item["metadata"] for item in items}
    table = columns(output)
    assert len(table["id"]) == report["neighbors"] > 0
    for item, neighbor, distance in zip(
        table["id"], table["neighbor"], table["distance"], strict=True
    ):
        assert about[item]["category"] == about[neighbor]["category"]
        assert about[item]["price"] < 50
        assert about[neighbor]["in_stock"] is True
        assert distance >= 0.001


def test_a_field_that_no_item_has_is_warned_of(catalog: Path, tmp_path: Path):
    common = ("neighbors", "-d", str(catalog), "-o", str(tmp_path / "similar.parquet"))
    for filters in (("-w", "colour=red"), ("--for-where", "colour!=red")):
        for _ in range(2):  # also where nothing has changed
            assert "No item has the field colour, which counts as null" in run(*common, *filters)
    (warning,) = json.loads(run(*common, "-w", "colour=red", "--json"))["warnings"]
    assert "The fields are category, color," in warning
    assert json.loads(run(*common, "-w", "color=red", "--json"))["warnings"] == []


def test_ctrl_c_is_said_to_go_on(catalog: Path, tmp_path: Path):
    output = tmp_path / "similar.parquet"
    program = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from kinlens.neighbors import streaming
streaming.KEEP_EVERY = 0.0
keep, count = streaming.BestInFiles.keep, iter(range(9))
def interrupted(best):
    keep(best)
    if next(count) == 3:
        os.kill(os.getpid(), signal.SIGINT)
streaming.BestInFiles.keep = interrupted
from kinlens.cli import main
main()
"""
    options = ("neighbors", "-d", str(catalog), "-o", str(output), "--memory", "1")
    ended = subprocess.run(
        [sys.executable, "-c", program, *options], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (
        130,
        "Interrupted. The same command goes on from there.\n",
    )
    assert not output.exists()
    report = json.loads(run(*options, "--json"))
    assert report["resumed"]
    assert len(columns(output)["id"]) == 48 * 20


def test_mistakes_are_one_line(catalog: Path, tmp_path: Path):
    def refused(*arguments: str) -> str:
        ended = subprocess.run(
            command("neighbors", "-d", str(catalog), *arguments),
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert ended.returncode in (1, 2)
        assert ended.stderr.count("\n") == 1
        return ended.stderr

    assert "no item has this field" in refused("--same", "colour")
    assert "500MB or 4GB; got 'much'" in refused("--memory", "much")
    assert not (tmp_path / "similar.parquet").exists()


def test_a_person_sees_a_bar(catalog: Path, tmp_path: Path):
    controller, terminal = pty.openpty()
    started = subprocess.Popen(
        command("neighbors", "-d", str(catalog), "-o", str(tmp_path / "similar.parquet")),
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(controller, 4096)
        except OSError:  # the other end is closed
            break
    os.close(controller)
    assert started.wait() == 0
    assert b"Neighbors" in shown
    assert b"48/48" in shown
    assert b"a second" in shown


@pytest.mark.parametrize(
    ("text", "size"),
    [(None, None), ("500MB", 500_000_000), ("1.5g", 1_500_000_000), ("7 kB", 7000), ("12", 12)],
)
def test_sizes(text: str | None, size: int | None):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "0", "MB", "1 ZB", "nan"])
def test_no_sizes(text: str):
    with pytest.raises(InvalidInput, match="Memory is a size"):
        parse_size(text)


def test_a_whole_shop(shared_data: Path, tmp_path: Path):
    """4,000 products, all pairs; then a few more, and the answers of the search."""
    source = tmp_path / "products.csv"
    lines = (shared_data / "products" / "products.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "images").symlink_to(shared_data / "products" / "images")
    data, output = tmp_path / "data", tmp_path / "similar.parquet"
    source.write_text("\n".join(lines[:3960]), encoding="utf-8")
    run("index", str(source), "--data", str(data))
    options = ("neighbors", "-d", str(data), "-o", str(output), "-k", "20", "--json")
    assert json.loads(run(*options))["neighbors"] == 3959 * 20
    source.write_text("\n".join(lines), encoding="utf-8")
    run("index", str(source), "--data", str(data))
    report = json.loads(run(*options))
    assert (report["anew"], report["updated"]) == (41, 3959)
    before = columns(output)
    shutil.rmtree(output.with_name("similar.parquet.state"))
    assert json.loads(run(*options))["anew"] == 4000
    assert columns(output) == before
    hits = json.loads(run("search", "--id", before["id"][-1], "-d", str(data), "-k20", "--json"))
    assert [hit["id"] for hit in hits["hits"]] == before["neighbor"][-20:]
