"""What a process keeps in memory of a catalog: rows, vectors, columns, brought up to date by need.

A position is an item's place in memory: the number that `ExactIndex` gave its vector and the
offset in every column. Positions ascend with rows, so they ascend with the order of first indexing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinlens.catalog.columns import Columns, Mask
from kinlens.catalog.database import Database
from kinlens.catalog.filters import AllOf, Filter
from kinlens.catalog.locks import ReadWriteLock
from kinlens.catalog.records import id_of_row, metadata_of, vectors_of
from kinlens.catalog.spaces import Head, head_of, incomplete
from kinlens.errors import CatalogError
from kinlens.types import Field, Metric, Vectors

if TYPE_CHECKING:
    from kinlens.neighbors import ExactIndex, Neighbors

_BLOCK = 2048
_MASKS_KEPT = 16
_DEAD_ALLOWED = 1000


class Matrix:
    """The memory of one process; see `Contents` for what it holds.

    Parameters
    ----------
    database : of the catalog
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = ReadWriteLock()
        self._contents = Contents()

    @contextmanager
    def current(
        self, *, vectors: bool = False, columns: bool = False
    ) -> Iterator[tuple[sqlite3.Connection, Head, Contents]]:
        """A connection and contents that show the same, the latest, state of the catalog.

        Parameters
        ----------
        vectors : the contents need the vectors
        columns : the contents need the metadata
        """
        while True:
            with self._database.read() as connection:
                head = head_of(connection)
                if head is None:
                    raise CatalogError(f"{self._database.path} has no encoder yet; index again.")
                with self._lock.read():
                    if self._contents.shows(head, vectors=vectors, columns=columns):
                        yield connection, head, self._contents
                        return
                with self._lock.write() as downgrade:
                    # Another thread may have read a later state than this connection shows.
                    if self._contents.state <= (head.generation, head.revision):
                        self._contents.follow(connection, head, vectors=vectors, columns=columns)
                        downgrade()
                        yield connection, head, self._contents
                        return

    @property
    def nbytes(self) -> int:
        """Bytes of the vectors in memory; 0 before the first search."""
        index = self._contents.index
        return 0 if index is None else index.nbytes

    @property
    def loaded(self) -> bool:
        """Whether anything has been needed yet."""
        return self._contents.revision >= 0

    def clear(self) -> None:
        """Forget everything; it is loaded again when needed."""
        with self._lock.write():
            self._contents.clear()


class Contents:
    """Rows, and as needed their vectors and their metadata, as of one revision."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.revision = -1
        self.generation = 0
        self.index: ExactIndex | None = None
        self._space = 0
        self._columns: Columns | None = None
        self._rows = np.empty(0, np.int64)
        self._alive = np.empty(0, np.bool_)
        self._living = 0
        self._masks: dict[str, tuple[Mask, int]] = {}
        self._fields: tuple[Field, ...] | None = None

    def __len__(self) -> int:
        return self._living

    @property
    def state(self) -> tuple[int, int]:
        """Generation and revision that the contents show; later ones are greater."""
        return self.generation, self.revision

    @property
    def columns(self) -> Columns:
        """The metadata, if it was asked for."""
        if self._columns is None:
            raise CatalogError("The columns were not asked for; this is a mistake in Kinlens.")
        return self._columns

    def rows(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The rows at these positions, any shape."""
        return self._rows[positions]

    def mask(self, tree: Filter) -> tuple[Mask, int]:
        """Where a filter holds for living items, and for how many."""
        key = repr(tree)
        found = self._masks.get(key)
        if found is None:
            mask = self._alive
            if tree != AllOf(()):
                mask = mask & self.columns.mask(tree, len(self._rows))
            found = mask, int(np.count_nonzero(mask))
            if len(self._masks) >= _MASKS_KEPT:
                self._masks.clear()
            self._masks[key] = found
        return found

    def search(self, queries: Vectors, k: int, metric: Metric, tree: Filter | None) -> Neighbors:
        """The nearest living positions for which the filter holds; needs the vectors."""
        if self.index is None:
            raise CatalogError("The vectors were not asked for; this is a mistake in Kinlens.")
        mask = None if tree is None else self.mask(tree)[0]
        return self.index.search(queries, k, metric=metric, mask=mask)

    def passes(self, tree: Filter, rows: npt.NDArray[np.int64]) -> Mask:
        """For which of these living rows a filter holds."""
        return self.mask(tree)[0][self._positions(rows)]

    def kinds(
        self, compared: Iterable[tuple[str, str]], *, every: bool
    ) -> dict[str, frozenset[str]]:
        """See `Catalog.kinds`."""
        columns = self.columns
        names = {name for name, one in compared if every or columns.never_meets(name, one)}
        return {name: columns.kinds(name, self._alive) for name in names}

    def fields(self) -> tuple[Field, ...]:
        """What the metadata fields hold."""
        if self._fields is None:
            self._fields = self.columns.fields(self._alive)
        return self._fields

    def shows(self, head: Head, *, vectors: bool, columns: bool) -> bool:
        """Whether it is up to date and has what is needed."""
        return (
            self.state == (head.generation, head.revision)
            and not (vectors and (self.index is None or self._space != head.space))
            and not (columns and self._columns is None)
        )

    def follow(
        self, connection: sqlite3.Connection, head: Head, *, vectors: bool, columns: bool
    ) -> None:
        """Catch up with the state that the connection shows, and load what is needed."""
        try:
            self._drop_what_is_stale(head, vectors=vectors)
            if self.revision < 0:
                self._append_rows(_rows(connection, -1))
            elif self.revision < head.revision:
                self._apply(connection)
            if vectors and self.index is None:
                self._load_vectors(connection, head)
            if columns and self._columns is None:
                self._columns = Columns()
                self._load_metadata(connection, -1)
                self._columns.seal()
        except BaseException:
            self.clear()
            raise
        self._masks, self._fields = {}, None
        self.generation, self.revision = head.generation, head.revision

    def _drop_what_is_stale(self, head: Head, *, vectors: bool) -> None:
        if self.generation != head.generation:  # another file, whose revisions say nothing here
            self.clear()
        if self.index is not None and self._space != head.space:
            self.index = None
        dead = len(self._rows) - self._living
        forgotten = self.revision < head.deletions_from
        misaligned = vectors and self.index is None and dead
        if forgotten or misaligned or dead > self._living + _DEAD_ALLOWED:
            self.clear()
        elif self._columns is not None and self._columns.worn(self._living):
            self._columns = None

    def _append_rows(self, rows: npt.NDArray[np.int64]) -> None:
        self._rows = np.concatenate([self._rows, rows])
        self._alive = np.concatenate([self._alive, np.ones(len(rows), np.bool_)])
        self._living += len(rows)

    def _apply(self, connection: sqlite3.Connection) -> None:
        """Do again what was written since `revision`: deletions, new rows, changed rows."""
        self._delete(connection)
        changed = _rows(connection, self.revision)
        self._append_rows(changed[changed > self._last_row])
        if self._columns is not None:
            self._load_metadata(connection, self.revision)
        if self.index is not None:
            self._change_vectors(connection, self.index)

    @property
    def _last_row(self) -> int:
        return int(self._rows[-1]) if len(self._rows) else 0

    def _delete(self, connection: sqlite3.Connection) -> None:
        found = connection.execute(
            "SELECT row FROM deletions INDEXED BY deletions_by_revision WHERE revision > ?",
            (self.revision,),
        )
        gone = np.array([row for (row,) in found], np.int64)
        # A row that came and went since the last look was never here.
        gone = gone[np.isin(gone, self._rows)]
        positions = self._positions(gone)
        self._alive = self._alive.copy()
        self._alive[positions] = False
        self._living -= len(positions)
        if self.index is not None and len(positions):
            self.index.delete(positions)

    def _positions(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
        return np.searchsorted(self._rows, rows)

    def _load_metadata(self, connection: sqlite3.Connection, revision: int) -> None:
        found = _items_since(connection, "row, metadata", revision)
        while block := found.fetchmany(_BLOCK):
            rows, texts = zip(*block, strict=True)
            positions = self._positions(np.array(rows, np.int64))
            self.columns.put(positions, metadata_of(texts, _namer(connection, rows)))

    def _load_vectors(self, connection: sqlite3.Connection, head: Head) -> None:
        from kinlens.neighbors import ExactIndex  # noqa: PLC0415 - takes long, and one search needs none

        index = ExactIndex(head.encoder.dim)
        found = connection.execute(
            "SELECT row, vector FROM vectors WHERE space = ? ORDER BY row", (head.space,)
        )
        for rows, vectors in _vector_blocks(found, connection, index.dim):
            start = index.capacity
            if not np.array_equal(rows, self._rows[start : start + len(rows)]):
                raise incomplete(head)
            index.append(vectors)
        if index.capacity != len(self._rows):
            raise incomplete(head)
        self.index, self._space = index, head.space

    def _change_vectors(self, connection: sqlite3.Connection, index: ExactIndex) -> None:
        found = connection.execute(
            "SELECT items.row, vector FROM items INDEXED BY items_by_revision "
            "CROSS JOIN vectors ON vectors.row = items.row "
            "WHERE space = ? AND revision > ? AND encoded > ? ORDER BY items.row",
            (self._space, self.revision, self.revision),
        )
        known = index.capacity
        for rows, vectors in _vector_blocks(found, connection, index.dim):
            positions = self._positions(rows)
            old = positions < known
            if old.any():
                index.replace(positions[old], vectors[old])
            if not old.all():
                index.append(vectors[~old])
        if index.capacity != len(self._rows):
            raise CatalogError("Items were stored without vectors; run `kinlens doctor`.")


def _rows(connection: sqlite3.Connection, revision: int) -> npt.NDArray[np.int64]:
    found = _items_since(connection, "row", revision)
    return np.array([row for (row,) in found], np.int64)


def _items_since(connection: sqlite3.Connection, columns: str, revision: int) -> sqlite3.Cursor:
    """Items written after a revision, all for -1, in order of row."""
    if revision < 0:
        return connection.execute(f"SELECT {columns} FROM items ORDER BY row")
    # Left alone, SQLite prefers walking the whole table in order to sorting the few that changed.
    return connection.execute(
        f"SELECT {columns} FROM items INDEXED BY items_by_revision WHERE revision > ? ORDER BY row",
        (revision,),
    )


def _vector_blocks(
    found: sqlite3.Cursor, connection: sqlite3.Connection, dim: int
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    while block := found.fetchmany(_BLOCK):
        rows, blobs = zip(*block, strict=True)
        vectors = vectors_of(blobs, dim, _namer(connection, rows))
        yield np.array(rows, np.int64), vectors


def _namer(connection: sqlite3.Connection, rows: Sequence[int]) -> Callable[[int], str]:
    return lambda place: id_of_row(connection, rows[place])
