"""What a process keeps in memory, when it has to be loaded again, and what it says if it can't."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.samples import create, item, items, unit
from kinlens.catalog import columns, matrix, writes
from kinlens.catalog.sqlite import SqliteCatalog
from kinlens.errors import CatalogError


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[SqliteCatalog, SqliteCatalog]]:
    """A writer, and a reader that has loaded twenty items."""
    with create(tmp_path) as writer, create(tmp_path) as reader:
        writer.upsert(items(20), unit(20))
        assert found(reader) == found(writer)
        yield writer, reader


def found(catalog: SqliteCatalog) -> list[str]:
    matches = catalog.search(unit(1), 1000, where={"n": {"$exists": True}})[0]
    ids = sorted(match.item.id for match in matches)
    assert ids == [one.id for one in catalog.scan()]
    assert len(ids) == catalog.count()
    return ids


def test_a_reader_too_far_behind_loads_again(pair, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, reader = pair
    monkeypatch.setattr(writes, "DELETIONS_KEPT", 3)
    for n in range(10):
        writer.delete([f"i{n:06}"])
    with writer._database.read() as connection:
        assert connection.execute("SELECT count(*) FROM deletions").fetchone()[0] == 3
    assert found(reader) == found(writer) == [one.id for one in items(10, 10)]


def test_what_came_and_went_unseen(pair) -> None:
    writer, reader = pair
    writer.upsert(items(5, 20), unit(5))
    writer.delete(["i000021", "i000003"])
    writer.upsert([item("i000021", {"n": 1})], unit(1))
    assert found(reader) == [one.id for one in items(25) if one.id != "i000003"]


def test_mostly_deleted_contents_are_loaded_again(pair, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, reader = pair
    monkeypatch.setattr(matrix, "_DEAD_ALLOWED", 0)
    writer.delete([one.id for one in items(15)])
    assert found(reader) == [one.id for one in items(5, 15)]
    writer.upsert(items(5), unit(5))
    assert len(found(reader)) == 10


def test_columns_loaded_before_vectors(tmp_path: Path) -> None:
    with create(tmp_path) as catalog:
        catalog.upsert(items(20), unit(20))
        assert catalog.count({"n": {"$lt": 3}}) == 3
        catalog.delete(["i000001"])
        assert catalog.count({"n": {"$lt": 3}}) == 2
        assert found(catalog) == [one.id for one in items(20) if one.id != "i000001"]


def test_worn_columns_are_made_again(pair, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, reader = pair
    monkeypatch.setattr(columns, "_WORN", 0.01)
    for step in range(1, 10):
        writer.update_metadata([item(one.id, {"n": step * 100 + 0.5}) for one in items(20)])
        assert reader.count({"n": step * 100 + 0.5}) == 20
    assert found(reader) == [one.id for one in items(20)]


def test_true_and_one_are_different_filters(pair) -> None:
    _, reader = pair
    assert reader.count({"n": 1}) == 1
    assert reader.count({"n": True}) == 0
    assert reader.count({"n": 1.0}) == 1
    assert reader.count({"n": "1"}) == 0
    for n in range(40):
        assert reader.count({"n": n}) == (n < 20)


def test_items_without_vectors_are_an_error_until_they_have_one(tmp_path: Path) -> None:
    with create(tmp_path) as catalog:
        catalog.upsert(items(5), unit(5))
        with catalog._database.write() as connection:
            connection.execute("DELETE FROM vectors WHERE row = 3")
        for _ in range(2):
            with pytest.raises(CatalogError, match=r"no vector of first.*kinlens reencode"):
                catalog.search(unit(1), 5)
        assert catalog.count({"n": 2}) == 1
        fill = catalog.fill_space(catalog.encoder)
        fill.put(list(fill.missing()), unit(1))
        assert len(catalog.search(unit(1), 5)[0]) == 5


def test_the_database_shrinks_its_log(tmp_path: Path) -> None:
    with create(tmp_path) as catalog:
        for n in range(50):
            catalog.upsert(items(200), unit(200, seed=n))
        assert catalog.stats().database_bytes < 40_000_000
