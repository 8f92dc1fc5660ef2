"""SQLite's errors in the words of Kinlens: busy, full, damaged, not allowed."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kinlens.errors import CatalogBusy, CatalogError, CatalogFull, CatalogUnavailable
from kinlens.file_identity import Identity, identity_of

# Below this a file system counts as full: SQLite can't create the files of its log.
_NO_SPACE = 256 * 1024

_WRITE_ERRORS = {
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMOPEN,
}
_PRIMARY = 0xFF


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn `sqlite3.Error` about the database at `path` into a `CatalogError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path) from error


def translate(error: sqlite3.Error, path: Path) -> CatalogError:
    """The `CatalogError` that says what a `sqlite3.Error` means for the catalog at `path`."""
    code = getattr(error, "sqlite_errorcode", 0)
    primary = code & _PRIMARY
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return busy(path)
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return CatalogError(
            f"{path} is damaged ({error}). Restore it from a backup; or move it away, together "
            "with the files of the same name that end in -wal and -shm, and index again. The "
            "pictures themselves aren't in it."
        )
    no_space = primary in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and _is_full(path)
    if primary == sqlite3.SQLITE_FULL or code in _WRITE_ERRORS or no_space:
        return CatalogFull(
            f"No space left to write {path} ({error}). Nothing of this step was stored; all that "
            "was stored before is intact. Free some space, or raise the limit, and go on."
        )
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return CatalogUnavailable(
            f"{path} can't be opened for writing ({error}); a catalog needs a folder in which "
            "this user may create files. Check its owner and permissions.",
            "the catalog's file can't be opened for writing",
        )
    return CatalogError(f"{path} can't be used: {error}. `kinlens doctor` checks the catalog.")


def is_file(path: Path) -> bool:
    """Whether there is a file; `CatalogUnavailable` where this user may not look."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise CatalogUnavailable(
            f"{path} can't be read: {error.strerror}. Check the owner and the permissions of its "
            "folder.",
            f"the catalog can't be read: {error.strerror}",
        ) from error


def missing(path: Path) -> CatalogUnavailable:
    """For a catalog whose file went away while it was open."""
    is_file(path)
    return CatalogUnavailable(
        f"{path} was removed while it was in use; nothing can be read or written until it is back. "
        "Put it back, or restore a backup.",
        "the catalog was removed while it was in use",
    )


def unusable(path: Path, why: str) -> CatalogUnavailable:
    """For a catalog whose file was replaced by another that is no use."""
    return CatalogUnavailable(
        f"{path} was replaced while it was in use, and what is there now can't be used: {why}. "
        "Put a catalog there, or restore a backup.",
        "the catalog was replaced by a file that can't be used",
    )


def check_replacement(path: Path, log: Path, old_log: Identity | None) -> None:
    """Raise `CatalogUnavailable` unless the file that replaced the catalog may be opened.

    Parameters
    ----------
    path, log : of the database and its write-ahead log
    old_log : the log of the database that was there before
    """
    if identity_of(path) is None:
        raise missing(path)
    if old_log is not None and identity_of(log) == old_log:
        raise unusable(
            path,
            f"beside it lies the log of the catalog that was there before, {log.name}, and SQLite "
            f"would write that into it; delete {log.name} and {path.name}-shm",
        )


@contextmanager
def replacing(path: Path) -> Iterator[None]:
    """Say of errors that they come from a file that replaced the catalog."""
    try:
        with translated(path):
            yield
    except (CatalogUnavailable, CatalogBusy, CatalogFull):
        raise
    except CatalogError as error:
        raise unusable(path, str(error)) from error


def busy(path: Path) -> CatalogBusy:
    """For a lock that wasn't had in time."""
    return CatalogBusy(
        f"Another thread or process is writing to {path} and took too long; nothing was changed. "
        "Try again, or stop the other one."
    )


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _NO_SPACE
    except OSError:
        return False
