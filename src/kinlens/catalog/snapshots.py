"""One state of a whole catalog, read through block by block, whatever is written meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import numpy as np

from kinlens.catalog.base import CatalogSnapshot, SnapshotBlock
from kinlens.catalog.records import metadata_of, vectors_of
from kinlens.catalog.spaces import Head, incomplete

_BLOCK = 2048


def snapshot_of(connection: sqlite3.Connection, head: Head, *, metadata: bool) -> CatalogSnapshot:
    """What the connection's transaction shows; see `Catalog.snapshot`."""
    count: int = connection.execute("SELECT count(*) FROM items").fetchone()[0]
    blocks = _blocks(connection, head, metadata=metadata)
    return CatalogSnapshot(head.revision, count, head.encoder, blocks)


def _blocks(
    connection: sqlite3.Connection, head: Head, *, metadata: bool
) -> Iterator[SnapshotBlock]:
    found = connection.execute(
        f"SELECT items.row, id, {'metadata' if metadata else 'NULL'}, vector FROM items "
        "LEFT JOIN vectors ON vectors.row = items.row AND space = ? ORDER BY items.row",
        (head.space,),
    )
    while block := found.fetchmany(_BLOCK):
        rows, ids, texts, blobs = zip(*block, strict=True)
        if None in blobs:
            raise incomplete(head)
        yield SnapshotBlock(
            rows=np.array(rows, np.int64),
            ids=list(ids),
            metadata=metadata_of(texts, ids.__getitem__) if metadata else [{} for _ in ids],
            vectors=vectors_of(blobs, head.encoder.dim, ids.__getitem__),
        )
