"""One state of the embedded catalog, seen through a filter."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from kinlens.catalog import records
from kinlens.catalog.filters import EVERYTHING, Exists, Filter
from kinlens.catalog.matrix import Contents
from kinlens.catalog.spaces import Head
from kinlens.errors import CatalogError
from kinlens.neighbors import Neighbors
from kinlens.types import (
    FacetCount,
    Field,
    Item,
    Match,
    Metric,
    Vectors,
    check_id,
    check_k,
    check_metric,
)

SCAN_BLOCK = 500
_LONGEST_WALK = 16_000


class SqliteView:
    """A `CatalogView`: a read transaction, and the contents of the memory that show its state.

    Parameters
    ----------
    connection : in a read transaction
    head : what the transaction shows
    contents : of the same revision, held by a reader's lock; None where none are needed
    where : the filter
    """

    def __init__(
        self, connection: sqlite3.Connection, head: Head, contents: Contents | None, where: Filter
    ) -> None:
        self._connection = connection
        self._head = head
        self._loaded = contents
        self._where = where

    @property
    def where(self) -> Filter:
        """See `CatalogView.where`."""
        return self._where

    @property
    def size(self) -> int:
        """See `CatalogView.size`."""
        if self._loaded is not None:
            return len(self._loaded)
        total: int = self._connection.execute("SELECT count(*) FROM items").fetchone()[0]
        return total

    def count(self) -> int:
        """See `CatalogView.count`."""
        return self.size if self._where == EVERYTHING else self._contents.mask(self._where)[1]

    def has_field(self, name: str) -> bool:
        """See `CatalogView.has_field`."""
        return self._contents.mask(Exists(name))[1] > 0

    def fields(self) -> tuple[Field, ...]:
        """See `CatalogView.fields`."""
        return self._contents.fields()

    def kinds(
        self, compared: Iterable[tuple[str, str]], *, every: bool = False
    ) -> dict[str, frozenset[str]]:
        """See `CatalogView.kinds`."""
        return self._contents.kinds(compared, every=every)

    def facets(
        self, fields: Sequence[str], *, limit: int = 100
    ) -> Mapping[str, tuple[FacetCount, ...]]:
        """See `CatalogView.facets`; ties in the order null, false, true, numbers, texts."""
        check_k(limit)
        mask, _ = self._contents.mask(self._where)
        return {name: self._contents.columns.facets(name, mask, limit) for name in fields}

    def search(self, vectors: Vectors, k: int, *, metric: Metric = "cosine") -> list[list[Match]]:
        """See `CatalogView.search`."""
        check_k(k)
        check_metric(metric)
        queries = records.checked_vectors(vectors, self._head.encoder.dim)
        tree = None if self._where == EVERYTHING else self._where
        found = self._contents.search(queries, k, metric, tree)
        return self._matches(found, metric)

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Item]:
        """See `CatalogView.scan`; ids ascend by their UTF-8 bytes."""
        if after:
            check_id(after)
        if self._where == EVERYTHING:
            found = self._scan_all(after or "", limit)
        else:
            found = self._scan_filtered(after or "")
        return islice(found, limit)

    def get(self, ids: Sequence[str]) -> dict[str, Item]:
        """See `CatalogView.get`; in the order asked."""
        found = self._connection.execute(
            f"SELECT {records.ITEM_COLUMNS} FROM items "
            "WHERE id IN (SELECT value FROM json_each(?))",
            (records.usable_ids(ids),),
        ).fetchall()
        items = {item.id: item for item in records.items_of(found)}
        return {item_id: items[item_id] for item_id in ids if item_id in items}

    def vectors_of(self, ids: Sequence[str]) -> dict[str, Vectors]:
        """See `CatalogView.vectors_of`."""
        return vectors_of(self._connection, self._head, ids)

    @property
    def _contents(self) -> Contents:
        if self._loaded is None:
            raise CatalogError("The view wasn't opened for this; this is a mistake in Kinlens.")
        return self._loaded

    def _scan_all(self, after: str, limit: int | None) -> Iterator[Item]:
        size = SCAN_BLOCK if limit is None else min(limit, SCAN_BLOCK)
        while True:
            found = self._connection.execute(
                f"SELECT {records.ITEM_COLUMNS} FROM items WHERE id > ? ORDER BY id LIMIT ?",
                (after, size),
            ).fetchall()
            if not found:
                return
            after = found[-1][0]
            yield from records.items_of(found)

    def _scan_filtered(self, after: str) -> Iterator[Item]:
        """Walks over the ids alone, and reads what passes."""
        size = SCAN_BLOCK
        while True:
            walked = self._connection.execute(
                "SELECT row, id FROM items WHERE id > ? ORDER BY id LIMIT ?", (after, size)
            ).fetchall()
            if not walked:
                return
            rows = np.array([row for row, _ in walked], np.int64)
            passing = rows[self._contents.passes(self._where, rows)].tolist()
            items = records.items_by_row(self._connection, passing)
            after = walked[-1][1]
            if len(passing) < SCAN_BLOCK // 4:
                size = min(2 * size, _LONGEST_WALK)
            yield from (items[row] for row in passing)

    def _matches(self, found: Neighbors, metric: Metric) -> list[list[Match]]:
        rows = self._contents.rows(found.rows)
        items = records.items_by_row(self._connection, np.unique(rows).tolist())
        # Unit vectors: |a - b|^2 = 2 - 2 cos(a, b).
        scores = 1 - (found.distances if metric == "cosine" else found.distances**2 / 2)
        return [
            [Match(items[row], *values) for row, *values in zip(*query, strict=True)]
            for query in zip(
                rows.tolist(),
                np.clip(scores, -1, 1).tolist(),
                found.distances.tolist(),
                strict=True,
            )
        ]


def vectors_of(
    connection: sqlite3.Connection, head: Head, ids: Sequence[str]
) -> dict[str, Vectors]:
    """The vectors, float32 (dim,), that the active space has for these items, by id."""
    found = connection.execute(
        "SELECT id, vector FROM items JOIN vectors ON vectors.row = items.row "
        "WHERE space = ? AND id IN (SELECT value FROM json_each(?))",
        (head.space, records.usable_ids(ids)),
    ).fetchall()
    if not found:
        return {}
    names, blobs = zip(*found, strict=True)
    vectors = records.vectors_of(blobs, head.encoder.dim, names.__getitem__)
    return dict(zip(names, vectors, strict=True))
