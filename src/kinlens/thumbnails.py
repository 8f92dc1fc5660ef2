"""A cache of thumbnails, which may be deleted at any time: each can be made again."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from kinlens.file_identity import identity_of

BUSY_SECONDS = 0.2


class ThumbnailCache:
    """Thumbnails by the content hash of their picture, in one SQLite file. Thread-safe.

    Nothing here is worth an error: a cache that is damaged is started anew, and one that can't be
    written to is done without.

    Parameters
    ----------
    file : made when missing
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._file = file
        self._connection = _open(file)
        self._identity = identity_of(file)

    def get(self, digest: str, make: Callable[[], tuple[str, bytes]]) -> bytes:
        """The thumbnail of the picture with this content hash, made and kept if need be.

        Parameters
        ----------
        digest : content hash
        make : gives the content hash that the picture has by now, and its thumbnail
        """
        data = self._read(digest)
        if data is None:
            actual, data = make()
            self._keep(actual, data)
        return data

    def remove(self, digests: Sequence[str]) -> None:
        """Forget the thumbnails of these pictures."""
        with self._lock, suppress(sqlite3.Error), self._current() as connection:
            connection.executemany(
                "DELETE FROM thumbnails WHERE digest = ?", [(digest,) for digest in digests]
            )

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._connection.close()

    def _current(self) -> sqlite3.Connection:
        """The connection to the file that is at the path, made when missing."""
        if identity_of(self._file) != self._identity and self._file.parent.is_dir():
            old, self._connection = self._connection, _open(self._file)
            old.close()
            self._identity = identity_of(self._file)
        return self._connection

    def _read(self, digest: str) -> bytes | None:
        with self._lock, suppress(sqlite3.Error):
            row = (
                self._current()
                .execute("SELECT data FROM thumbnails WHERE digest = ?", (digest,))
                .fetchone()
            )
            return bytes(row[0]) if row else None
        return None

    def _keep(self, digest: str, data: bytes) -> None:
        with self._lock, suppress(sqlite3.Error), self._current() as connection:
            connection.execute("INSERT OR REPLACE INTO thumbnails VALUES (?, ?)", (digest, data))


def _open(file: Path) -> sqlite3.Connection:
    try:
        return _connect(str(file))
    except sqlite3.DatabaseError:
        with suppress(OSError):
            _delete(file)
    try:
        return _connect(str(file))
    except sqlite3.DatabaseError:
        return _connect(":memory:")


def _connect(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS thumbnails (digest TEXT PRIMARY KEY, data BLOB NOT NULL)"
        )
        connection.execute("SELECT data FROM thumbnails LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _delete(file: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
