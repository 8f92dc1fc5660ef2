"""The embedded catalog: a folder with one SQLite database, and a search matrix in memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np

from kinlens.catalog import filters, records, snapshots, spaces, writes
from kinlens.catalog.base import CatalogSnapshot, CatalogStats
from kinlens.catalog.database import BUSY_TIMEOUT, FILE_NAME, Database
from kinlens.catalog.failures import is_file
from kinlens.catalog.matrix import Matrix
from kinlens.catalog.owners import HAND, Claim, Owners, not_owned
from kinlens.catalog.views import SCAN_BLOCK, SqliteView, vectors_of
from kinlens.errors import CatalogError
from kinlens.types import (
    EncoderIdentity,
    FacetCount,
    Field,
    Item,
    Match,
    Metric,
    Vectors,
    Where,
    check_id,
    check_k,
    check_metric,
)


class SqliteCatalog:
    """A `Catalog` in a folder. Thread-safe; several processes may use it at once.

    Writes wait for each other, reads wait for nothing. What was written is on the disk when the
    call returns. Ids sort by their UTF-8 bytes.
    """

    def __init__(
        self, database: Database, encoder: EncoderIdentity, *, resident: bool = True
    ) -> None:
        self._database = database
        self._resident = resident
        self._matrix = Matrix(database)
        self._encoder = encoder

    @classmethod
    def open(
        cls,
        folder: Path,
        encoder: EncoderIdentity | None = None,
        *,
        create: bool = False,
        timeout: float = BUSY_TIMEOUT,
        resident: bool = True,
    ) -> SqliteCatalog:
        """Open the catalog in a folder.

        Parameters
        ----------
        folder : the data folder
        encoder : whose vectors will be written and searched; None for the one the catalog has
        create : make the catalog if there is none; needs an encoder
        timeout : seconds that a write waits for another one before `CatalogBusy`
        resident : the first search loads all vectors into memory, for the next ones; False for a
            process that searches once, whose searches read them from the database

        Raises
        ------
        EncoderMismatch : the catalog holds another encoder's vectors
        CatalogError : there is no catalog, or it can't be used
        """
        database = Database(Path(folder) / FILE_NAME, create=create, timeout=timeout)
        try:
            known = _opened(database, encoder, create=create)
            return cls(database, known, resident=resident)
        except BaseException:
            database.close()
            raise

    @staticmethod
    def identity_of(folder: Path) -> EncoderIdentity | None:
        """Whose vectors the catalog of a folder holds; None if there is no catalog yet."""
        path = Path(folder) / FILE_NAME
        if not is_file(path):
            return None
        database = Database(path, create=False)
        try:
            with database.read() as connection:
                head = spaces.head_of(connection)
        finally:
            database.close()
        return None if head is None else head.encoder

    @property
    def exact(self) -> bool:
        """See `Catalog.exact`."""
        return True

    @property
    def encoder(self) -> EncoderIdentity:
        """See `Catalog.encoder`."""
        return self._encoder

    @property
    def owners(self) -> Owners:
        """See `Catalog.owners`."""
        return Owners(self._database)

    def upsert(
        self, items: Sequence[Item], vectors: Vectors, claim: Claim = HAND
    ) -> dict[str, str]:
        """See `Catalog.upsert`."""
        blobs = records.blobs_of(vectors, len(items), self._encoder.dim)
        if not items:
            return {}
        with self._database.write() as connection:
            return writes.upsert(connection, items, blobs, self._head(connection).space, claim)

    def update_metadata(self, items: Sequence[Item], claim: Claim = HAND) -> dict[str, str]:
        """See `Catalog.update_metadata`."""
        if not items:
            return {}
        with self._database.write() as connection:
            return writes.update(connection, items, claim)

    def delete(self, ids: Sequence[str], *, owner: int | None = None) -> list[str]:
        """See `Catalog.delete`; in the order asked."""
        with self._database.write() as connection:
            if owner is not None:
                others = not_owned(connection, ids, owner)
                ids = [item_id for item_id in ids if item_id not in others]
            found = writes.rows_of(connection, ids)
            if found:
                writes.delete(connection, list(found.values()))
        return [item_id for item_id in dict.fromkeys(ids) if item_id in found]

    @contextmanager
    def view(
        self,
        where: Where | filters.Filter | None = None,
        *,
        vectors: bool = False,
        metadata: bool = False,
    ) -> Iterator[SqliteView]:
        """See `Catalog.view`."""
        tree = filters.parse(where)
        columns = metadata or tree != filters.EVERYTHING
        loaded = vectors and self._resident
        if loaded or columns:
            with self._matrix.current(vectors=loaded, columns=columns) as now:
                if vectors:
                    spaces.check_encoder(now[1], self._encoder)
                yield SqliteView(*now, tree)
        else:
            with self._database.read() as connection:
                head = spaces.known_head(connection)
                if vectors:
                    spaces.check_encoder(head, self._encoder)
                yield SqliteView(connection, head, None, tree)

    def get(self, ids: Sequence[str]) -> dict[str, Item]:
        """See `Catalog.get`; in the order asked."""
        with self.view() as view:
            return view.get(ids)

    def referenced(self, pictures: Sequence[str]) -> set[str]:
        """See `Catalog.referenced`."""
        with self._database.read() as connection:
            found = connection.execute(
                "SELECT DISTINCT picture FROM items WHERE substr(picture, 1, 5) = 'copy:' "
                "AND picture IN (SELECT value FROM json_each(?))",
                (json.dumps(list(pictures)),),
            )
            return {picture for (picture,) in found}

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """See `Catalog.vectors`."""
        with self._database.read() as connection:
            head = self._head(connection)
            writes.rows_of_all(connection, ids)
            found = vectors_of(connection, head, ids)
        return np.array([found[item_id] for item_id in ids], np.float32).reshape(
            -1, head.encoder.dim
        )

    def search(
        self,
        vectors: Vectors,
        k: int,
        *,
        where: Where | None = None,
        metric: Metric = "cosine",
    ) -> list[list[Match]]:
        """See `Catalog.search`."""
        check_k(k)
        check_metric(metric)
        queries = records.checked_vectors(vectors, self._encoder.dim)
        with self.view(where, vectors=True) as view:
            return view.search(queries, k, metric=metric)

    def count(self, where: Where | None = None) -> int:
        """See `Catalog.count`."""
        if not where and self._matrix.loaded:
            with self._matrix.current() as (_, _, contents):
                return len(contents)
        with self.view(where) as view:
            return view.count()

    def facets(
        self, fields: Sequence[str], where: Where | None = None, *, limit: int = 100
    ) -> Mapping[str, tuple[FacetCount, ...]]:
        """See `Catalog.facets`; ties in the order null, false, true, numbers, texts."""
        with self.view(where, metadata=True) as view:
            return view.facets(fields, limit=limit)

    def fields(self) -> tuple[Field, ...]:
        """See `Catalog.fields`."""
        with self.view(metadata=True) as view:
            return view.fields()

    def kinds(
        self, compared: Iterable[tuple[str, str]], *, every: bool = False
    ) -> dict[str, frozenset[str]]:
        """See `Catalog.kinds`."""
        with self._matrix.current(columns=True) as (_, _, contents):
            return contents.kinds(compared, every=every)

    def scan(
        self, where: Where | None = None, *, after: str | None = None, limit: int | None = None
    ) -> Iterator[Item]:
        """See `Catalog.scan`; ids ascend by their UTF-8 bytes.

        It reads in blocks, each of which is one state: an item that is written meanwhile may or may
        not be given, once. `view` gives all in one state.
        """
        if after:
            check_id(after)
        return islice(self._blocks(filters.parse(where), after, limit), limit)

    @contextmanager
    def snapshot(self, *, metadata: bool = True) -> Iterator[CatalogSnapshot]:
        """See `Catalog.snapshot`."""
        with self._database.read() as connection:
            yield snapshots.snapshot_of(connection, self._head(connection), metadata=metadata)

    def load(self) -> None:
        """Bring the search matrix into memory now, rather than at the first search."""
        with self._matrix.current(vectors=True):
            pass

    def stats(self) -> CatalogStats:
        """How large it is."""
        return CatalogStats(
            items=self.count(),
            dim=self._encoder.dim,
            matrix_bytes=self._matrix.nbytes,
            database_bytes=self._database.size(),
            encoder=self._encoder,
        )

    def encoders(self) -> list[EncoderIdentity]:
        """The encoders whose vectors it holds, the active one first."""
        with self._database.read() as connection:
            return spaces.identities(connection)

    def fill_space(self, encoder: EncoderIdentity) -> spaces.SpaceFill:
        """Begin, or go on with, the vectors of another encoder beside the active ones."""
        with self._database.write() as connection:
            space = spaces.add_space(connection, encoder, active=False)
        return spaces.SpaceFill(self._database, encoder, space)

    def activate_space(self, fingerprint: str) -> None:
        """Switch to a filled space in one transaction; `encoder` is then its encoder.

        Others who have the catalog open get `EncoderMismatch` from then on.

        Raises
        ------
        CatalogError : there is no such space, or items have no vector in it yet
        """
        with self._database.write() as connection:
            self._encoder = spaces.activate(connection, fingerprint)

    def delete_space(self, fingerprint: str) -> None:
        """Remove the vectors of an encoder that isn't active."""
        spaces.delete(self._database, fingerprint)

    def close(self) -> None:
        """See `Catalog.close`."""
        self._database.close()
        self._matrix.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _head(self, connection: sqlite3.Connection) -> spaces.Head:
        head = spaces.head_of(connection)
        if head is None:
            raise CatalogError(f"{self._database.path} has no vectors yet; index again.")
        spaces.check_encoder(head, self._encoder)
        return head

    def _blocks(self, tree: filters.Filter, after: str | None, limit: int | None) -> Iterator[Item]:
        size = SCAN_BLOCK if limit is None else min(limit, SCAN_BLOCK)
        while size:
            with self.view(tree) as view:
                found = list(view.scan(after=after, limit=size))
            yield from found
            if len(found) < size:
                return
            after = found[-1].id


def _opened(
    database: Database, encoder: EncoderIdentity | None, *, create: bool
) -> EncoderIdentity:
    with database.read() as connection:
        head = spaces.head_of(connection)
    if head is None and create and encoder is not None:
        with database.write() as connection:
            if spaces.head_of(connection) is None:
                spaces.add_space(connection, encoder, active=True)
            head = spaces.head_of(connection)
    if head is None:
        raise CatalogError(
            f"The catalog in {database.path.parent} is empty and no encoder was given; index "
            f"pictures with `kinlens index SOURCE --data {database.path.parent}`."
        )
    if encoder is not None:
        spaces.check_encoder(head, encoder)
    return encoder or head.encoder
