"""How far a run is, where no terminal shows a bar: in the logs of cron and CI."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinlens.cli import app, progress
from kinlens.ingest import Progress


def test_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(progress, "monotonic", lambda: now)
    with progress.progress_bar("Indexing", enabled=True) as tell:
        assert tell is not None
        for second in range(35):
            now = float(second)
            tell(Progress(second * 100, 4000, 100.0, 40.0 - second, second // 10))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "Indexing: 1,000 of 4,000, 25 % · 100 a second · 0:30 left · 1 failed",
        "Indexing: 2,000 of 4,000, 50 % · 100 a second · 0:20 left · 2 failed",
        "Indexing: 3,000 of 4,000, 75 % · 100 a second · 0:10 left · 3 failed",
    ]


def test_a_source_of_unknown_length(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    with progress.progress_bar("Indexing", enabled=True) as tell:
        assert tell is not None
        tell(Progress(1234, None, 99.6, None))
    assert capsys.readouterr().err == "Indexing: 1,234 · 100 a second\n"


def test_index_and_neighbors_write_lines_but_not_into_json(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_picture: Callable[..., bytes]
) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        (tmp_path / "photos" / f"{seed}.jpg").write_bytes(make_picture(seed=seed))
    data = ("--data", str(tmp_path / "data"))
    index = ("index", str(tmp_path / "photos"), *data)
    neighbors = ("neighbors", *data, "-o", str(tmp_path / "similar.parquet"))
    for command, line in ((index, "Indexing: 3 of 3, 100 %"), (neighbors, "Neighbors: 3 of 3")):
        result = CliRunner().invoke(app, command, catch_exceptions=False)
        assert line in result.stderr
        assert result.stdout == ""
        result = CliRunner().invoke(app, (*command, "--json"), catch_exceptions=False)
        assert json.loads(result.stdout)
        assert result.stderr == ""
