"""The verbs, run as a person runs them, on a small shop and the encoder that ships."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from kinlens.cli import app
from kinlens.errors import InvalidInput
from kinlens.sample import build_sample
from kinlens.types import DEFAULT_K

COUNT = 24


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_sample(tmp_path_factory.mktemp("shop"), COUNT)


@pytest.fixture(scope="module")
def catalog(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("catalog") / "data"
    report = run_json("index", str(shop), "--data", str(data))
    assert report["indexed"] == COUNT
    return data


@pytest.fixture
def copy(catalog: Path, tmp_path: Path) -> Path:
    """A catalog that a test may change."""
    return Path(shutil.copytree(catalog, tmp_path / "data"))


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def run_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def run_process(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """As a process, for what a person sees when it goes wrong."""
    command = [sys.executable, "-c", "from kinlens.cli import main; main()", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=cwd, check=False
    )


def test_ctrl_c_while_the_command_line_is_imported_is_no_traceback() -> None:
    program = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell job ignores it
class Interrupts:
    def find_spec(self, name, *_):
        if name == "kinlens.cli":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
from kinlens.__main__ import main
main()
"""
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (130, b"")


def test_index_again_finds_nothing_new(shop: Path, copy: Path) -> None:
    report = run_json("index", str(shop), "--data", str(copy))
    assert (report["indexed"], report["unchanged"], report["failed"]) == (0, COUNT, 0)


def test_index_prunes_and_reports_failures(
    tmp_path: Path, make_picture: Callable[..., bytes]
) -> None:
    source, data = tmp_path / "pictures", tmp_path / "data"
    (source / "red").mkdir(parents=True)
    for number in range(3):
        (source / "red" / f"{number}.jpg").write_bytes(make_picture(seed=number))
    (source / "broken.jpg").write_bytes(make_picture()[:200])
    report = run_json("index", str(source), "--data", str(data), "--folders-as", "color")
    assert (report["indexed"], report["failed"]) == (3, 1)
    assert report["failures"][0]["id"] == "broken.jpg"

    assert "broken.jpg" in run("ledger", "--failed", "--data", str(data))
    (source / "broken.jpg").write_bytes(make_picture(seed=9))
    assert run_json("index", "--retry-failed", "--data", str(data))["indexed"] == 1
    assert "Nothing failed" in run("ledger", "--failed", "--data", str(data))

    (source / "red" / "0.jpg").unlink()
    again = ("index", str(source), "--data", str(data), "--folders-as", "color", "--prune")
    assert run_json(*again)["removed"] == 1
    items = run_json("items", "list", "--data", str(data), "--where", "color=red")
    assert [item["id"] for item in items["items"]] == ["red/1.jpg", "red/2.jpg"]


def test_the_exit_status_tells_of_refused_pruning_and_of_runs_in_which_all_failed(
    tmp_path: Path, make_picture: Callable[..., bytes]
) -> None:
    def status(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["index", *arguments, "--data", str(tmp_path / "data")])
        return result.exit_code, result.output

    first, second = tmp_path / "one" / "photos", tmp_path / "two" / "photos"
    for seed, folder in enumerate((first, second)):
        folder.mkdir(parents=True)
        (folder / "a.jpg").write_bytes(make_picture(seed=seed))
    assert status(str(first))[0] == 0
    code, printed = status(str(second))
    assert code == 1
    assert f"belongs to the source {first}" in printed
    assert status(str(second), "--id-prefix", "two/")[0] == 0
    assert status(str(second))[0] == 0
    (first / "a.jpg").unlink()
    code, printed = status(str(first), "--prune")
    assert code == 1
    assert "Nothing was pruned: the source is empty" in printed
    assert status(str(first), "--prune-all")[0] == 0
    assert status(str(second), "--id-prefix", "", "--replace")[0] == 0


def test_types_are_declared_once_and_filters_are_read_by_them(shop: Path, tmp_path: Path) -> None:
    data, table = ("--data", str(tmp_path / "data")), shop.parent / "typed.csv"
    rows = [f"mug-{n},images/mug-0002.jpg,{n}.5,{34400 + n},yes" for n in range(4)]
    table.write_text("\n".join(["id,image,price,EAN,Bio", *rows, "x,images/mug-0002.jpg,n/a,7,?"]))
    options = ("--type", "EAN=text", "--type", "Bio=boolean")
    twice = CliRunner().invoke(app, ["index", str(table), *data, *options, "--type", "EAN=list"])
    assert isinstance(twice.exception, InvalidInput)
    assert "declares 'EAN' as text and as list" in str(twice.exception)
    report = run_json("index", str(table), *data, *options)
    told = {column["column"]: column for column in report["columns"]}
    assert (told["price"]["fitting"], told["price"]["examples"]) == (4, ["'n/a'"])
    assert (told["Bio"]["declared"], told["Bio"]["others"]) == (True, 1)
    assert report["duplicates"] == 5
    retried = CliRunner().invoke(app, ["index", str(table), *data, "--retry-failed"]).output
    assert "Nothing had failed." in retried
    assert "no pictures" not in retried
    printed = CliRunner().invoke(app, ["index", str(table), *data]).output
    assert "price: 4 read as number, 1 other value ('n/a') left out" in printed

    def found(where: str) -> tuple[list[str], list[str]]:
        page = run_json("items", "list", *data, "--where", where)
        return [item["id"] for item in page["items"]], page["warnings"]

    assert found("EAN=34402") == (["mug-2"], [])
    assert found("Bio=yes") == ([f"mug-{n}" for n in range(4)], [])
    assert found("price<1") == (["mug-0"], [])
    ids, (warning,) = found('{"EAN": 34402}')
    assert ids == []
    assert "All values of EAN are texts" in warning
    answer = run_json("search", "--id", "x", *data, "--where", "EAN=34402")
    assert [hit["id"] for hit in answer["hits"]] == ["mug-2"]


@pytest.mark.parametrize("verb", [("items", "list"), ("ledger",)])
def test_lists_go_on_after_an_id(catalog: Path, verb: tuple[str, ...]) -> None:
    def page(*options: str) -> list[str]:
        found = run_json(*verb, "--data", str(catalog), *options)
        return [entry["id"] for entry in (found["items"] if isinstance(found, dict) else found)]

    whole = page("--limit", "1000")
    assert len(whole) == COUNT
    walked = page("--limit", "7")
    while more := page("--limit", "7", "--after", walked[-1]):
        assert len(more) <= 7
        walked += more
    assert walked == whole
    assert f"--after {whole[6]} goes on" in run(*verb, "--data", str(catalog), "--limit", "7")
    assert "goes on" not in run(*verb, "--data", str(catalog), "--after", whole[-3])


def test_an_empty_page_of_the_ledger_says_why(catalog: Path) -> None:
    ledger = ("ledger", "--data", str(catalog))
    assert "Nothing comes after zzz." in run(*ledger, "--after", "zzz")
    assert "Nothing is removed." in run(*ledger, "--state", "removed")
    assert "Nothing failed." in run(*ledger, "--failed")


def test_search_by_picture_item_and_filter(shop: Path, catalog: Path) -> None:
    picture = str(shop.parent / "images" / "mug-0002.jpg")
    answer = run_json("search", picture, "--data", str(catalog), "-k", "3", "--facet", "category")
    assert answer["hits"][0]["id"] == "mug-0002"
    assert answer["hits"][0]["score"] == pytest.approx(1, abs=1e-3)
    assert answer["total"] == COUNT
    assert answer["exact"] is True
    assert {entry["count"] for entry in answer["facets"]["category"]} == {2}

    assert len(run_json("search", picture, "--data", str(catalog))["hits"]) == DEFAULT_K < COUNT
    similar = run_json("search", "--id", "mug-0002", "--data", str(catalog), "-k", "100")
    assert len(similar["hits"]) == COUNT - 1

    only = ("--where", "category=mug", "--where", "price>0")
    found = run_json("search", picture, "--data", str(catalog), *only)
    assert {hit["metadata"]["category"] for hit in found["hits"]} == {"mug"}
    assert found["total"] == 2


def test_search_with_crop_and_unlike(shop: Path, catalog: Path) -> None:
    picture = str(shop.parent / "images" / "cushion-0008.jpg")
    asked = ("search", picture, "--data", str(catalog), "-k", str(COUNT))
    whole = run_json(*asked)
    cropped = run_json(*asked, "--crop", "0.3,0.3,0.4,0.4")
    less = run_json(*asked, "--unlike-id", "cushion-0020")
    assert whole["hits"] != cropped["hits"]
    rank = [
        next(n for n, hit in enumerate(answer["hits"]) if hit["id"] == "cushion-0020")
        for answer in (whole, less)
    ]
    assert rank[1] > rank[0]


def test_search_prints_a_table_and_saves_a_sheet(shop: Path, catalog: Path, tmp_path: Path) -> None:
    picture = str(shop.parent / "images" / "lamp-0004.jpg")
    sheet = tmp_path / "grid.png"
    output = run("search", picture, "--data", str(catalog), "-k", "5", "--save", str(sheet))
    assert "lamp-0004" in output
    assert "exact" in output
    with Image.open(sheet) as picture_of_hits:
        assert picture_of_hits.width > 1000


def test_items(copy: Path, tmp_path: Path, make_picture: Callable[..., bytes]) -> None:
    picture = tmp_path / "new.png"
    picture.write_bytes(make_picture(format="PNG", seed=5))
    data = ("--data", str(copy))
    run("items", "add", "new one/ü", str(picture), "--set", "color=red", "--set", "price=5", *data)
    found = json.loads(run("items", "get", "new one/ü", *data))
    assert found["metadata"] == {"color": "red", "price": 5}
    assert run_json("search", str(picture), *data)["hits"][0]["id"] == "new one/ü"
    run("items", "delete", "new one/ü", "mug-0002", *data)
    listed = run_json("items", "list", *data)
    assert listed["total"] == COUNT - 1


def test_keys(copy: Path) -> None:
    data = ("--data", str(copy))
    made = run_json("keys", "create", "shop", "--write", *data)
    assert made["scopes"] == ["read", "write"]
    assert made["key"] not in (copy / "keys.sqlite").read_bytes().decode("latin-1")
    assert "shop" in run("keys", "list", *data)
    run("keys", "revoke", "shop", *data)
    listed = run_json("keys", "list", *data)
    assert all(key["name"] != "shop" or key["revoked_at"] for key in listed)


def test_stats_and_doctor(catalog: Path) -> None:
    stats = run_json("stats", "--data", str(catalog))
    assert stats["items"] == COUNT
    assert {field["name"] for field in stats["fields"]} >= {"category", "color", "price"}
    report = run_json("doctor", "--data", str(catalog))
    assert report["problems"] == []
    assert report["catalog"]["items"] == COUNT
    assert report["encoder"]["pictures_per_second"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search",), "give a picture file"),
        (("search", "none.jpg"), "none.jpg"),
        (("search", "--id", "nope"), "nope"),
        (("search", "--id", "mug-0002", "-k", "0"), "k is"),
        (("search", "--id", "mug-0002", "--where", '{"a": {"$near": 1}}'), "$near"),
        (("search", "--id", "mug-0002", "--crop", "1,2"), "crop"),
        (("search", "--id", "mug-0002", "--metric", "l7"), "metric"),
        (("items", "get", "nope"), "nope"),
        (("items", "delete", "nope"), "nope"),
        (("index", "none"), "doesn't exist"),
        (("index",), "name a folder"),
        (("ledger", "--state", "lost"), "A state is"),
        (("ledger", "--failed", "--state", "indexed"), "exclude each other"),
        (("search", "--unlike-id", "mug-0002", "--crop", "0,0,1,1"), "a positive weight"),
        (("keys", "revoke", "nope"), "nope"),
        (("stats", "--data", "elsewhere"), "no catalog in elsewhere"),
        (("search", "--id", "mug-0002", "--encoder", "nothing"), "nothing"),
    ],
)
def test_mistakes_are_one_line(
    arguments: tuple[str, ...], message: str, catalog: Path, tmp_path: Path
) -> None:
    data = () if "--data" in arguments else ("--data", str(catalog))
    result = run_process(*arguments, *data, cwd=tmp_path)
    assert result.returncode in {1, 2}
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_wrong_encoder_is_named(catalog: Path, teacher_onnx: Path, tmp_path: Path) -> None:
    recipe = {
        "model": str(teacher_onnx),
        "size": 224,
        "resize": "stretch",
        "mean": [127.5] * 3,
        "std": [127.5] * 3,
        "output": "embedding",
    }
    (tmp_path / "teacher.json").write_text(json.dumps(recipe))
    encoder = str(tmp_path / "teacher.json")
    result = run_process("search", "--id", "mug-0002", "-e", encoder, "-d", str(catalog))
    assert result.returncode == 1
    assert "kinlens-mini" in result.stderr
    assert "reencode" in result.stderr


def test_import_is_light() -> None:
    heavy = "{'openvino', 'onnxruntime', 'numkong', 'fastapi', 'pyarrow', 'PIL'}"
    code = f"import sys, kinlens; print({heavy} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


def test_demo_looks_at_the_port_before_it_indexes(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run_process("demo", "--port", str(port), "--data", str(tmp_path / "demo"))
    assert result.returncode == 1
    assert str(port) in result.stderr
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("name", [".", ".."])
def test_an_item_whose_id_no_url_can_hold_isnt_added(shop: Path, copy: Path, name: str) -> None:
    picture = next((shop.parent / "images").glob("*.jpg"))
    told = run_process("items", "add", name, str(picture), "--data", str(copy))
    assert told.returncode == 2
    assert "use another" in told.stderr
    assert "Traceback" not in told.stderr
