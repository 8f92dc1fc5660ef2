"""Small items and vectors for the tests of the SQLite catalog."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from kinlens.catalog.database import FILE_NAME
from kinlens.catalog.sqlite import SqliteCatalog
from kinlens.types import EncoderIdentity, Item, Metadata, Vectors

ENCODER = EncoderIdentity("first", "1" * 64, 16)
OTHER = EncoderIdentity("second", "2" * 64, 24)


def create(folder: Path, **options: float) -> SqliteCatalog:
    return SqliteCatalog.open(folder, ENCODER, create=True, **options)


def item(item_id: str, metadata: Metadata | None = None, content_hash: str = "a" * 64) -> Item:
    return Item(item_id, f"path:/p/{item_id}", content_hash, 640, 480, metadata or {})


def items(count: int, start: int = 0) -> list[Item]:
    return [item(f"i{n:06}", {"n": n}) for n in range(start, start + count)]


def unit(count: int, dim: int = ENCODER.dim, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def integrity(folder: Path) -> str:
    """ "ok", or what SQLite finds wrong with the file."""
    connection = sqlite3.connect(folder / FILE_NAME)
    try:
        dangling = connection.execute("PRAGMA foreign_key_check").fetchall()
        found: str = connection.execute("PRAGMA integrity_check").fetchone()[0]
        return f"dangling {dangling}" if dangling else found
    finally:
        connection.close()
