"""Where the bytes of pictures are: files that stay in place, and copies that Kinlens keeps."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from kinlens.drafts import sweep, write_whole
from kinlens.errors import (
    CatalogBusy,
    CatalogError,
    CatalogFull,
    CatalogUnavailable,
    PictureGone,
    PictureUnreadable,
)
from kinlens.file_identity import identity_of
from kinlens.images import Limits, read_file

COPY = "copy:"
PATH = "path:"
LOCK_TIMEOUT = 30.0
"""Seconds to wait for the lock before `CatalogBusy`."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def path_reference(path: str | os.PathLike[str]) -> str:
    """Name a file that stays where it is."""
    return PATH + os.path.abspath(path)  # noqa: PTH100  # links keep their names


def content_hash(data: bytes) -> str:
    """sha256 of encoded picture bytes, hex."""
    return hashlib.sha256(data).hexdigest()


class PictureStore:
    """Copies of pictures that came as bytes, by URL or as base64, each named by its content.

    Safe for many threads and processes: a copy appears whole or not at all. The first that writes
    sweeps away what processes left that were killed while they wrote.

    Parameters
    ----------
    folder : made when the first copy is kept
    limits : of the files that are read back
    """

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self._folder = folder
        self._drafts = folder / ".drafts"
        self._swept = False
        self._had_data_folder = identity_of(folder.parent) is not None
        self._limits = limits or Limits()
        self._lock = FileLock(folder / ".lock")  # each thread's own, which may take it again

    def put(self, data: bytes, digest: str | None = None) -> str:
        """Keep a copy, durably, and give its reference, "copy:<sha256>".

        Raises
        ------
        CatalogFull : no space left
        CatalogError : the folder can't be written
        """
        digest = digest or content_hash(data)
        target = self._file(digest)
        try:
            if not _exists(target):
                self._check_data_folder()
                self._write(target, data)
        except OSError as error:
            raise write_error(error, target) from error
        return COPY + digest

    def read(self, reference: str) -> bytes:
        """The bytes behind "copy:<sha256>" or "path:<absolute path>".

        Raises
        ------
        PictureGone : the file isn't there any more
        SourceError, PictureTooLarge : the file can't be read, or has outgrown the limit
        """
        path = self.locate(reference)
        try:
            there = _exists(path)
        except OSError as error:
            raise PictureUnreadable(
                f"The picture file {path} can't be read: {error.strerror}. Check its permissions."
            ) from error
        if not there:
            raise PictureGone(
                f"The picture file {path} has gone; put it back, or index its source again with "
                "--prune."
            )
        return read_file(path, self._limits)

    def locate(self, reference: str) -> Path:
        """The file behind a reference."""
        if reference.startswith(COPY):
            return self._file(reference.removeprefix(COPY))
        return Path(reference.removeprefix(PATH))

    def has(self, reference: str) -> bool:
        """Whether the file behind a reference exists, for all that this user may see."""
        try:
            return _exists(self.locate(reference))
        except OSError:
            return False

    def remove(self, references: Iterable[str]) -> None:
        """Delete copies. Files that aren't Kinlens's own are never touched."""
        for reference in references:
            if reference.startswith(COPY):
                self.locate(reference).unlink(missing_ok=True)

    def copies(self) -> Iterator[str]:
        """The references of all copies, in order."""
        try:
            shelves = sorted(shelf for shelf in self._folder.iterdir() if shelf.is_dir())
            for shelf in shelves:
                yield from (COPY + name for name in _names(shelf) if len(name) == 64)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise CatalogUnavailable(
                f"{self._folder} can't be read: {error.strerror}. Check its permissions.",
                "the pictures can't be read",
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from removing copies while one is being bound to an item, and vice versa.

        Raises
        ------
        CatalogBusy : another process holds it for too long
        CatalogFull, CatalogError : the folder can't be written
        """
        try:
            self._check_data_folder()
            _make_folder(self._folder)
            self._lock.acquire(timeout=LOCK_TIMEOUT)
        except Timeout:
            raise CatalogBusy(
                f"Another process has held {self._folder} for over {LOCK_TIMEOUT:g} s; nothing was "
                "changed. Try again, or stop the other one."
            ) from None
        except OSError as error:
            raise write_error(error, self._folder) from error
        try:
            self._sweep_once()
            yield
        finally:
            self._lock.release()

    def _check_data_folder(self) -> None:
        """A data folder that was removed must not come back with nothing but copies."""
        is_there = identity_of(self._folder.parent) is not None
        if self._had_data_folder and not is_there:
            raise CatalogUnavailable(
                f"The data folder {self._folder.parent} is gone, or may not be read. Put it back.",
                "the data folder is gone, or may not be read",
            )

    def _file(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def _write(self, target: Path, data: bytes) -> None:
        _make_folder(target.parent)
        self._sweep_once()
        write_whole(target, data, self._drafts)
        _sync_folder(target.parent)

    def _sweep_once(self) -> None:
        if not self._swept:
            self._swept = True
            sweep(self._drafts)


def _names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def _exists(path: Path) -> bool:
    """Whether there is something; `OSError` where this user may not look."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the path
        return False
    return True


def _make_folder(folder: Path) -> None:
    """Make a folder durably: its name is in the folder above, which has to be synced for it."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder can't be opened there, and a rename is durable without
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_error(error: OSError, path: Path) -> CatalogError:
    """What it means for the catalog that a file of its folder can't be written."""
    if error.errno in _FULL:
        return CatalogFull(f"No space is left to write {path}; free some and try again.")
    return CatalogUnavailable(
        f"{path} can't be written: {error.strerror or error}. A catalog needs a folder in which "
        "this user may create files.",
        f"the data folder can't be written: {error.strerror or 'the disk fails'}",
    )
