"""Migrations: numbered, never edited once released, applied to databases of any age."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from catalog.samples import create, items, unit
from kinlens.catalog import schema
from kinlens.catalog.database import FILE_NAME, Database
from kinlens.errors import CatalogError

# One line for each released migration. A line that no longer fits its file means that a released
# migration was edited: undo that and write the next number instead.
RELEASED: dict[str, str] = {}


def test_released_migrations_were_not_edited() -> None:
    found = {name: hashlib.sha256(sql.encode()).hexdigest() for name, sql in schema.migrations()}
    assert {name: found[name] for name in RELEASED} == RELEASED


@pytest.mark.parametrize("age", range(len(schema.migrations()) + 1))
def test_a_database_of_any_age_is_brought_up_to_date(tmp_path: Path, age: int) -> None:
    old = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    old.execute("BEGIN")
    schema.migrate(old, upto=age)
    old.execute("COMMIT")
    assert schema.version(old) == age
    old.close()

    with create(tmp_path) as catalog:
        catalog.upsert(items(3), unit(3))
        assert catalog.count() == 3

    database = Database(tmp_path / FILE_NAME, create=False)
    with database.read() as connection:
        assert schema.version(connection) == len(schema.migrations())
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
        tables = connection.execute("SELECT name, strict FROM pragma_table_list").fetchall()
    database.close()
    assert all(strict for name, strict in tables if not name.startswith("sqlite_"))


def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with create(tmp_path) as catalog:
        catalog.upsert(items(3), unit(3))
    broken = [*schema.migrations(), ("9999_broken.sql", "CREATE TABLE more (a);\nSELECT lacking;")]
    with monkeypatch.context() as patch:
        patch.setattr(schema, "migrations", lambda: broken)
        with pytest.raises(CatalogError, match="no such column"):
            create(tmp_path)
    with create(tmp_path) as catalog:
        assert catalog.count() == 3


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    create(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(CatalogError, match=r"format 99, made by a newer Kinlens.*Upgrade"):
        create(tmp_path)


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / FILE_NAME)
    other.execute("CREATE TABLE theirs (a)")
    other.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(CatalogError, match="another program"):
        create(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before
