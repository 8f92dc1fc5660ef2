"""The statements by which items change; each runs inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from kinlens.catalog import owners, records
from kinlens.catalog.owners import Claim
from kinlens.errors import NotFound
from kinlens.types import Item

DELETIONS_KEPT = 100_000
"""How many deletions are remembered, for processes that follow; one further behind reloads."""


def upsert(
    connection: sqlite3.Connection,
    items: Sequence[Item],
    blobs: Sequence[bytes],
    space: int,
    claim: Claim,
) -> dict[str, str]:
    """Insert or replace items and their vectors; an item that exists keeps its row.

    Returns
    -------
    refused : items of other owners, which stay as they are, with the owner's name
    """
    encoded = records.records_of(items)
    refused = owners.refused(connection, [item.id for item in items], claim)
    if refused:
        kept = [place for place, item in enumerate(items) if item.id not in refused]
        items, blobs = [items[place] for place in kept], [blobs[place] for place in kept]
        encoded = [encoded[place] for place in kept]
    if not items:
        return refused
    revision = _next_revision(connection)
    connection.executemany(
        f"INSERT INTO items ({records.ITEM_COLUMNS}, revision, encoded, owner) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "picture = excluded.picture, content_hash = excluded.content_hash, "
        "width = excluded.width, height = excluded.height, metadata = excluded.metadata, "
        "revision = excluded.revision, encoded = excluded.encoded, owner = excluded.owner",
        [(*record, revision, revision, claim.owner) for record in encoded],
    )
    connection.executemany(
        "INSERT INTO vectors (row, space, vector) SELECT row, ?, ? FROM items WHERE id = ? "
        "ON CONFLICT (row, space) DO UPDATE SET vector = excluded.vector",
        [(space, blob, item.id) for item, blob in zip(items, blobs, strict=True)],
    )
    # In a space that is being filled, the vectors of these pictures are out of date.
    connection.execute(
        "DELETE FROM vectors WHERE space <> ? "
        "AND row IN (SELECT row FROM items WHERE revision = ?)",
        (space, revision),
    )
    return refused


def update(connection: sqlite3.Connection, items: Sequence[Item], claim: Claim) -> dict[str, str]:
    """Replace all but the vectors, which must be of the picture that the item names.

    Returns
    -------
    refused : items of other owners, which stay as they are, with the owner's name
    """
    refused = owners.refused(connection, [item.id for item in items], claim)
    items = [item for item in items if item.id not in refused]
    if not items:
        return refused
    encoded = records.records_of(items)
    rows_of_all(connection, [item.id for item in items])
    _check_pictures(connection, items)
    revision = _next_revision(connection)
    connection.executemany(
        "UPDATE items SET picture = ?, content_hash = ?, width = ?, height = ?, metadata = ?, "
        "revision = ?, owner = ? WHERE id = ?",
        [(*record[1:], revision, claim.owner, record[0]) for record in encoded],
    )
    return refused


def delete(connection: sqlite3.Connection, rows: Sequence[int]) -> None:
    """Remove items, and remember for other processes that they are gone."""
    revision = _next_revision(connection)
    connection.executemany(
        "INSERT INTO deletions (row, revision) VALUES (?, ?)", [(row, revision) for row in rows]
    )
    connection.executemany("DELETE FROM items WHERE row = ?", [(row,) for row in rows])
    _forget_old_deletions(connection)


def rows_of(connection: sqlite3.Connection, ids: Sequence[str]) -> Mapping[str, int]:
    """The rows of those ids that exist."""
    return dict(
        connection.execute(
            "SELECT id, row FROM items WHERE id IN (SELECT value FROM json_each(?))",
            (records.usable_ids(ids),),
        )
    )


def rows_of_all(connection: sqlite3.Connection, ids: Sequence[str]) -> Mapping[str, int]:
    """The rows of the ids; `NotFound` names those that don't exist."""
    found = rows_of(connection, ids)
    missing = [item_id for item_id in dict.fromkeys(ids) if item_id not in found]
    if missing:
        named = ", ".join(f"{item_id!r:.80}" for item_id in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise NotFound(f"The catalog has no item {named}{more}. Add it first, or check the id.")
    return found


def _check_pictures(connection: sqlite3.Connection, items: Sequence[Item]) -> None:
    ids = [item.id for item in items]
    hashes = dict(
        connection.execute(
            "SELECT id, content_hash FROM items WHERE id IN (SELECT value FROM json_each(?))",
            (records.usable_ids(ids),),
        )
    )
    changed = [item.id for item in items if hashes[item.id] != item.content_hash]
    if changed:
        raise NotFound(
            f"The picture of {changed[0]!r:.80} is another one by now, and its vector too; read "
            "the item again and repeat the change."
        )


def _next_revision(connection: sqlite3.Connection) -> int:
    revision: int = connection.execute(
        "UPDATE meta SET value = value + 1 WHERE name = 'revision' RETURNING value"
    ).fetchone()[0]
    return revision


def _forget_old_deletions(connection: sqlite3.Connection) -> None:
    oldest_kept = connection.execute(
        "SELECT revision FROM deletions ORDER BY revision DESC LIMIT 1 OFFSET ?",
        (DELETIONS_KEPT,),
    ).fetchone()
    if oldest_kept is not None:
        connection.execute("DELETE FROM deletions WHERE revision <= ?", oldest_kept)
        connection.execute("UPDATE meta SET value = ? WHERE name = 'deletions_from'", oldest_kept)
