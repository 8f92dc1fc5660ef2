"""What each source showed when it was last read: tells what is gone, double, or fetched already."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kinlens.errors import CatalogError, CatalogFull
from kinlens.sources import Source, SourceOptions

FILE_NAME = "sources.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sources (
    source INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, options TEXT NOT NULL,
    run INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS entries (
    id TEXT PRIMARY KEY, source INTEGER NOT NULL, run INTEGER NOT NULL, is_item INTEGER NOT NULL,
    url TEXT, content_hash TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_by_run ON entries (source, run);
"""
_MARK = """
INSERT INTO entries (id, source, run, is_item) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE
SET source = excluded.source, run = excluded.run, is_item = excluded.is_item
"""


class Visits:
    """The entries of all sources, in a file of the data folder. Thread-safe.

    It may be deleted: then pictures at URLs are fetched once more, and what went from a source
    before its next run isn't pruned.
    """

    def __init__(self, data: Path) -> None:
        self._file = data / FILE_NAME
        self._lock = threading.Lock()
        self._source = self._run = 0
        try:
            self._connection = _connect(self._file)
        except sqlite3.DatabaseError as error:
            raise _explain(error, self._file) from error

    def begin(self, source: Source) -> None:
        """A run over a source begins: from now on `mark` speaks of it."""
        options = json.dumps(source.options.to_dict())
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO sources (name, options, run) VALUES (?, ?, 1) "
                "ON CONFLICT (name) DO UPDATE SET options = excluded.options, run = run + 1",
                (source.name, options),
            )
            self._source, self._run = connection.execute(
                "SELECT source, run FROM sources WHERE name = ?", (source.name,)
            ).fetchone()

    def sources(self) -> list[tuple[str, SourceOptions]]:
        """Every source that was ever read, with its options."""
        with self._lock:
            rows = self._connection.execute("SELECT name, options FROM sources").fetchall()
        return [(name, _options(text)) for name, text in rows]

    def mark(self, ids: Sequence[str], *, are_items: bool = True) -> set[str]:
        """Note that entries were seen in this run; gives those that had been seen in it before."""
        with self._writing() as connection:
            before = connection.execute(
                "SELECT id FROM entries WHERE id IN (SELECT value FROM json_each(?)) "
                "AND source = ? AND run = ?",
                (json.dumps(ids), self._source, self._run),
            ).fetchall()
            connection.executemany(
                _MARK, [(entry, self._source, self._run, are_items) for entry in ids]
            )
        return {row[0] for row in before}

    def fetched(self, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """URL and content hash, as last fetched, of the entries that came from a URL."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT id, url, content_hash FROM entries "
                "WHERE url IS NOT NULL AND id IN (SELECT value FROM json_each(?))",
                (json.dumps(ids),),
            ).fetchall()
        return {entry: (url, digest) for entry, url, digest in rows}

    def note_fetched(self, entries: Iterable[tuple[str, str, str]]) -> None:
        """Remember (id, URL, content hash) of pictures that are indexed."""
        with self._writing() as connection:
            connection.executemany(
                "UPDATE entries SET url = ?2, content_hash = ?3 WHERE id = ?1", entries
            )

    def gone(self, limit: int, after: str = "") -> list[tuple[str, bool]]:
        """Entries that this run of the source didn't show, and whether each was an item."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT id, is_item FROM entries WHERE source = ? AND run < ? AND id > ? "
                "ORDER BY id LIMIT ?",
                (self._source, self._run, after, limit),
            ).fetchall()
        return [(entry, bool(is_item)) for entry, is_item in rows]

    def forget(self, ids: Sequence[str]) -> None:
        """Drop entries."""
        with self._writing() as connection:
            connection.executemany("DELETE FROM entries WHERE id = ?", [(entry,) for entry in ids])

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
        connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _options(text: str) -> SourceOptions:
    values = json.loads(text)
    return SourceOptions(**{**values, "folders_as": tuple(values["folders_as"])})


def _explain(error: sqlite3.Error, file: Path) -> CatalogError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return CatalogFull(f"No space left to write {file} ({error}); free some and run again.")
    return CatalogError(f"{file} can't be used: {error}. It may be deleted; run again.")
