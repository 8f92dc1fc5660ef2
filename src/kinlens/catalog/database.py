"""One SQLite file: durable transactions, one writer, as many readers as there are threads."""

from __future__ import annotations

import logging
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
from kinlens.catalog.failures import (
    busy,
    check_replacement,
    is_file,
    missing,
    replacing,
    translated,
    unusable,
)
from kinlens.errors import CatalogError, CatalogFull, CatalogUnavailable
from kinlens.file_identity import Identity, identity_of

log = logging.getLogger("kinlens.catalog")

FILE_NAME = "catalog.sqlite"
BUSY_TIMEOUT = 30.0
"""Seconds to wait for the write lock before `CatalogBusy`."""

# A page holds 7 vectors of 512 dimensions; in a page of 4 KiB one would fit, and leave half empty.
_PAGE_SIZE = 16384
_LARGEST_IDLE_LOG = 64 * 1024 * 1024


class CatalogConnection(sqlite3.Connection):
    """A connection that remembers which files it has open.

    Attributes
    ----------
    file, log : identities of the database and of its write-ahead log
    generation : grows each time that the database is found to be another file
    """

    file: Identity | None = None
    log: Identity | None = None
    generation: int = 0


class Database:
    """The database of a data folder. Thread-safe.

    Where its file is removed or replaced while it is open, the next transaction notices: it opens
    the file that is there now, or raises `CatalogUnavailable` and tries again the next time.

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
        self._idle: deque[CatalogConnection] = deque()
        self._closed = False
        self._closing = threading.Lock()
        self._reopening = threading.Lock()
        self._newest: CatalogConnection | None = None
        self._generation = 0
        self._log = path.with_name(path.name + "-wal")
        self._writer_lock = _writer_lock(path)
        if create:
            _make_file(path)
        elif not is_file(path):
            raise CatalogError(
                f"There is no catalog in {path.parent}; make one with "
                f"`kinlens index SOURCE --data {path.parent}`."
            )
        with translated(self.path), self._connection():
            pass  # the first connection brings the file up to date

    @contextmanager
    def read(self) -> Iterator[CatalogConnection]:
        """A connection that sees one state of the catalog until the block ends.

        Raises
        ------
        CatalogUnavailable : the file is gone, or was replaced by one that can't be used
        """
        with translated(self.path), self._connection() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def write(self) -> Iterator[CatalogConnection]:
        """A transaction: durable when the block ends, undone when the block raises.

        Raises
        ------
        CatalogUnavailable : the file is gone or was replaced, before or while this was written;
            what was written isn't in the catalog that the folder has now
        """
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

    def _bring_up_to_date(self, connection: CatalogConnection) -> None:
        schema.check_ours(connection, str(self.path))
        _make_log(connection, time.monotonic() + self._timeout)
        if not schema.is_current(connection):
            with self._writing(connection):
                schema.migrate(connection)

    @contextmanager
    def _writing(self, connection: CatalogConnection) -> Iterator[None]:
        if not self._writer_lock.lock.acquire(timeout=self._timeout):
            raise busy(self.path)
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._check_unmoved(connection)
                yield
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise
            # The files may have been replaced while this was written.
            self._check_unmoved(connection)
        finally:
            self._writer_lock.lock.release()

    def _check_unmoved(self, connection: CatalogConnection) -> None:
        if not self._is_current(connection):
            raise CatalogUnavailable(
                f"{self.path} was removed or replaced while something was written to it; what was "
                "written isn't in the catalog that is there now. Write it again.",
                "the catalog was removed or replaced while this was written; send it again",
            )

    def _is_current(self, connection: CatalogConnection) -> bool:
        """Whether the paths still lead to the files that the connection has open."""
        if identity_of(self.path) != connection.file:
            return False
        return connection.log is None or identity_of(self._log) == connection.log

    @contextmanager
    def _connection(self) -> Iterator[CatalogConnection]:
        if self._closed:
            raise CatalogError(f"The catalog {self.path} has been closed; open it again.")
        connection = self._reused() or self._connect()
        try:
            yield connection
        finally:
            self._idle.append(connection)
            if self._closed:
                self.close()

    def _reused(self) -> CatalogConnection | None:
        with suppress(IndexError):
            connection = self._idle.pop()
            if self._is_current(connection):
                return connection
            self._idle.append(connection)
            self._reopen(connection)
        return None

    def _reopen(self, old: CatalogConnection) -> None:
        """Leave files that were removed or replaced for those that are there now.

        The idle connections keep the old files open until the new ones have proved to be a catalog,
        so that no new file gets the identity of an old one.
        """
        with self._reopening:
            if self._newest is not None and self._is_current(self._newest):
                self._close_others()
                return  # another thread has done it
            if identity_of(self.path) == old.file:
                self._save_log(old)
            else:
                check_replacement(self.path, self._log, old.log)
            with replacing(self.path):
                connection = self._connect()
            self._idle.append(connection)
            self._close_others()
            log.warning("%s was replaced while it was in use; it has been opened again.", self.path)

    def _save_log(self, old: CatalogConnection) -> None:
        """Bring what only the removed log holds into the database file, by its open handle."""
        with self._writer_lock.lock:
            if self._writer_lock.saved == old.log or identity_of(self.path) != old.file:
                return
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._writer_lock.saved = old.log
        log.warning("The log of %s was removed; what it held was saved.", self.path)

    def _close_others(self) -> None:
        """Close the idle connections to files that are no longer at the paths."""
        for _ in range(len(self._idle)):
            with suppress(IndexError):
                connection = self._idle.popleft()
                if self._is_current(connection):
                    self._idle.append(connection)
                else:
                    connection.close()

    def _connect(self) -> CatalogConnection:
        file = identity_of(self.path)
        if file is None:
            raise missing(self.path)
        connection = sqlite3.connect(
            self.path.absolute().as_uri() + "?mode=rw",
            uri=True,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=CatalogConnection,
        )
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            connection.file = file
            if self._newest is None or self._newest.file != file:
                if self._newest is not None and not schema.is_ours(connection):
                    raise unusable(self.path, "it is empty or another program's")
                self._bring_up_to_date(connection)
                self._generation += 1
            connection.generation = self._generation
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # opens the log
            connection.log = identity_of(self._log)
            if identity_of(self.path) != file:
                raise missing(self.path)
        except BaseException:
            connection.close()
            raise
        self._newest = connection
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
    """A lock that a weak dictionary can hold; `saved` is the removed log that was saved last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.saved: Identity | None = None


# All that write to a file in this process queue here, where waiting is fair and wakes at once;
# SQLite's own waiting, by sleeping longer and longer, is left to the other processes.
_writer_locks: WeakValueDictionary[Path, _WriterLock] = WeakValueDictionary()
_registry_lock = threading.Lock()


def _writer_lock(path: Path) -> _WriterLock:
    with _registry_lock:
        return _writer_locks.setdefault(path.resolve(), _WriterLock())
