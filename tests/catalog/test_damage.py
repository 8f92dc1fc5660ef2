"""Damaged rows: the error names the item and the way to learn more."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from kinlens.catalog.sqlite import SqliteCatalog
from kinlens.errors import CatalogError
from kinlens.types import EncoderIdentity, Item

ENCODER = EncoderIdentity("test", "f" * 64, 8)
NAN = np.full(8, np.nan, "<f4").tobytes()
LONG = np.full(8, 3, "<f4").tobytes()


def broken(folder: Path, statement: str, *values: object) -> SqliteCatalog:
    vectors = np.eye(8, dtype=np.float32)[:3]
    items = [Item(one, f"path:/{one}", "a" * 64, 4, 3, {"n": 1}) for one in ("good", "bad", "last")]
    with SqliteCatalog.open(folder, ENCODER, create=True) as catalog:
        catalog.upsert(items, vectors)
    with sqlite3.connect(folder / "catalog.sqlite") as connection:
        connection.execute(statement, values)
    connection.close()
    return SqliteCatalog.open(folder)


@pytest.mark.parametrize("text", ["{", "", "[1]", "null", "{},{}", "[" * 100_000])
def test_metadata_that_is_no_object(tmp_path: Path, text: str) -> None:
    with broken(tmp_path, "UPDATE items SET metadata = ? WHERE id = 'bad'", text) as catalog:
        reads = (
            lambda: catalog.get(["bad"]),
            catalog.fields,
            lambda: catalog.count({"n": 1}),
            lambda: list(catalog.scan()),
            lambda: catalog.search(np.eye(8, dtype=np.float32)[:1], 3),
        )
        for read in reads:
            with pytest.raises(CatalogError, match=r"item 'bad' is damaged.*doctor --deep"):
                read()
        with (
            pytest.raises(CatalogError, match="item 'bad' is damaged"),
            catalog.snapshot() as snapshot,
        ):
            list(snapshot.blocks)
        assert list(catalog.get(["good"])) == ["good"]


@pytest.mark.parametrize("blob", [b"", b"abc", NAN, LONG, bytes(32), bytes(64)])
def test_a_vector_that_is_none(tmp_path: Path, blob: bytes) -> None:
    statement = "UPDATE vectors SET vector = ? WHERE row = (SELECT row FROM items WHERE id = 'bad')"
    with broken(tmp_path, statement, blob) as catalog:
        reads = (
            lambda: catalog.vectors(["good", "bad"]),
            lambda: catalog.search(np.eye(8, dtype=np.float32)[:1], 3),
        )
        for read in reads:
            with pytest.raises(CatalogError, match=r"item 'bad' is damaged.*doctor --deep"):
                read()
        with (
            pytest.raises(CatalogError, match="item 'bad' is damaged"),
            catalog.snapshot() as snapshot,
        ):
            list(snapshot.blocks)
        assert len(catalog.vectors(["good"])) == 1
        assert catalog.count({"n": 1}) == 3
