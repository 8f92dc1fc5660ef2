"""A source owns the items it was indexed from; nobody else replaces or removes them."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kinlens.catalog import schema
from kinlens.catalog.database import FILE_NAME
from kinlens.ingest import Report, index
from kinlens.ingest.visits import Visits
from kinlens.sources import SourceOptions
from kinlens.types import NewItem
from kinlens.wiring import open_search


def numbers(report: Report) -> tuple[int, int, int, int]:
    return report.indexed, report.unchanged, report.failed, report.removed


@pytest.fixture
def others(tmp_path: Path, make_picture) -> Path:
    """Other pictures by the names of `photos`, two of them and one of its own."""
    folder = tmp_path / "others"
    (folder / "red").mkdir(parents=True)
    for name, seed in (("red/00.jpg", 500), ("red/01.jpg", 501), ("own.jpg", 502)):
        (folder / name).write_bytes(make_picture(seed=seed))
    return folder


def owners(search) -> dict[str, int]:
    found = search.parts.catalog.owners
    return {Path(one.name).name: found.count(one.number) for one in found.sources()}


def test_the_same_ids_in_a_second_folder_are_refused_by_name(search, photos, others):
    index(search, photos)
    before = search.get(["red/00.jpg"])
    report = index(search, others)
    assert numbers(report) == (1, 0, 2, 0)
    assert report.succeeded
    assert {one.id for one in report.failures} == {"red/00.jpg", "red/01.jpg"}
    for failure in report.failures:
        for part in (str(photos), "--id-prefix", "--replace"):
            assert part in failure.reason
    assert search.get(["red/00.jpg"]) == before
    rows = {row.id: row for row in search.ledger("failed")}
    assert str(photos) in rows["red/00.jpg"].reason
    assert owners(search) == {"photos": 20, "others": 1}


def test_a_prefix_keeps_both_and_holds_for_later_runs(search, photos, others):
    index(search, photos)
    report = index(search, others, options=SourceOptions(id_prefix="shop2/"))
    assert numbers(report) == (3, 0, 0, 0)
    assert set(search.get(["red/00.jpg", "shop2/red/00.jpg", "shop2/own.jpg"])) == {
        "red/00.jpg", "shop2/red/00.jpg", "shop2/own.jpg",
    }  # fmt: skip
    assert numbers(index(search, others)) == (0, 3, 0, 0)
    assert numbers(index(search, photos)) == (0, 20, 0, 0)
    assert search.count() == 23


def test_tables_with_the_same_ids_are_refused_and_take_a_prefix_too(search, photos, tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(
            "id,image\nA,photos/red/00.jpg\nB,photos/red/01.jpg\n"
        )
    index(search, tmp_path / "one.csv")
    report = index(search, tmp_path / "two.csv")
    assert numbers(report) == (0, 0, 2, 0)
    assert not report.succeeded
    report = index(search, tmp_path / "two.csv", options=SourceOptions(id_prefix="two-"))
    assert numbers(report) == (2, 0, 0, 0)
    assert report.duplicates == 2
    assert {item.id for item in search.items()} == {"A", "B", "two-A", "two-B"}


def test_replacing_takes_the_items_over(search, photos, others):
    index(search, photos)
    assert numbers(index(search, others, replace=True)) == (3, 0, 0, 0)
    assert owners(search) == {"photos": 18, "others": 3}
    assert search.search(others / "red" / "00.jpg", k=1).hits[0].id == "red/00.jpg"
    # The first source neither takes them back by itself, nor removes them when they go from it.
    assert numbers(index(search, photos)) == (0, 18, 2, 0)
    (photos / "red" / "00.jpg").unlink()
    (photos / "red" / "09.jpg").unlink()
    assert numbers(index(search, photos, prune=True)) == (0, 17, 1, 1)
    assert "red/00.jpg" in search.get(["red/00.jpg"])


def test_what_was_added_by_hand_is_not_replaced_by_a_run(search, photos, make_picture):
    search.add([NewItem("red/00.jpg", image=make_picture(seed=900))])
    report = index(search, photos)
    assert numbers(report) == (19, 0, 1, 0)
    assert "added by hand" in report.failures[0].reason
    assert search.picture("red/00.jpg")[0] == make_picture(seed=900)
    # A person may replace any item, which is then theirs; a prune leaves it alone.
    search.add([NewItem("red/01.jpg", metadata={"note": "mine"})])
    (photos / "red" / "01.jpg").unlink()
    assert numbers(index(search, photos, prune=True)) == (0, 18, 1, 0)
    assert search.get(["red/01.jpg"])["red/01.jpg"].metadata == {"note": "mine"}
    assert numbers(index(search, photos, replace=True)) == (1, 18, 0, 0)


def test_an_item_that_was_added_while_a_run_was_under_way_is_kept(search, photos, make_picture):
    mine = make_picture(seed=901)
    upsert = search.parts.catalog.upsert
    first = []

    def late(items, vectors, claim):
        if not first:
            first.append(items[0].id)
            search.add([NewItem(items[0].id, image=mine)])
        return upsert(items, vectors, claim)

    with pytest.MonkeyPatch.context() as patched:
        owned_by_hand = search.parts.catalog

        def route(items, vectors, claim):
            return (upsert if claim.owner == 0 else late)(items, vectors, claim)

        patched.setattr(owned_by_hand, "upsert", route)
        report = index(search, photos)
    assert numbers(report) == (19, 0, 1, 0)
    assert report.failures[0].id == first[0]
    assert search.picture(first[0])[0] == mine


def test_one_folder_is_one_source_by_whatever_path(search, photos, tmp_path, monkeypatch):
    index(search, photos)
    link = tmp_path / "link"
    link.symlink_to(photos, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    for path in (f"{photos}/", "photos", Path("photos/../photos"), link):
        report = index(search, path)
        assert report.failed == 0
    (photos / "red" / "00.jpg").unlink()
    assert index(search, link, prune=True).removed == 1
    assert len(search.parts.catalog.owners.sources()) == 1


def test_a_link_that_leads_elsewhere_each_night_stays_one_source(search, photos, tmp_path):
    second = tmp_path / "release-2"
    shutil.copytree(photos, second)
    link = tmp_path / "current"
    link.symlink_to(photos)
    index(search, link)
    link.unlink()
    link.symlink_to(second)
    (second / "red" / "00.jpg").unlink()
    assert numbers(index(search, link, prune=True)) == (0, 19, 0, 1)


def test_a_source_that_was_moved_is_said_to_be_gone_and_taken_over(search, photos):
    index(search, photos)
    moved = photos.rename(photos.with_name("moved"))
    report = index(search, moved)
    assert numbers(report) == (0, 0, 20, 0)
    assert "isn't there any more" in report.failures[0].reason
    assert numbers(index(search, moved, replace=True)) == (20, 0, 0, 0)
    assert owners(search) == {"photos": 0, "moved": 20}
    assert numbers(index(search, moved)) == (0, 20, 0, 0)
    assert numbers(index(search, None, retry_failed=True)) == (0, 0, 0, 0)


def test_the_file_of_visits_may_be_deleted(search, photos, others, data):
    index(search, photos)
    for file in data.glob("sources.sqlite*"):
        file.unlink()
    assert index(search, others).failed == 2
    (photos / "red" / "09.jpg").unlink()
    assert numbers(index(search, photos, prune=True)) == (0, 19, 0, 1)


def test_the_same_picture_under_two_ids_stays_two_items_and_is_told(search, photos, tmp_path):
    index(search, photos)
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in ("00", "01"):
        shutil.copy(photos / "red" / f"{name}.jpg", copies / f"copy {name}.jpg")
    report = index(search, copies)
    assert (report.indexed, report.duplicates) == (2, 2)
    assert index(search, copies).duplicates == 0
    assert search.count() == 22


def test_retrying_goes_by_the_prefix_and_replaces_nothing(search, photos, others, make_picture):
    index(search, photos)
    (others / "own.jpg").write_bytes(b"not yet")
    index(search, others, options=SourceOptions(id_prefix="b/"))
    (others / "own.jpg").write_bytes(make_picture(seed=502))
    assert numbers(index(search, None, retry_failed=True)) == (1, 0, 0, 0)
    assert "b/own.jpg" in search.get(["b/own.jpg"])


def before_owners(data: Path) -> None:
    """Make a catalog what it was before items had owners."""
    with closing(sqlite3.connect(data / FILE_NAME)) as database, database:
        database.executescript(
            "DROP INDEX items_by_owner; DROP INDEX items_by_content;"
            "ALTER TABLE items DROP COLUMN owner; DROP TABLE sources; PRAGMA user_version = 1;"
        )
    with closing(sqlite3.connect(data / "sources.sqlite")) as visits, visits:
        visits.executescript(
            "CREATE TABLE old (id TEXT PRIMARY KEY, source INTEGER NOT NULL, run INTEGER NOT NULL,"
            "is_item INTEGER NOT NULL, url TEXT, content_hash TEXT) WITHOUT ROWID;"
            "INSERT INTO old SELECT id, source, run, is_item, url, content_hash FROM entries;"
            "DROP TABLE entries; ALTER TABLE old RENAME TO entries; PRAGMA user_version = 0;"
        )


@pytest.mark.parametrize("visits_known", [True, False])
def test_items_of_an_older_catalog_get_their_owner(
    photos, others, data, encoder, make_picture, visits_known: bool
):
    with open_search(data, encoder) as search:
        index(search, photos)
        search.add([NewItem("by hand", image=make_picture(seed=77))])
    before_owners(data)
    if not visits_known:
        (data / "sources.sqlite").unlink()
    with open_search(data, encoder) as search:
        if visits_known:
            assert numbers(index(search, others)) == (1, 0, 2, 0)
        assert numbers(index(search, photos)) == (0, 20, 0, 0)
        assert owners(search)["photos"] == 20
        (photos / "red" / "09.jpg").unlink()
        assert numbers(index(search, photos, prune=True)) == (0, 19, 0, 1)
        assert "by hand" in search.get(["by hand"])


def test_an_older_file_of_visits_keeps_what_was_fetched(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "sources.sqlite")) as old, old:
        old.executescript(
            "CREATE TABLE sources (source INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
            "options TEXT NOT NULL, run INTEGER NOT NULL);"
            "CREATE TABLE entries (id TEXT PRIMARY KEY, source INTEGER NOT NULL,"
            "run INTEGER NOT NULL, is_item INTEGER NOT NULL, url TEXT, content_hash TEXT)"
            " WITHOUT ROWID;"
            "INSERT INTO sources VALUES (1, '/shop.csv', '{\"folders_as\": []}', 3);"
            "INSERT INTO entries VALUES ('A', 1, 3, 1, 'http://a', 'hash');"
        )
    with closing(Visits(tmp_path)) as visits:
        visits.begin("/shop.csv", "{}")
        assert visits.fetched(["A"]) == {"A": ("http://a", "hash")}
        assert visits.mark(["A"]) == set()
        assert visits.seen(["A", "B"]) == {"A"}
        visits.begin("/other.csv", "{}")
        assert visits.mark(["A"]) == set()
        assert visits.fetched(["A"]) == {}


def test_migrations_are_numbered():
    assert [name for name, _ in schema.migrations()][1] == "0002_owners.sql"
