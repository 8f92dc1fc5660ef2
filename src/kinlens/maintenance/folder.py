"""The files of a data folder, and how files are copied so that they last."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import BinaryIO

from kinlens.catalog.database import FILE_NAME
from kinlens.errors import OutputError
from kinlens.ingest.visits import FILE_NAME as SOURCES
from kinlens.neighbors.array_files import write_error

CATALOG = FILE_NAME
KEYS = "keys.sqlite"
THUMBNAILS = "thumbnails.sqlite"
SECRET = "secret"  # noqa: S105 - the file's name
ENCODER = "encoder"
PICTURES = "pictures"
DATABASES = (CATALOG, KEYS, SOURCES, THUMBNAILS)
PRIVATE = {KEYS, SECRET}
"""Files that only their owner may read."""

LOGS = ("-wal", "-shm", "-journal")
_CHUNK = 1 << 20

__all__ = ["CATALOG", "DATABASES", "ENCODER", "KEYS", "PICTURES", "SECRET", "SOURCES", "THUMBNAILS"]


def stamp() -> str:
    """The time in UTC, for names of files."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def digest_of(file: Path) -> str:
    """sha256 of a file, hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def copy_file(source: Path, target: Path, *, mode: int | None = None) -> tuple[str, int]:
    """Copy a file durably but for its name; gives its sha256 and bytes as read.

    Raises
    ------
    OutputError : the target can't be written
    OSError : the source can't be read
    """
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as opened:
        try:
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode or 0o666)
        except OSError as error:
            raise write_error(error, target) from error
        with os.fdopen(handle, "wb") as file:
            while chunk := opened.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                _write(file, chunk, target)
            _finish(file, target, mode)
    return digest.hexdigest(), size


def _write(file: BinaryIO, chunk: bytes, target: Path) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        raise write_error(error, target) from error


def _finish(file: BinaryIO, target: Path, mode: int | None) -> None:
    try:
        file.flush()
        os.fsync(file.fileno())
        if mode is not None:
            target.chmod(mode)
    except OSError as error:
        raise write_error(error, target) from error


def sync(path: Path) -> None:
    """Make a file's content, or a folder's names, durable."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path, *, mode: int = 0o777) -> None:
    """Make a folder and those above it; `OutputError` if that can't be done."""
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(error, folder) from error


def delete(path: Path) -> None:
    """Remove a file or a folder with all it holds, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def free_name(path: Path) -> Path:
    """A name that nothing has yet, beginning with this one."""
    number, found = 1, path
    while found.exists() or found.is_symlink():
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found


def check_apart(first: Path, second: Path, message: str) -> None:
    """Raise `OutputError` if one folder is the other or lies within it."""
    one, other = first.resolve(), second.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise OutputError(message)
