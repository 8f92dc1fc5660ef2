"""Repairs of the small databases of a data folder, and of permissions."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from kinlens.maintenance import databases, folder, small_files, usage
from kinlens.maintenance.folder import DATABASES, ENCODER, KEYS, LOGS, SECRET, SOURCES

REPAIR = "repair it"
LOST_KEY = "lost keys"
"""Name of the revoked key that keeps the API closed where keys were lost."""


class Aside:
    """The folder for damaged files, made when the first is moved there."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._path: Path | None = None

    @property
    def path(self) -> Path | None:
        """Where it is, if something is in it."""
        return self._path

    def folder(self) -> Path:
        """The folder, made if need be."""
        if self._path is None:
            self._path = folder.free_name(self._data / f"damaged-{folder.stamp()}")
            self._path.mkdir(mode=0o700)
        return self._path

    def take(self, path: Path) -> None:
        """Move a file or folder here, if it is there."""
        if path.exists() or path.is_symlink():
            target = self.folder() / path.relative_to(self._data)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(folder.free_name(target))

    def take_database(self, path: Path) -> None:
        """Move a database here with what belongs to it."""
        for suffix in ("", *LOGS):
            self.take(path.with_name(path.name + suffix))


def mend_permissions(data: Path) -> list[str]:
    """Give files the permissions that they need; says what was done."""
    done = []
    for name in (*DATABASES, SECRET, ENCODER):
        file = data / name
        if os.name == "nt" or not file.is_file():
            continue
        mode = file.stat().st_mode & 0o777
        wanted = 0o600 if name in folder.PRIVATE and mode & 0o077 else mode | 0o600
        if mode != wanted:
            file.chmod(wanted)
            done.append(f"The permissions of {name} are {wanted:04o}.")
    return done


def mend_sources(data: Path, aside: Aside) -> list[str]:
    """Keep the rows of sources that are readable; says what was done."""
    done = []
    path = data / SOURCES
    kept = _table_rows(path, "sources"), _table_rows(path, "entries")
    with usage.alone(data, REPAIR):
        aside.take_database(path)
    databases.make_empty(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, found in zip(("sources", "entries"), kept, strict=True):
            stored = sum(_insert(connection, table, row) for row in found)
            done.append(f"{stored:,} rows of {table} in sources.sqlite were kept.")
        connection.execute("DELETE FROM entries WHERE source NOT IN (SELECT source FROM sources)")
        connection.execute("DELETE FROM sources WHERE NOT json_valid(options)")
        connection.execute("DELETE FROM entries WHERE source NOT IN (SELECT source FROM sources)")
    return done


def mend_keys(data: Path, aside: Aside) -> list[str]:
    """Keep the keys that are readable; the API stays closed if others may have been lost."""
    path = data / KEYS
    names = ("hash", "name", "scopes", "created_at", "revoked_at")
    found = [
        row
        for row in _table_rows(path, "keys")
        if small_files.is_key(tuple(row.get(name) for name in names))
    ]
    with usage.alone(data, REPAIR):
        aside.take_database(path)
    databases.make_empty(path)
    found += [_closing_key(None), _closing_key("lost")]
    with closing(sqlite3.connect(path)) as connection, connection:
        kept = sum(_insert(connection, "keys", row) for row in found) - 2
    path.chmod(0o600)
    return [
        f"{kept:,} keys were kept. The API and cameras need a key from now on, for others may "
        "have been lost: `kinlens keys create` makes new ones."
    ]


def _closing_key(device: str | None) -> dict[str, Any]:
    """A revoked key: having had one, the API, or the cameras, go on asking for one."""
    now = time.time()
    return {
        "hash": os.urandom(32).hex(),
        "name": LOST_KEY,
        "scopes": "device" if device else "read",
        "created_at": now,
        "revoked_at": now,
        "device": device,
    }


def _table_rows(path: Path, table: str) -> list[dict[str, Any]]:
    """The rows of a small table up to where it is damaged."""
    found: list[dict[str, Any]] = []
    with suppress(sqlite3.Error), databases.reader(path) as connection:
        cursor = connection.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        for record in cursor:
            found.append(dict(zip(names, record, strict=True)))  # noqa: PERF401 - keeps those read
    return found


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> bool:
    names = [name for name in row if name.isidentifier()]
    try:
        connection.execute(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
            [row[name] for name in names],
        )
    except (sqlite3.IntegrityError, UnicodeEncodeError):
        return False
    return True
