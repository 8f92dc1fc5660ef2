"""Spaces: the vectors of one encoder each. One is active; another can be filled beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kinlens.catalog import records
from kinlens.catalog.database import CatalogConnection, Database
from kinlens.errors import CatalogError, EncoderMismatch
from kinlens.types import EncoderIdentity, Item, Vectors

_BLOCK = 1000
_ROWS_DELETED_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Head:
    """Where the catalog stands.

    Parameters
    ----------
    revision : of the last write to the items
    deletions_from : deletions up to this revision have been forgotten
    space : number of the active space
    encoder : whose vectors it holds
    generation : of the database's file; see `CatalogConnection`
    """

    revision: int
    deletions_from: int
    space: int
    encoder: EncoderIdentity
    generation: int = 0


def head_of(connection: sqlite3.Connection) -> Head | None:
    """Where the catalog stands in the connection's transaction; None before the first space."""
    found = connection.execute(_HEAD).fetchone()
    if found is None:
        return None
    revision, deletions_from, space, name, fingerprint, dim = found
    encoder = EncoderIdentity(name, fingerprint, dim)
    generation = connection.generation if isinstance(connection, CatalogConnection) else 0
    return Head(revision, deletions_from, space, encoder, generation)


def known_head(connection: sqlite3.Connection) -> Head:
    """The same; `CatalogError` before the first space."""
    head = head_of(connection)
    if head is None:
        raise CatalogError("The catalog has no vectors yet; index again.")
    return head


_HEAD = """
    SELECT
        (SELECT value FROM meta WHERE name = 'revision'),
        (SELECT value FROM meta WHERE name = 'deletions_from'),
        space, name, fingerprint, dim
    FROM spaces WHERE active = 1
"""


def check_encoder(head: Head, encoder: EncoderIdentity) -> None:
    """Raise `EncoderMismatch` unless the active space is this encoder's."""
    there = head.encoder
    if there.fingerprint != encoder.fingerprint:
        # After an update of Kinlens, the encoder of the same name may be another network.
        same = there.name == encoder.name
        raise EncoderMismatch(
            f"The catalog holds vectors of {'another version of ' if same else ''}{there.name} "
            f"({there.fingerprint:.16}), but the encoder here is {encoder.name} "
            f"({encoder.fingerprint:.16}); they can't be compared. "
            f"{'Make' if same else f'Open it with {there.name}, or make'} new vectors: "
            f"`kinlens reencode --data DIR --encoder {encoder.name}`."
        )


def incomplete(head: Head) -> CatalogError:
    """For items without a vector in the active space."""
    return CatalogError(
        f"Some items have no vector of {head.encoder.name}; the catalog is incomplete. "
        "`kinlens reencode` makes the missing ones."
    )


def add_space(connection: sqlite3.Connection, encoder: EncoderIdentity, *, active: bool) -> int:
    """The number of the encoder's space, made if there is none."""
    connection.execute(
        "INSERT INTO spaces (fingerprint, name, dim, active) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (fingerprint) DO NOTHING",
        (encoder.fingerprint, encoder.name, encoder.dim, 1 if active else None),
    )
    return _space_of(connection, encoder.fingerprint)


def activate(connection: sqlite3.Connection, fingerprint: str) -> EncoderIdentity:
    """Make a complete space the active one; `CatalogError` if items lack a vector in it."""
    space = _space_of(connection, fingerprint)
    lacking = _count_missing(connection, space)
    if lacking:
        raise CatalogError(
            f"{lacking} items have no vector of the new encoder yet; run `kinlens reencode` again "
            "to fill the gaps, then it becomes active."
        )
    connection.execute("UPDATE spaces SET active = NULL WHERE active = 1")
    connection.execute("UPDATE spaces SET active = 1 WHERE space = ?", (space,))
    connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'revision'")
    return identities(connection)[0]


def delete(database: Database, fingerprint: str) -> None:
    """Remove a space that isn't active, in small transactions so that the log stays small."""
    with database.read() as connection:
        last = connection.execute("SELECT coalesce(max(row), 0) FROM items").fetchone()[0]
    for first in range(0, last + 1, _ROWS_DELETED_AT_ONCE):
        with database.write() as connection:
            connection.execute(
                "DELETE FROM vectors WHERE space = ? AND row BETWEEN ? AND ?",
                (_idle_space(connection, fingerprint), first, first + _ROWS_DELETED_AT_ONCE - 1),
            )
    with database.write() as connection:
        space = _idle_space(connection, fingerprint)
        connection.execute("DELETE FROM vectors WHERE space = ?", (space,))
        connection.execute("DELETE FROM spaces WHERE space = ?", (space,))


def identities(connection: sqlite3.Connection) -> list[EncoderIdentity]:
    """The encoders that have a space, the active one first."""
    found = connection.execute(
        "SELECT name, fingerprint, dim FROM spaces ORDER BY active IS NULL, space"
    )
    return [EncoderIdentity(*record) for record in found]


class SpaceFill:
    """Writes the vectors of a second encoder, while the catalog stays in use.

    Resumable: what was put stays. An item whose picture changes meanwhile is missing again.

    Parameters
    ----------
    database : of the catalog
    encoder : of the vectors
    space : the number of its space
    """

    def __init__(self, database: Database, encoder: EncoderIdentity, space: int) -> None:
        self.encoder = encoder
        self._database = database
        self._space = space

    def remaining(self) -> int:
        """How many items have no vector in this space."""
        with self._database.read() as connection:
            return _count_missing(connection, self._space)

    def missing(self) -> Iterator[Item]:
        """Each item that has no vector in this space, in the order of first indexing."""
        last = 0
        while True:
            with self._database.read() as connection:
                found = connection.execute(
                    f"SELECT row, {records.ITEM_COLUMNS} FROM items "
                    "WHERE row > ? AND NOT EXISTS (SELECT 1 FROM vectors "
                    "WHERE vectors.row = items.row AND space = ?) ORDER BY row LIMIT ?",
                    (last, self._space, _BLOCK),
                ).fetchall()
            if not found:
                return
            last = found[-1][0]
            yield from records.items_of([record[1:] for record in found])

    def put(self, items: Sequence[Item], vectors: Vectors) -> None:
        """Store vectors; one whose item is gone or has another picture by now is left out.

        Parameters
        ----------
        items : as `missing` gave them
        vectors : float32 (len(items), dim), unit length
        """
        blobs = records.blobs_of(vectors, len(items), self.encoder.dim)
        with self._database.write() as connection:
            connection.executemany(
                "INSERT INTO vectors (row, space, vector) SELECT row, ?, ? FROM items "
                "WHERE id = ? AND content_hash = ? "
                "ON CONFLICT (row, space) DO UPDATE SET vector = excluded.vector",
                [
                    (self._space, blob, item.id, item.content_hash)
                    for item, blob in zip(items, blobs, strict=True)
                ],
            )


def _space_of(connection: sqlite3.Connection, fingerprint: str) -> int:
    found = connection.execute(
        "SELECT space FROM spaces WHERE fingerprint = ?", (fingerprint,)
    ).fetchone()
    if found is None:
        raise CatalogError(
            f"The catalog has no vectors of the encoder {fingerprint:.16}; fill them first with "
            "`kinlens reencode`."
        )
    space: int = found[0]
    return space


def _idle_space(connection: sqlite3.Connection, fingerprint: str) -> int:
    space = _space_of(connection, fingerprint)
    head = head_of(connection)
    if head is not None and head.space == space:
        raise CatalogError(
            f"The vectors of {head.encoder.name} are in use and can't be deleted; activate "
            "another encoder's first."
        )
    return space


def _count_missing(connection: sqlite3.Connection, space: int) -> int:
    missing: int = connection.execute(
        "SELECT count(*) FROM items WHERE NOT EXISTS "
        "(SELECT 1 FROM vectors WHERE vectors.row = items.row AND space = ?)",
        (space,),
    ).fetchone()[0]
    return missing
