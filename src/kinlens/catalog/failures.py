"""SQLite's errors in the words of Kinlens: busy, full, damaged, not allowed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kinlens.errors import CatalogBusy, CatalogError, CatalogFull

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
        return CatalogError(
            f"{path} can't be opened for writing ({error}); a catalog needs a folder in which "
            "this user may create files. Check its owner and permissions."
        )
    return CatalogError(f"{path} can't be used: {error}. `kinlens doctor` checks the catalog.")


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
