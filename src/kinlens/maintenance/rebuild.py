"""A new database of what is usable of a damaged one, with what can be made from the pictures."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from kinlens.adding import encode_each
from kinlens.catalog import schema
from kinlens.catalog.records import VECTOR_DTYPE
from kinlens.encoders.base import Encoder
from kinlens.errors import CatalogError, KinlensError
from kinlens.images import PictureLoader
from kinlens.maintenance import rows, salvage
from kinlens.maintenance.contents import Contents, Lost
from kinlens.store import PictureStore, content_hash
from kinlens.types import Pixels

_BATCH = 32
_PAGE_SIZE = 16384


class Rebuild:
    """Writes a new database.

    Parameters
    ----------
    contents : of the damaged one
    target : the file to make
    """

    def __init__(self, contents: Contents, target: Path) -> None:
        self._contents = contents
        self._columns: dict[str, set[str]] = {}
        self._version = salvage.version_of(contents.connection) or len(schema.migrations())
        self._connection = sqlite3.connect(target, isolation_level=None)
        self._connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("BEGIN IMMEDIATE")
        schema.migrate(self._connection, upto=self._version)

    def copy(self, drop: Callable[[str], bool]) -> None:
        """Store what is usable.

        Parameters
        ----------
        drop : whether items with this picture reference are left out
        """
        contents = self._contents
        contents.read_counters()
        contents.read_spaces()
        self._insert("spaces", (self._space(number) for number in sorted(contents.spaces)))
        dropped: set[int] = set()
        for row, item in contents.items():
            if drop(item["picture"]):
                dropped.add(row)
                contents.lost.append(Lost("items", "its picture is lost", item))
            else:
                self._insert("items", [{"row": row, **item}])
        for row, space, blob in contents.vectors():
            if row not in dropped:
                vector = {"row": row, "space": space, "vector": blob}
                self._insert("vectors", [vector])
        gone = {contents.pictures.pop(row).item for row in dropped}
        contents.refresh -= dropped
        for outcome in contents.ledger():
            if outcome["id"] not in gone:
                self._insert("ledger", [outcome])
        self._set_counters()

    def refresh(self, encoder: Encoder, loader: PictureLoader, store: PictureStore) -> None:
        """Make vectors, content hashes and sizes from the pictures; items that have none are lost.

        Raises
        ------
        CatalogError : the encoder isn't the one that the other vectors are of
        """
        space = self._active_space(encoder)
        waiting = sorted(self._contents.refresh)
        for start in range(0, len(waiting), _BATCH):
            ready: list[tuple[int, bytes, int, int]] = []
            pixels: list[Pixels] = []
            for row in waiting[start : start + _BATCH]:
                try:
                    data = store.read(self._contents.pictures[row].reference)
                    picture = loader.load(data, min_side=encoder.recipe.min_side)
                except KinlensError as error:
                    self._lose(row, str(error))
                    continue
                ready.append((row, data, picture.width, picture.height))
                pixels.append(encoder.recipe.square(picture.pixels))
            for entry, vector in zip(ready, encode_each(encoder, pixels), strict=True):
                if isinstance(vector, KinlensError):
                    self._lose(entry[0], str(vector))
                else:
                    vector_bytes = vector.astype(VECTOR_DTYPE).tobytes()
                    self._renew(space, vector_bytes, *entry)

    def finish(self) -> None:
        """Commit what was written."""
        self._connection.execute("COMMIT")
        self._connection.close()

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def _insert(self, table: str, records: Iterable[dict[str, Any]]) -> None:
        if table not in self._columns:
            self._columns[table] = set(rows.columns_of(self._connection, table))
        known = self._columns[table]
        for record in records:
            names = [name for name in record if name in known]
            self._connection.execute(
                f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
                [record[name] for name in names],
            )

    def _space(self, number: int) -> dict[str, Any]:
        encoder = self._contents.spaces[number]
        return {
            "space": number,
            "fingerprint": encoder.fingerprint,
            "name": encoder.name,
            "dim": encoder.dim,
            "active": 1 if number == self._contents.active else None,
        }

    def _set_counters(self) -> None:
        """Begin a revision that every reader has to load as a whole."""
        revision = self._contents.revision + 1
        self._connection.executemany(
            "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)",
            [("revision", revision), ("deletions_from", revision)],
        )
        self._connection.execute("DELETE FROM sqlite_sequence WHERE name = 'items'")
        self._connection.execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES ('items', ?)",
            (self._contents.last_row,),
        )

    def _active_space(self, encoder: Encoder) -> int:
        contents, identity = self._contents, encoder.identity
        if contents.active is None:
            self._connection.execute("UPDATE spaces SET active = NULL")
            self._connection.execute(
                "INSERT INTO spaces (fingerprint, name, dim, active) VALUES (?, ?, ?, 1) "
                "ON CONFLICT (fingerprint) DO UPDATE SET active = 1",
                (identity.fingerprint, identity.name, identity.dim),
            )
            found = self._connection.execute("SELECT space FROM spaces WHERE active = 1")
            contents.active = int(found.fetchone()[0])
        elif contents.spaces[contents.active].fingerprint != identity.fingerprint:
            there = contents.spaces[contents.active]
            raise CatalogError(
                f"{len(contents.refresh):,} items need new vectors of {there.name} "
                f"({there.fingerprint:.16}), but the encoder here is {identity.name} "
                f"({identity.fingerprint:.16}). Nothing was changed; name the right one with "
                "--encoder."
            )
        self._connection.execute(
            "UPDATE spaces SET name = ?, dim = ? WHERE space = ?",
            (identity.name, identity.dim, contents.active),
        )
        return contents.active

    def _renew(  # noqa: PLR0917 - the columns of two tables
        self, space: int, blob: bytes, row: int, data: bytes, width: int, height: int
    ) -> None:
        self._connection.execute(
            "UPDATE items SET content_hash = ?, width = ?, height = ?, encoded = ?, revision = ? "
            "WHERE row = ?",
            (content_hash(data), width, height, *[self._contents.revision + 1] * 2, row),
        )
        self._connection.execute("DELETE FROM vectors WHERE row = ?", (row,))
        self._insert("vectors", [{"row": row, "space": space, "vector": blob}])

    def _lose(self, row: int, reason: str) -> None:
        with closing(
            self._connection.execute("SELECT * FROM items WHERE row = ?", (row,))
        ) as found:
            names = [column[0] for column in found.description]
            values = dict(zip(names, found.fetchone(), strict=True))
        self._contents.lost.append(Lost("items", reason, values))
        self._connection.execute("DELETE FROM items WHERE row = ?", (row,))
        self._connection.execute(
            "INSERT OR REPLACE INTO ledger (id, state, reason, reference, content_hash, at) "
            "VALUES (?, 'failed', ?, ?, '', ?)",
            (values["id"], reason, values["picture"].removeprefix("path:"), time.time()),
        )


def lost_lines(lost: Sequence[Lost]) -> str:
    """One JSON object a line: table, reason and values, as far as they are text or numbers."""
    return "".join(
        json.dumps(
            {"table": one.table, "reason": one.reason, "values": one.values},
            ensure_ascii=True,
            default=lambda value: value.hex() if isinstance(value, bytes) else repr(value),
        )
        + "\n"
        for one in lost
    )
