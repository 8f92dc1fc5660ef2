"""What is asked for each batch of an index run reads the rows of that batch, not all items."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from catalog.samples import create, items, unit
from kinlens.catalog.database import FILE_NAME, CatalogConnection
from kinlens.catalog.owners import Claim

Statement = tuple[str, Any]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Statement]:
    """Every statement that changes or reads rows, with its values."""
    found: list[Statement] = []
    execute, executemany = sqlite3.Connection.execute, sqlite3.Connection.executemany

    def watched(self: sqlite3.Connection, sql: str, values: Any = ()) -> sqlite3.Cursor:
        found.append((sql, values))
        return execute(self, sql, values)

    def watched_many(self: sqlite3.Connection, sql: str, rows: Any) -> sqlite3.Cursor:
        rows = list(rows)
        found.extend((sql, values) for values in rows[:1])
        return executemany(self, sql, rows)

    monkeypatch.setattr(CatalogConnection, "execute", watched)
    monkeypatch.setattr(CatalogConnection, "executemany", watched_many)
    return found


def test_a_batch_scans_no_items(tmp_path: Path, asked: list[Statement]) -> None:
    with create(tmp_path) as catalog:
        owner = catalog.owners.register("a folder", "{}")
        claim = Claim(owner, replace=False)
        catalog.upsert(items(50), unit(50), claim)
        batch = items(5)
        ids = [item.id for item in batch]
        asked.clear()
        catalog.get(ids)
        catalog.upsert(batch, unit(5), claim)
        catalog.update_metadata(batch, claim)
        catalog.owners.duplicates(batch)
        catalog.owners.take(ids, claim)
        catalog.owners.adopt(ids, owner)
        catalog.referenced(["copy:" + "a" * 64])
        catalog.vectors(ids)
        catalog.delete(ids, owner=owner)
    statements = dict(asked)
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        plans = {
            sql: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
            for sql, values in statements.items()
            if sql.startswith(("SELECT", "UPDATE", "DELETE", "INSERT"))
        }
    assert len(plans) > 8
    scanning = {sql: plan for sql, plan in plans.items() if "SCAN items" in " ".join(plan)}
    assert not scanning
