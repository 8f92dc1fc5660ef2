"""Names from files, tables and encoders can't command the terminal that they are printed on."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from kinlens.cli import common, main
from kinlens.cli.terminal import SafeConsole

RED = "\x1b[31m"
TITLE = "\x1b]0;owned\x07"
C1 = "\x9b31m"
CONTROLS = [chr(code) for code in range(32) if code != 10]
FORBIDDEN = [char.encode() for char in (*CONTROLS, "\x9b", "\u202e")]


@dataclass
class Printed:
    """What the command line printed, and its exit status."""

    stdout: bytes
    stderr: bytes
    returncode: int


def kinlens(*arguments: str | Path) -> Printed:
    """Run the command line in this process, with streams that are as strict as a terminal's."""
    out, error = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(error), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["kinlens", *map(str, arguments)])
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    printed = []
    for stream in (out, error):
        stream.flush()
        printed.append(stream.buffer.getvalue())
    return Printed(*printed, int(code or 0))


def assert_harmless(printed: bytes) -> None:
    assert [code for code in FORBIDDEN if code in printed] == []


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, make_picture) -> Path:
    """Of pictures whose names, and a table whose cells and columns, hold commands."""
    folder = tmp_path_factory.mktemp("names")
    photos = folder / "photos"
    photos.mkdir()
    for seed, name in enumerate([f"a{RED}.jpg", f"b\n{TITLE}.jpg", f"c{C1}\u202e.jpg"]):
        (photos / name).write_bytes(make_picture(seed=seed))
    (photos / f"broken{RED}.jpg").write_bytes(b"no picture")
    try:
        Path(os.fsdecode(os.fsencode(photos) + b"/bad\xff\x1b[2J.jpg")).write_bytes(b"x")
    except OSError:  # a file system of UTF-8 names only
        (photos / "bad\x1b[2J.svg").write_bytes(b"x")
    table = folder / f"t{RED}.jsonl"
    row = {"id": f"d{RED}", "image": f"photos/a{RED}.jpg", f"name{TITLE}": f"n{C1}\nm{RED}"}
    bad = {"id": f"e{RED}", "image": f"nowhere{TITLE}.jpg"}
    table.write_text("\n".join(json.dumps(one) for one in (row, bad)))
    for source in (photos, table):
        result = kinlens("index", source, "--data", folder / "data")
        assert result.returncode == 0, result.stderr
        assert_harmless(result.stdout + result.stderr)
    assert rb"broken\x1b[31m.jpg" in kinlens("ledger", "--data", folder / "data").stdout
    return folder / "data"


@pytest.mark.parametrize(
    "arguments",
    [
        ("items", "list"),
        ("items", "list", "--json"),
        ("ledger",),
        ("ledger", "--json"),
        ("stats",),
        ("stats", "--json"),
        ("search", "--id", f"d{RED}"),
        ("search", "--id", f"d{RED}", "--json"),
        ("search", "--id", f"d{RED}", "--facet", f"name{TITLE}"),
        ("search", "--id", f"nobody{RED}"),
        ("items", "get", f"d{RED}"),
        ("items", "list", "--where", f"colour{RED}=1"),
        ("index", f"nowhere{RED}"),
    ],
)
def test_no_verb_prints_a_command(catalog: Path, arguments: tuple[str, ...]):
    result = kinlens(*arguments, "--data", catalog)
    assert_harmless(result.stdout + result.stderr)
    assert b"Traceback" not in result.stderr
    if "--json" in arguments:
        assert json.loads(result.stdout)


def test_json_means_the_same(catalog: Path):
    listed = json.loads(kinlens("items", "list", "--json", "--data", catalog).stdout)
    assert {item["id"] for item in listed["items"]} == {
        f"a{RED}.jpg", f"b\n{TITLE}.jpg", f"c{C1}\u202e.jpg", f"d{RED}",
    }  # fmt: skip


def test_styles_stay(capsys: pytest.CaptureFixture[str]):
    SafeConsole(force_terminal=True, highlight=False).print(f"x{RED}", style="red", markup=False)
    printed = capsys.readouterr().out
    assert printed.startswith("\x1b[31mx\\x1b[31m")


def test_a_table_shows_one_line_a_row(capsys: pytest.CaptureFixture[str]):
    common.table({"id": "left"}, [("a\nb",), (f"c{RED}",)])
    assert capsys.readouterr().out.split() == ["id", "a\\nb", "c\\x1b[31m"]
