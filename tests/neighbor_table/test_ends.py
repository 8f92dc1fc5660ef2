"""Runs that end early: killed, interrupted, on a full disk, or beside another one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kinlens.errors import MissingDependency, OutputError
from kinlens.neighbor_table import write_neighbors
from kinlens.neighbor_table.folder import StateFolder
from kinlens.search import Search
from neighbor_table.conftest import expected, put_items, rows_of, unit
from neighbor_table.table_processes import Tables, tables

RULES = {"k": 6, "same": ["size"], "min_distance": 1e-6}
SMALL = {**RULES, "memory": 150_000}
"""In many steps."""


@pytest.fixture(scope="module")
def processes() -> Iterator[Tables]:
    with tables() as opened:
        yield opened


def fill(search: Search, count: int, *, first: int = 0, seed: int = 0) -> None:
    ids = [f"i{n}" for n in range(first, first + count)]
    labels = [{"size": n % 3} for n in range(count)]
    put_items(search, ids, unit(count, seed, kinds=count // 2), labels)


def anew(search: Search, folder: Path) -> list[tuple[str, str, int, float]]:
    """What a run that nothing disturbs makes of the catalog."""
    write_neighbors(search, folder / "anew.parquet", full=True, **RULES)
    return rows_of(folder / "anew.parquet")


def test_killed_at_any_step_it_goes_on(
    search: Search, output: Path, tmp_path: Path, processes: Tables
):
    fill(search, 900)
    rng = np.random.default_rng(1)
    reached = [0]
    for _ in range(30):
        said = processes.run(search.data, output, kill_at=int(rng.integers(5, 25)), **SMALL)
        if "report" in said[-1]:
            break
        assert said[0]["done"] >= reached[-1], "it began anew"
        reached.append(said[-1]["done"])
        assert not output.exists()
    assert said[-1]["report"]["resumed"]
    assert len(reached) > 3
    assert rows_of(output) == anew(search, tmp_path)


def test_killed_at_any_moment_it_ends_with_the_same(
    search: Search, output: Path, tmp_path: Path, processes: Tables
):
    fill(search, 500)
    rng = np.random.default_rng(2)
    for night in range(4):
        shown = [rows_of(output)] if output.exists() else []
        for moment in rng.uniform(0.0, 0.6, 5).tolist():
            processes.run(search.data, output, kill_after=moment, **SMALL)
            shown += [rows_of(output)] if output.exists() else []
        said = processes.run(search.data, output, **SMALL)
        assert "report" in said[-1]
        table = anew(search, tmp_path)
        assert rows_of(output) == table
        assert all(rows in (shown[0], table) for rows in shown)
        left = {entry.name for entry in output.parent.glob("similar.parquet*")}
        assert left == {"similar.parquet", "similar.parquet.json", "similar.parquet.state"}
        fill(search, 20, first=100 * night, seed=night + 1)
        search.parts.catalog.delete([f"i{n}" for n in range(50 * night, 50 * night + 4)])


def test_what_was_changed_since_the_cut_is_caught_up_with(
    search: Search, output: Path, tmp_path: Path, processes: Tables
):
    fill(search, 900)
    processes.run(search.data, output, kill_at=8, **SMALL)
    fill(search, 30, first=890, seed=4)
    search.parts.catalog.delete(["i7"])
    report = processes.run(search.data, output, **SMALL)[-1]["report"]
    assert report["resumed"]
    assert report["items"] == 919
    assert rows_of(output) == anew(search, tmp_path)


def test_a_cut_run_with_other_options_is_dropped(search: Search, output: Path, processes: Tables):
    fill(search, 900)
    processes.run(search.data, output, kill_at=8, **SMALL)
    report = write_neighbors(search, output, 3)
    assert not report.resumed
    assert len(rows_of(output)) == 2700
    assert {entry.name for entry in StateFolder(output).path.iterdir() if entry.is_dir()} == {"1"}


def test_it_works_on_one_snapshot(search: Search, output: Path, tmp_path: Path):
    fill(search, 600)
    whole = anew(search, tmp_path)

    def disturb(progress: object) -> None:
        fill(search, 5, first=2000, seed=8)
        search.parts.catalog.delete(["i1", "i2"])

    write_neighbors(search, output, progress=disturb, **SMALL)
    assert rows_of(output) == whole
    write_neighbors(search, output, **RULES)
    assert rows_of(output) == anew(search, tmp_path)
    assert rows_of(output) != whole


@pytest.mark.parametrize(
    ("file_size", "where"),
    [(1_000, "vectors.npy"), (250_000, "anew"), (1_000_000, "similar.parquet")],
)
def test_on_a_full_disk_the_former_table_stays(
    search: Search, output: Path, processes: Tables, file_size: int, where: str
):
    put_items(search, [f"i{n}" for n in range(10)], unit(10))
    write_neighbors(search, output, 200)
    before = output.read_bytes()
    put_items(search, [f"i{n}" for n in range(600)], unit(600, seed=1))
    said = processes.run(search.data, output, file_size=file_size, k=200)[-1]
    assert said["error"] == "OutputError"
    assert "No space is left" in said["message"]
    assert where in said["message"]
    assert output.read_bytes() == before
    report = write_neighbors(search, output, 200)
    assert report.resumed == (where == "anew")
    assert rows_of(output) == expected(search, 200)


def test_two_runs_do_not_write_one_table(search: Search, output: Path):
    fill(search, 30)
    with StateFolder(output).locked(), pytest.raises(OutputError, match="Another process"):
        write_neighbors(search, output, 3)
    write_neighbors(search, output, 3)


def test_without_pyarrow_the_extra_is_named_before_anything_is_computed(
    search: Search, output: Path, monkeypatch: pytest.MonkeyPatch
):
    fill(search, 30)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependency, match=r"kinlens\[parquet\]"):
        write_neighbors(search, output, 3, progress=lambda _: pytest.fail("computed"))
    assert not StateFolder(output).path.exists()
