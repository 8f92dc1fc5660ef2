"""What a run makes of sources that can be read only in part, and what it says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kinlens.ingest import index
from kinlens.sources import SourceOptions
from privileges import given_up


def numbers(report) -> tuple[int, int, int, int]:
    return report.indexed, report.unchanged, report.failed, report.removed


def test_excluded_pictures_go_with_the_next_pruning_and_stay_out(search, photos):
    index(search, photos)
    report = index(search, photos, options=SourceOptions(exclude=("1[5-9].jpg",)))
    assert (numbers(report), search.count()) == ((0, 15, 0, 0), 20)
    assert report.notes == ["Files and folders left out: 5 by --exclude."]
    report = index(search, photos, prune=True)  # the patterns of the last run hold
    assert numbers(report) == (0, 15, 0, 5)
    report = index(search, photos, options=SourceOptions(exclude=()))
    assert numbers(report) == (5, 15, 0, 0)
    assert report.notes == []


def test_an_unreadable_folder_keeps_its_own_items_and_no_others(search, photos):
    index(search, photos)
    (photos / "blue" / "19.jpg").unlink()
    (photos / "red").chmod(0)
    try:
        with given_up():
            report = index(search, photos, prune=True)
    finally:
        (photos / "red").chmod(0o755)
    assert numbers(report) == (0, 9, 1, 1)
    assert (report.kept_unseen, report.prune_refused) == (10, "")
    assert search.count() == 19
    assert numbers(index(search, photos, prune=True)) == (0, 19, 0, 0)


def test_a_system_folder_that_may_not_be_read_is_no_failure(search, photos):
    (photos / "lost+found").mkdir(mode=0)
    try:
        with given_up():
            report = index(search, photos, prune=True)
    finally:
        (photos / "lost+found").chmod(0o755)
    assert numbers(report) == (20, 0, 0, 0)
    assert report.notes == ["Files and folders left out: system folders (lost+found)."]


@pytest.fixture
def rows(photos: Path) -> list[dict]:
    return [{"id": f"p{n}", "image": f"photos/red/{n:02}.jpg", "n": n} for n in range(10)]


def test_a_json_array_is_indexed_and_pruned(search, rows, tmp_path):
    table = tmp_path / "shop.json"
    table.write_text(json.dumps(rows, indent=1))
    assert numbers(index(search, table)) == (10, 0, 0, 0)
    assert search.get(["p3"])["p3"].metadata == {"n": 3}
    table.write_text(json.dumps(rows[:-1]))
    assert numbers(index(search, table, prune=True)) == (0, 9, 0, 1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-30],
        lambda text: text[:-1],
        lambda text: text[:-1] + ",]",
        lambda text: text.replace('"id": "p3"', '"id": p3'),
        lambda text: text + text,
    ],
)
def test_a_damaged_json_array_prunes_nothing(search, rows, tmp_path, damage):
    table = tmp_path / "shop.json"
    table.write_text(json.dumps(rows))
    index(search, table)
    table.write_text(damage(json.dumps(rows[:-1])))
    report = index(search, table, prune=True)
    assert report.removed == 0
    assert report.failed == 1
    assert "shop.json:" in report.prune_refused
    assert search.count() == 10


def test_a_row_that_is_not_valid_unicode_costs_no_other(search, rows, tmp_path):
    table = tmp_path / "shop.jsonl"
    lines = [json.dumps(row) for row in rows]
    lines[4] = lines[4].replace('"n"', r'"n\ud800"')
    table.write_text("\n".join(lines))
    report = index(search, table, prune=True)
    assert numbers(report) == (9, 0, 1, 0)
    (row,) = search.ledger("failed")
    assert row.id == "shop.jsonl:5"
    assert "Unicode" in row.reason
    assert report.to_dict()["notes"] == []


def test_padded_rows_are_told_in_the_report(search, photos, tmp_path):
    table = tmp_path / "shop.csv"
    table.write_text("id,image,a,b\np0,photos/red/00.jpg\np1,photos/red/01.jpg,x\n")
    report = index(search, table)
    assert numbers(report) == (2, 0, 0, 0)
    assert "2 rows are shorter" in report.notes[0]
    assert search.get(["p1"])["p1"].metadata == {"a": "x"}
