"""One SQLite file: durable transactions, one writer, as many readers as there are threads."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EDQUOT, ENOSPC
from pathlib import Path
from weakref import WeakValueDictionary

from kinlens.catalog import schema
from kinlens.catalog.failures import busy, translated
from kinlens.errors import CatalogError, CatalogFull

FILE_NAME = "catalog.sqlite"
BUSY_TIMEOUT = 30.0
"""Seconds to wait for the write lock before `CatalogBusy`."""

# A page holds 7 vectors of 512 dimensions; in a page of 4 KiB one would fit, and leave half empty.
_PAGE_SIZE = 16384
_LARGEST_IDLE_LOG = 64 * 1024 * 1024


class Database:
    """The database of a data folder. Thread-safe.

    Parameters
    ----------
    path : the file
    create : make it if it doesn't exist
    timeout : seconds to wait for the write lock

    Raises
    ------
    CatalogError : no such file, or it can't be used; see `failures`
    """

    def __init__(self, path: Path, *, create: bool, timeout: float = BUSY_TIMEOUT) -> None:
        self.path = path
        self._timeout = timeout
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False
        self._closing = threading.Lock()
        self._writer_lock = _writer_lock(path)
        if create:
            _make_file(path)
        elif not path.is_file():
            raise CatalogError(
                f"There is no catalog in {path.parent}; make one with "
                f"`kinlens index SOURCE --data {path.parent}`."
            )
        try:
            self._bring_up_to_date()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state of the catalog until the block ends."""
        with translated(self.path), self._connection() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: durable when the block ends, undone when the block raises."""
        with translated(self.path), self._connection() as connection, self._writing(connection):
            yield connection

    def size(self) -> int:
        """Bytes on the disk, log included."""
        beside = (self.path.with_name(self.path.name + suffix) for suffix in ("", "-wal"))
        return sum(file.stat().st_size for file in beside if file.exists())

    def close(self) -> None:
        """Close the idle connections now, and those in use when they are done."""
        self._closed = True
        # One after the other: the last tidies the log, and two at once take each other for others.
        with self._closing, suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _bring_up_to_date(self) -> None:
        with translated(self.path), self._connection() as connection:
            schema.check_ours(connection, str(self.path))
            _make_log(connection, time.monotonic() + self._timeout)
            if not schema.is_current(connection):
                with self._writing(connection):
                    schema.migrate(connection)

    @contextmanager
    def _writing(self, connection: sqlite3.Connection) -> Iterator[None]:
        if not self._writer_lock.lock.acquire(timeout=self._timeout):
            raise busy(self.path)
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise
        finally:
            self._writer_lock.lock.release()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._closed:
            raise CatalogError(f"The catalog {self.path} has been closed; open it again.")
        connection = self._reused() or self._connect()
        try:
            yield connection
        finally:
            self._idle.append(connection)
            if self._closed:
                self.close()

    def _reused(self) -> sqlite3.Connection | None:
        with suppress(IndexError):
            return self._idle.pop()
        return None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path.absolute().as_uri() + "?mode=rw",
            uri=True,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


# FULL: in WAL mode each commit is synced, so that what was acknowledged survives a power loss.
_PRAGMAS = (
    f"PRAGMA page_size = {_PAGE_SIZE}",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16000",
    f"PRAGMA journal_size_limit = {_LARGEST_IDLE_LOG}",
)


def _make_log(connection: sqlite3.Connection, deadline: float) -> None:
    """Switch to WAL; SQLite doesn't wait by itself for another process that does the same."""
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _make_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise CatalogFull(f"No space left to make {path}. Free some space.") from error
        raise CatalogError(
            f"{path} can't be made: {error.strerror}. Choose another data folder."
        ) from error


class _WriterLock:
    """A lock that a weak dictionary can hold."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


# All that write to a file in this process queue here, where waiting is fair and wakes at once;
# SQLite's own waiting, by sleeping longer and longer, is left to the other processes.
_writer_locks: WeakValueDictionary[Path, _WriterLock] = WeakValueDictionary()
_registry_lock = threading.Lock()


def _writer_lock(path: Path) -> _WriterLock:
    with _registry_lock:
        return _writer_locks.setdefault(path.resolve(), _WriterLock())
