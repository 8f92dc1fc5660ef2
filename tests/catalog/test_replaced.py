"""The catalog's files are removed or replaced while it is open."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from kinlens.catalog.ledger import Ledger
from kinlens.catalog.sqlite import SqliteCatalog
from kinlens.errors import CatalogUnavailable, EncoderMismatch
from kinlens.types import EncoderIdentity, Item, Outcome, Vectors

ENCODER = EncoderIdentity("test", "f" * 64, 8)
OTHER = EncoderIdentity("other", "e" * 64, 8)


def item(item_id: str) -> Item:
    return Item(item_id, f"path:/p/{item_id}.jpg", "a" * 64, 4, 3, {"name": item_id})


def axis(place: int) -> Vectors:
    return np.eye(8, dtype=np.float32)[[place]]


def make(folder: Path, *ids: str, encoder: EncoderIdentity = ENCODER) -> Path:
    with SqliteCatalog.open(folder, encoder, create=True) as catalog:
        for place, item_id in enumerate(ids):
            catalog.upsert([item(item_id)], axis(place))
    return folder


def ids_of(catalog: SqliteCatalog) -> list[str]:
    [found] = catalog.search(axis(0), 9)
    assert len(found) == catalog.count() == catalog.count({"name": {"$exists": True}})
    return [match.item.id for match in found]


@pytest.mark.parametrize("only_database", [True, False])
def test_a_removed_catalog_takes_no_write_and_works_when_it_is_back(
    tmp_path: Path, only_database: bool
) -> None:
    here, away = make(tmp_path / "here", "a"), tmp_path / "away"
    moved = here / "catalog.sqlite" if only_database else here
    with SqliteCatalog.open(here) as catalog, Ledger.open(here) as ledger:
        assert ids_of(catalog) == ["a"]
        moved.rename(away)
        for _ in range(2):
            with pytest.raises(CatalogUnavailable, match="was removed"):
                catalog.upsert([item("lost")], axis(1))
            with pytest.raises(CatalogUnavailable, match="was removed"):
                catalog.search(axis(0), 1)
            with pytest.raises(CatalogUnavailable, match="was removed"):
                catalog.count()
            with pytest.raises(CatalogUnavailable, match="was removed"):
                ledger.record([Outcome("lost", "indexed")])
        assert moved.exists() is False
        away.rename(moved)
        catalog.upsert([item("b")], axis(1))
        assert ids_of(catalog) == ["a", "b"]
        assert ledger.rows() == []


@pytest.mark.parametrize("revisions", [1, 2, 5])
def test_a_swapped_catalog_is_opened_and_loaded_again(tmp_path: Path, revisions: int) -> None:
    here = make(tmp_path / "here", "a", "b")
    others = [f"n{number}" for number in range(revisions)]
    there = make(tmp_path / "there", *others)
    with SqliteCatalog.open(here) as catalog, Ledger.open(here) as ledger:
        assert ids_of(catalog) == ["a", "b"]
        here.rename(tmp_path / "old")
        there.rename(here)
        assert ids_of(catalog)[0] == "n0"
        assert set(ids_of(catalog)) == set(others)
        catalog.upsert([item("z")], axis(7))
        ledger.record([Outcome("z", "indexed")])
    with SqliteCatalog.open(here) as again, Ledger.open(here) as ledger:
        assert set(ids_of(again)) == {*others, "z"}
        assert [row.id for row in ledger.rows()] == ["z"]
    with SqliteCatalog.open(tmp_path / "old") as old:
        assert ids_of(old) == ["a", "b"]


def test_a_catalog_removed_and_restored_from_a_copy(tmp_path: Path) -> None:
    here = make(tmp_path / "here", "a")
    shutil.copytree(here, tmp_path / "backup")
    with SqliteCatalog.open(here) as catalog:
        catalog.upsert([item("b")], axis(1))
        assert ids_of(catalog) == ["a", "b"]
        shutil.rmtree(here)
        shutil.copytree(tmp_path / "backup", here)
        assert ids_of(catalog) == ["a"]
        catalog.upsert([item("c")], axis(2))
    with SqliteCatalog.open(here) as again:
        assert ids_of(again) == ["a", "c"]


def test_the_log_of_another_database_is_not_replayed(tmp_path: Path) -> None:
    here = make(tmp_path / "here", "a")
    shutil.copytree(here, tmp_path / "backup")
    file = here / "catalog.sqlite"
    with SqliteCatalog.open(here) as catalog:
        catalog.upsert([item("b")], axis(1))
        file.unlink()
        shutil.copy(tmp_path / "backup" / "catalog.sqlite", file)
        with pytest.raises(
            CatalogUnavailable, match="the log of the catalog that was there before"
        ):
            catalog.count()
        for suffix in ("-wal", "-shm"):
            Path(f"{file}{suffix}").unlink()
        assert ids_of(catalog) == ["a"]


def test_what_a_removed_log_held_is_saved(tmp_path: Path) -> None:
    here = make(tmp_path / "here", "a")
    log = here / "catalog.sqlite-wal"
    with SqliteCatalog.open(here) as catalog, Ledger.open(here) as ledger:
        catalog.upsert([item("b")], axis(1))
        ledger.record([Outcome("b", "indexed")])
        log.unlink()
        catalog.upsert([item("c")], axis(2))
        ledger.record([Outcome("c", "indexed")])
        assert ids_of(catalog) == ["a", "b", "c"]
        assert log.exists()
        with SqliteCatalog.open(here) as second:
            assert ids_of(second) == ["a", "b", "c"]
    with SqliteCatalog.open(here) as again, Ledger.open(here) as ledger:
        assert ids_of(again) == ["a", "b", "c"]
        assert [row.id for row in ledger.rows()] == ["b", "c"]


@pytest.mark.parametrize("content", [b"", b"no database" * 1000])
def test_a_file_that_is_no_catalog_is_refused_and_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    here = make(tmp_path / "here", "a")
    file = here / "catalog.sqlite"
    with SqliteCatalog.open(here) as catalog:
        assert ids_of(catalog) == ["a"]
        here.rename(tmp_path / "old")
        here.mkdir()
        file.write_bytes(content)
        with pytest.raises(CatalogUnavailable, match="can't be used"):
            catalog.upsert([item("b")], axis(1))
        assert file.read_bytes() == content
        shutil.rmtree(here)
        (tmp_path / "old").rename(here)
        assert ids_of(catalog) == ["a"]


def test_a_catalog_of_another_encoder_is_refused(tmp_path: Path) -> None:
    here, there = make(tmp_path / "here", "a"), make(tmp_path / "there", "a", encoder=OTHER)
    with SqliteCatalog.open(here) as catalog:
        here.rename(tmp_path / "old")
        there.rename(here)
        with pytest.raises(EncoderMismatch):
            catalog.search(axis(0), 1)
        with pytest.raises(EncoderMismatch):
            catalog.upsert([item("b")], axis(1))


def test_a_write_during_which_the_catalog_is_replaced_is_not_acknowledged(tmp_path: Path) -> None:
    here, there = make(tmp_path / "here", "a"), make(tmp_path / "there", "n")
    with SqliteCatalog.open(here) as catalog:
        write = catalog._database.write()
        connection = write.__enter__()
        connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'revision'")
        here.rename(tmp_path / "old")
        there.rename(here)
        with pytest.raises(CatalogUnavailable, match="while something was written"):
            write.__exit__(None, None, None)
        catalog.upsert([item("b")], axis(1))
        assert ids_of(catalog) == ["n", "b"]
