"""What each source showed when it was last read: tells what is double, or fetched already."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kinlens.errors import CatalogError, CatalogFull

FILE_NAME = "sources.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sources (
    source INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, options TEXT NOT NULL,
    run INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS entries (
    id TEXT NOT NULL, source INTEGER NOT NULL, run INTEGER NOT NULL, is_item INTEGER NOT NULL,
    url TEXT, content_hash TEXT, PRIMARY KEY (source, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_by_run ON entries (source, run);
"""
_MARK = """
INSERT INTO entries (id, source, run, is_item) VALUES (?, ?, ?, ?)
ON CONFLICT (source, id) DO UPDATE SET run = excluded.run, is_item = excluded.is_item
"""
_VERSION = 1
_KEY_OF_BOTH = """
DROP INDEX IF EXISTS entries_by_run;
ALTER TABLE entries RENAME TO entries_before;
{schema}
INSERT INTO entries (id, source, run, is_item, url, content_hash)
SELECT id, source, run, is_item, url, content_hash FROM entries_before;
DROP TABLE entries_before;
"""
"""Before version 1 an id was of one source only."""


class Visits:
    """The entries of all sources, in a file of the data folder. Thread-safe.

    It may be deleted: then pictures at URLs are fetched once more.
    """

    def __init__(self, data: Path) -> None:
        self._file = data / FILE_NAME
        self._lock = threading.Lock()
        self._source = self._run = 0
        try:
            self._connection = _connect(self._file)
        except sqlite3.DatabaseError as error:
            raise _explain(error, self._file) from error

    def begin(self, name: str, options: str, *, whole: bool = True) -> None:
        """A run over a source begins: from now on the other methods speak of it.

        Parameters
        ----------
        name : of the source
        options : as JSON
        whole : the run will name all entries of the source
        """
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO sources (name, options, run) VALUES (?1, ?2, 1) "
                "ON CONFLICT (name) DO UPDATE SET options = ?2, run = run + ?3",
                (name, options, int(whole)),
            )
            self._source, self._run = connection.execute(
                "SELECT source, run FROM sources WHERE name = ?", (name,)
            ).fetchone()

    def sources(self) -> list[tuple[str, str]]:
        """Name and options, as JSON, of every source that this file knows."""
        with self._lock:
            return self._connection.execute("SELECT name, options FROM sources").fetchall()

    def items_of(self, name: str, limit: int) -> Iterator[list[str]]:
        """Ids that a source named when it was last read, at most `limit` at a time."""
        after = ""
        while True:
            with self._lock:
                found = self._connection.execute(
                    "SELECT id FROM entries WHERE is_item AND id > ? AND source = "
                    "(SELECT source FROM sources WHERE name = ?) ORDER BY id LIMIT ?",
                    (after, name, limit),
                ).fetchall()
            if not found:
                return
            after = found[-1][0]
            yield [entry for (entry,) in found]

    def seen(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that this run has named."""
        with self._lock:
            return self._named(self._connection, ids)

    def mark(self, ids: Sequence[str], *, are_items: bool = True) -> set[str]:
        """Note that entries were seen in this run; gives those that had been seen in it before."""
        with self._writing() as connection:
            before = self._named(connection, ids)
            connection.executemany(
                _MARK, [(entry, self._source, self._run, are_items) for entry in ids]
            )
        return before

    def fetched(self, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """URL and content hash, as last fetched, of the entries that came from a URL."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT id, url, content_hash FROM entries "
                "WHERE url IS NOT NULL AND source = ? AND id IN (SELECT value FROM json_each(?))",
                (self._source, json.dumps(ids)),
            ).fetchall()
        return {entry: (url, digest) for entry, url, digest in rows}

    def note_fetched(self, entries: Iterable[tuple[str, str, str]]) -> None:
        """Remember (id, URL, content hash) of pictures that are indexed."""
        with self._writing() as connection:
            connection.executemany(
                "UPDATE entries SET url = ?2, content_hash = ?3 WHERE id = ?1 AND source = ?4",
                [(*entry, self._source) for entry in entries],
            )

    def gone(self, limit: int) -> list[str]:
        """Entries that this run of the source didn't show."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT id FROM entries WHERE source = ? AND run < ? LIMIT ?",
                (self._source, self._run, limit),
            ).fetchall()
        return [entry for (entry,) in rows]

    def forget(self, ids: Sequence[str]) -> None:
        """Drop entries."""
        with self._writing() as connection:
            connection.executemany(
                "DELETE FROM entries WHERE id = ? AND source = ?",
                [(entry, self._source) for entry in ids],
            )

    def _named(self, connection: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
        found = connection.execute(
            "SELECT id FROM entries WHERE id IN (SELECT value FROM json_each(?)) "
            "AND source = ? AND run = ?",
            (json.dumps(list(ids)), self._source, self._run),
        )
        return {entry for (entry,) in found}

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock, self._connection as connection:
                yield connection
        except sqlite3.Error as error:
            raise _explain(error, self._file) from error


def _connect(file: Path) -> sqlite3.Connection:
    try:
        return _prepare(file)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{file}{suffix}").unlink()
    return _prepare(file)


def _prepare(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=30, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if connection.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
            connection.executescript(
                f"BEGIN IMMEDIATE; {_migration(connection)}"
                f"PRAGMA user_version = {_VERSION}; COMMIT;"
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _migration(connection: sqlite3.Connection) -> str:
    old = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'entries'").fetchone()
    return _KEY_OF_BOTH.format(schema=_SCHEMA) if old else _SCHEMA


def _explain(error: sqlite3.Error, file: Path) -> CatalogError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return CatalogFull(f"No space left to write {file} ({error}); free some and run again.")
    return CatalogError(f"{file} can't be used: {error}. It may be deleted; run again.")
