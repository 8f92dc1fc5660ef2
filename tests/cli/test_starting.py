"""A command loads what it needs and no more, and tells how long a person has waited."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinlens.cli import app, waiting
from kinlens.sample import build_sample
from kinlens.wiring import open_search

HEAVY = {
    "openvino", "onnxruntime", "numkong", "fastapi", "uvicorn", "pyarrow", "torch", "sklearn",
    "scipy", "redis", "paho", "kinlens.neighbors.index", "kinlens.ingest.indexing",
    "kinlens.live_wiring", "kinlens.http", "kinlens.maintenance", "kinlens.contact_sheet",
}  # fmt: skip


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    CliRunner().invoke(app, ["index", str(build_sample(folder, 8)), "--data", str(folder / "data")])
    return folder / "data"


def imported(*arguments: str) -> set[str]:
    program = (
        "import sys, json\nfrom kinlens.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "finally: print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments", [["--help"], ["items", "list"], ["search", "--id", "mug-0002"], ["stats"]]
)
def test_what_needs_no_encoder_loads_none(catalog: Path, arguments: list[str]) -> None:
    data = [] if arguments == ["--help"] else ["--data", str(catalog)]
    assert imported(*arguments, *data) & HEAVY == set()


def test_a_search_by_picture_loads_one_runtime_and_no_index(catalog: Path) -> None:
    picture = catalog.parent / "images" / "mug-0002.jpg"
    loaded = imported("search", str(picture), "--data", str(catalog)) & HEAVY
    assert loaded <= {"openvino", "onnxruntime"}
    assert len(loaded) == 1


def test_answers_are_those_of_an_open_search(catalog: Path) -> None:
    picture = str(catalog.parent / "images" / "mug-0002.jpg")
    for options in ([], ["--metric", "euclidean"], ["-w", "price<50"], ["--facet", "color"]):
        command = ["search", picture, "--data", str(catalog), "-k", "5", "--json", *options]
        printed = json.loads(CliRunner().invoke(app, command).stdout)
        with open_search(catalog) as service:
            wanted = service.search(
                picture,
                k=5,
                metric="euclidean" if "euclidean" in options else "cosine",
                where={"price": {"$lt": 50}} if "-w" in options else None,
                facets=["color"] if "--facet" in options else (),
            )
        assert [(hit["id"], hit["score"], hit["distance"]) for hit in printed["hits"]] == [
            (hit.id, hit.score, hit.distance) for hit in wanted.hits
        ]
        assert printed["total"] == wanted.total
        assert printed["took"]["loading"] > 0


def test_the_time_told_is_what_a_person_waits(catalog: Path) -> None:
    waiting.begin(time.perf_counter() - 100)  # a process that took long to begin
    picture = str(catalog.parent / "images" / "mug-0002.jpg")
    printed = CliRunner().invoke(app, ["search", picture, "--data", str(catalog)]).stdout
    told = re.search(r"([\d.]+) s in all: loading (\d+) ms, decode ([\d.]+) ms", printed)
    assert told
    total, loading, decode = map(float, told.groups())
    assert loading >= 100_000
    assert total * 1000 >= loading - 10
    assert decode < 100_000
