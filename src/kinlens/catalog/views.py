"""One state of the embedded catalog, seen through a filter."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from kinlens.catalog import records, scanning
from kinlens.catalog.filters import EVERYTHING, Exists, Filter
from kinlens.catalog.matrix import Contents
from kinlens.catalog.spaces import Head
from kinlens.errors import CatalogError
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

Rows = npt.NDArray[np.int64]
Distances = npt.NDArray[np.float64]

SCAN_BLOCK = 500
_LONGEST_WALK = 16_000


class SqliteView:
    """A `CatalogView`: a read transaction, and the contents of the memory that show its state.

    Parameters
    ----------
    connection : in a read transaction
    head : what the transaction shows
    contents : of the same revision, held by a reader's lock; None where none are needed. Without
        vectors in them, a search reads those of the database
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
        if self._loaded is None or self._loaded.index is None:
            found = scanning.nearest(
                self._connection, self._head, queries, k, metric, passing=self._passing()
            )
        else:
            tree = None if self._where == EVERYTHING else self._where
            near = self._loaded.search(queries, k, metric, tree)
            rows = self._loaded.rows(near.rows)
            found = list(zip(rows, near.distances, strict=True))
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

    def _passing(self) -> Callable[[Rows], npt.NDArray[np.bool_]] | None:
        """For rows, which of them pass the filter; None where there is none."""
        if self._where == EVERYTHING:
            return None
        contents = self._contents
        return lambda rows: contents.passes(self._where, rows)

    def _matches(
        self, found: Sequence[tuple[Rows, Distances]], metric: Metric
    ) -> list[list[Match]]:
        """The matches of each query, of its rows and their distances."""
        rows = np.concatenate([one for one, _ in found]) if found else np.empty(0, np.int64)
        items = records.items_by_row(self._connection, np.unique(rows).tolist())
        return [
            [
                Match(items[row], *values)
                for row, *values in zip(
                    one.tolist(), _scores(distances, metric), distances.tolist(), strict=True
                )
            ]
            for one, distances in found
        ]


def _scores(distances: Distances, metric: Metric) -> list[float]:
    # Unit vectors: |a - b|^2 = 2 - 2 cos(a, b).
    scores = 1 - (distances if metric == "cosine" else distances**2 / 2)
    clipped: list[float] = np.clip(scores, -1, 1).tolist()
    return clipped


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
