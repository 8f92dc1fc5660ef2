"""Who an item belongs to: the source that it was indexed from, or those who add items one by one.

A source never replaces or removes an item of another owner, unless it is told to take it over.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kinlens.catalog import records
from kinlens.catalog.database import Database
from kinlens.types import Item

BY_HAND = 0
"""The owner of items that were added by a program or a person, not by indexing a source."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose items are written, and which items may be replaced.

    Parameters
    ----------
    owner : number of a source, or `BY_HAND`
    replace : whether items of other owners are replaced too; they change their owner
    """

    owner: int = BY_HAND
    replace: bool = True


HAND = Claim()


@dataclass(frozen=True, slots=True)
class KnownSource:
    """A source that was indexed.

    Parameters
    ----------
    number : its owner number
    name : its absolute path
    options : how it was read, as JSON
    """

    number: int
    name: str
    options: str


_DUPLICATE = (
    "SELECT EXISTS (SELECT 1 FROM items WHERE substr(content_hash, 1, 16) = ? "
    "AND +content_hash = ? AND id <> ?)"
)
"""The plus lets SQLite use `items_by_content`. Without it, SQLite puts the second constant into
`substr`, where no index fits, and reads all items."""


class Owners:
    """Owners of the items of one catalog. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sources(self) -> list[KnownSource]:
        """The sources that were indexed, the first one first."""
        with self._database.read() as connection:
            found = connection.execute(
                "SELECT source, name, options FROM sources WHERE source <> ? ORDER BY source",
                (BY_HAND,),
            )
            return [KnownSource(*record) for record in found]

    def register(self, name: str, options: str) -> int:
        """Note a source and its options; gives its owner number."""
        with self._database.write() as connection:
            number: int = connection.execute(
                "INSERT INTO sources (name, options) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET options = excluded.options RETURNING source",
                (name, options),
            ).fetchone()[0]
        return number

    def others(self, ids: Sequence[str], claim: Claim) -> dict[str, str]:
        """Items that a claim doesn't cover, with the name of the owner, "" for `BY_HAND`."""
        with self._database.read() as connection:
            return refused(connection, ids, claim)

    def take(self, ids: Sequence[str], claim: Claim) -> None:
        """Make items the claim's own, where it covers them."""
        with self._database.read() as connection:
            changes = _changes(connection, ids, claim)
        if changes:
            with self._database.write() as connection:
                uncovered = refused(connection, ids, claim)
                take(connection, [one for one in ids if one not in uncovered], claim)

    def adopt(self, ids: Sequence[str], owner: int) -> None:
        """Make a source the owner of those items whose owner isn't known."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE items SET owner = ? WHERE owner IS NULL "
                "AND id IN (SELECT value FROM json_each(?))",
                (owner, records.usable_ids(ids)),
            )

    def any_unknown(self) -> bool:
        """Whether there are items whose owner isn't known."""
        with self._database.read() as connection:
            found = connection.execute("SELECT 1 FROM items WHERE owner IS NULL LIMIT 1")
            return found.fetchone() is not None

    def count(self, owner: int) -> int:
        """How many items an owner has."""
        with self._database.read() as connection:
            count: int = connection.execute(
                "SELECT count(*) FROM items WHERE owner = ?", (owner,)
            ).fetchone()[0]
        return count

    def owned(self, owner: int, limit: int) -> Iterator[list[str]]:
        """The ids of an owner's items, at most `limit` at a time."""
        after = 0
        while True:
            with self._database.read() as connection:
                found = connection.execute(
                    "SELECT row, id FROM items WHERE owner = ? AND row > ? ORDER BY row LIMIT ?",
                    (owner, after, limit),
                ).fetchall()
            if not found:
                return
            after = found[-1][0]
            yield [item_id for _, item_id in found]

    def duplicates(self, items: Sequence[Item]) -> int:
        """How many of these items have a picture that an item of another id has as well."""
        with self._database.read() as connection:
            return sum(
                connection.execute(
                    _DUPLICATE,
                    (item.content_hash[:16], item.content_hash, item.id),
                ).fetchone()[0]
                for item in items
            )


def refused(connection: sqlite3.Connection, ids: Sequence[str], claim: Claim) -> dict[str, str]:
    """See `Owners.others`."""
    if claim.replace:
        return {}
    return dict(
        connection.execute(
            "SELECT id, name FROM items JOIN sources ON sources.source = items.owner "
            "WHERE items.owner <> ? AND id IN (SELECT value FROM json_each(?))",
            (claim.owner, records.usable_ids(ids)),
        )
    )


def take(connection: sqlite3.Connection, ids: Sequence[str], claim: Claim) -> None:
    """Make items the claim's own."""
    connection.execute(
        "UPDATE items SET owner = ?1 WHERE owner IS NOT ?1 "
        "AND id IN (SELECT value FROM json_each(?2))",
        (claim.owner, json.dumps(list(ids))),
    )


def not_owned(connection: sqlite3.Connection, ids: Sequence[str], owner: int) -> set[str]:
    """Those of the items that have another owner, or none that is known."""
    found = connection.execute(
        "SELECT id FROM items WHERE owner IS NOT ? AND id IN (SELECT value FROM json_each(?))",
        (owner, records.usable_ids(ids)),
    )
    return {item_id for (item_id,) in found}


def _changes(connection: sqlite3.Connection, ids: Sequence[str], claim: Claim) -> bool:
    return bool(not_owned(connection, ids, claim.owner) - refused(connection, ids, claim).keys())
