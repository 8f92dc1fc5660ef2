"""Items are removed only where what was seen of their source proves that they are gone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from kinlens.ingest import index
from kinlens.sources import SourceOptions


def write_table(folder: Path, rows: list[str], name: str = "shop.csv") -> Path:
    path = folder / name
    path.write_bytes("\n".join(["id,image,name", *rows, ""]).encode())
    return path


@pytest.fixture
def rows(photos: Path) -> list[str]:
    """Twelve rows of a table beside the photos."""
    return [f"p{n},photos/{'red' if n < 10 else 'blue'}/{n:02}.jpg,Thing {n}" for n in range(12)]


def test_an_empty_folder_prunes_nothing(search, photos):
    index(search, photos)
    shutil.rmtree(photos)
    photos.mkdir()
    report = index(search, photos, prune=True)
    assert (report.removed, report.succeeded) == (0, False)
    assert "empty" in report.prune_refused
    assert "--prune-all" in report.prune_refused
    assert search.count() == 20
    report = index(search, photos, prune_all=True)
    assert (report.removed, report.succeeded) == (20, True)


def test_more_than_a_third_is_not_pruned(search, photos):
    index(search, photos)
    names = sorted(photos.rglob("*.jpg"))
    for path in names[:6]:
        path.unlink()
    assert index(search, photos, prune=True).removed == 6
    for path in names[6:11]:
        path.unlink()
    report = index(search, photos, prune=True)
    assert (report.removed, report.succeeded) == (0, False)
    assert "more than a third of the 14 items" in report.prune_refused
    assert search.count() == 14
    assert index(search, photos, prune=True, prune_all=True).removed == 5


def stray_quote(rows: list[str]) -> bytes:
    return "\n".join(rows).replace("Thing 11", '"Thing 11').encode() + b"\n"


def stray_quote_that_swallows_a_row(rows: list[str]) -> bytes:
    text = "\n".join(rows).replace("Thing 9", '"Thing 9').replace("Thing 10", '"Thing 10')
    return text.encode() + b"\n"


def cut_off_in_a_cell(rows: list[str]) -> bytes:
    return "\n".join(rows[:-1]).encode()[:-10]


def cut_off_in_quotes(rows: list[str]) -> bytes:
    return "\n".join([*rows[:-1], 'p10,photos/blue/10.jpg,"Thi']).encode()


def another_encoding(rows: list[str]) -> bytes:
    return "\n".join(rows[:-1]).replace("Thing 3", "Thäng").encode("latin-1") + b"\n"


@pytest.mark.parametrize(
    "damage",
    [
        stray_quote,
        stray_quote_that_swallows_a_row,
        cut_off_in_a_cell,
        cut_off_in_quotes,
        another_encoding,
    ],
)
def test_a_table_that_cannot_be_read_whole_prunes_nothing(search, photos, rows, tmp_path, damage):
    table = write_table(tmp_path, rows)
    assert index(search, table).indexed == 12
    table.write_bytes(b"id,image,name\n" + damage(rows))
    report = index(search, table, prune=True)
    assert report.removed == 0
    assert report.failed >= 1
    assert "shop.csv:" in report.prune_refused
    assert not report.succeeded
    assert search.count() == 12


def test_json_lines_that_are_cut_off_prune_nothing(search, photos, tmp_path):
    table = tmp_path / "shop.jsonl"
    lines = [f'{{"id": "p{n}", "image": "photos/red/{n:02}.jpg"}}' for n in range(10)]
    table.write_text("\n".join(lines))
    index(search, table)
    table.write_text("\n".join(lines[:-1])[:-12])
    report = index(search, table, prune=True)
    assert (report.removed, report.succeeded) == (0, False)
    table.write_text("\n".join(lines[:-1]) + "\n")
    assert index(search, table, prune=True).removed == 1


def test_a_row_that_names_its_id_is_no_reason_to_remove_the_item(search, photos, rows, tmp_path):
    table = write_table(tmp_path, rows)
    index(search, table)
    table = write_table(tmp_path, ["p0,ftp://elsewhere/0.jpg,Thing 0", *rows[1:-1]])
    report = index(search, table, prune=True)
    assert (report.removed, report.failed, report.prune_refused) == (1, 1, "")
    assert set(search.get(["p0", "p11"])) == {"p0"}


def test_a_cell_of_many_lines_is_no_damage(search, photos, rows, tmp_path):
    table = write_table(tmp_path, [*rows[:-1], 'p11,photos/blue/11.jpg,"two\nlines, ""quoted"""'])
    assert index(search, table).failed == 0
    assert search.get(["p11"])["p11"].metadata == {"name": 'two\nlines, "quoted"'}
    table = write_table(tmp_path, rows[:-1])
    assert index(search, table, prune=True).removed == 1


def test_a_run_in_which_every_row_fails_did_not_succeed(search, tmp_path):
    table = write_table(tmp_path, [f"p{n},nowhere/{n}.jpg,x" for n in range(3)])
    report = index(search, table)
    assert (report.failed, report.succeeded) == (3, False)


def test_the_unseen_part_of_a_folder_is_told_by_prefixed_ids(search, photos, monkeypatch):
    index(search, photos, options=SourceOptions(id_prefix="x/"))
    (photos / "blue" / "19.jpg").unlink()
    scandir = os.scandir

    def locked(folder):
        if str(folder).endswith("red"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", locked)
    report = index(search, photos, prune=True)
    assert (report.removed, report.kept_unseen) == (1, 10)
