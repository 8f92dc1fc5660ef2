"""A consistent copy of a data folder that is in use; each run copies only what changed.

TARGET/
    kinlens-backup.json           names the current generation
    generations/20261201T.../     the files of one backup, and its manifest
    pictures/ab/ab12...           copies of pictures, shared by all generations
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from kinlens.catalog.database import Database
from kinlens.catalog.failures import translate
from kinlens.errors import CatalogBusy, CatalogError, OutputError
from kinlens.maintenance import folder, manifest
from kinlens.maintenance.folder import CATALOG, ENCODER, KEYS, PRIVATE, SECRET, SOURCES
from kinlens.maintenance.manifest import Manifest
from kinlens.neighbors.array_files import write_error
from kinlens.store import COPY, PATH, PictureStore

KEPT = 2
_DRAFT = "draft-"
_PAGES_AT_ONCE = 4096
_BUSY_SECONDS = 30.0
_CLOCK_STEP = 2.0
"""Seconds in which two writes to a file may leave the same time on it."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup did.

    Parameters
    ----------
    target : the backup's folder
    generation : its name
    items : in it
    pictures : copies of pictures in it
    copied : of those, copied by this run
    copied_bytes : written by this run, databases included
    unchanged : files that are those of the generation before
    files_elsewhere : items whose pictures are files that stay where they are; not in the backup
    lacking : copies of pictures that are missing or damaged in the data folder
    seconds : it took
    """

    target: Path
    generation: str
    items: int
    pictures: int
    copied: int
    copied_bytes: int
    unchanged: tuple[str, ...]
    files_elsewhere: int
    lacking: tuple[str, ...]
    seconds: float


def backup(data: Path, target: Path, *, keep: int = KEPT, adopt: bool = False) -> BackupReport:
    """Copy a data folder, while others may write to it.

    Parameters
    ----------
    data : the data folder
    target : a new or empty folder, or that of a former backup, outside the data folder
    keep : how many generations stay, from 1 up
    adopt : go on with a backup of another data folder, such as one that was moved

    Raises
    ------
    OutputError : the target can't be used or written; a former backup stays as it was
    CatalogError : there is no catalog, or it is damaged
    """
    start = time.monotonic()
    data, target = data.absolute(), target.absolute()
    if not (data / CATALOG).is_file():
        raise CatalogError(f"There is no catalog in {data}; name the folder of one with --data.")
    _check_target(data, target)
    folder.make_folder(target, mode=0o700)
    with _locked(target):
        former = manifest.current(target)
        _check_source(former, data, target, adopt=adopt)
        run = _Run(data, target, former)
        try:
            made = run.make()
        except OSError as error:
            raise write_error(error, target) from error
        finally:
            run.tidy()
        _forget(target, keep)
    return BackupReport(
        target=target,
        generation=made.name,
        items=made.items,
        pictures=made.pictures,
        copied=run.copied,
        copied_bytes=run.copied_bytes,
        unchanged=tuple(run.unchanged),
        files_elsewhere=made.files_elsewhere,
        lacking=tuple(made.lacking),
        seconds=time.monotonic() - start,
    )


def _check_target(data: Path, target: Path) -> None:
    folder.check_apart(
        data,
        target,
        f"A backup goes to a folder apart from the data folder; {target} and {data} contain each "
        "other. Choose a folder elsewhere, best on another disk.",
    )
    if target.exists() and not target.is_dir():
        raise OutputError(f"A backup goes to a folder; {target} is a file. Choose another name.")
    try:
        used = target.is_dir() and any(entry.name != ".lock" for entry in target.iterdir())
    except OSError as error:
        raise write_error(error, target) from error
    if used and not manifest.is_backup(target):
        raise OutputError(
            f"{target} isn't empty and holds no backup; choose a new or empty folder, so that "
            "nothing is mixed up."
        )


def _check_source(former: Manifest | None, data: Path, target: Path, *, adopt: bool) -> None:
    if former is not None and former.source != str(data) and not adopt:
        raise OutputError(
            f"{target} holds a backup of {former.source}, not of {data}. Choose a target of its "
            "own for each catalog; or give --adopt, if the data folder was moved."
        )


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    lock = FileLock(target / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise CatalogBusy(
            f"Another process is writing a backup to {target}; wait until it is done."
        ) from None
    except OSError as error:
        raise write_error(error, target) from error
    try:
        yield
    finally:
        lock.release()


class _Run:
    """One backup: files into a draft folder, which then becomes a generation."""

    def __init__(self, data: Path, target: Path, former: Manifest | None) -> None:
        self.data, self.target, self.former = data, target, former
        self.copied = self.copied_bytes = 0
        self.unchanged: list[str] = []
        self._name = _new_name(target)
        self._draft = manifest.folder_of(target, _DRAFT + self._name)

    def make(self) -> Manifest:
        """Copy everything, verify it, and make it the current generation."""
        self.tidy()
        folder.make_folder(self._draft, mode=0o700)
        made = Manifest(self._name, str(self.data), version("kinlens"))
        # The sources first: items that the catalog gains meanwhile are new to the next indexing.
        for name in (SOURCES, KEYS):
            if (self.data / name).is_file():
                self._copy_database(made, name)
        for name in (SECRET, ENCODER):
            if (self.data / name).is_file():
                self._copy_small(made, name)
        self._copy_catalog(made)
        manifest.write_manifest(self._draft, made)
        final = manifest.folder_of(self.target, self._name)
        self._draft.rename(final)
        folder.sync(final.parent)
        manifest.make_current(self.target, self._name)
        return made

    def tidy(self) -> None:
        """Remove what backups left that were cut short."""
        parent = self._draft.parent
        if parent.is_dir():
            for entry in parent.glob(f"{_DRAFT}*"):
                folder.delete(entry)

    def _copy_catalog(self, made: Manifest) -> None:
        path = self.data / CATALOG
        store = PictureStore(self.data / folder.PICTURES)
        with closing(Database(path, create=False)) as database, ExitStack() as snapshot:
            with database.read() as connection:
                pictures = _copies(connection)
            lacking = set(self._copy_pictures(pictures))
            # Nobody may remove a picture between the snapshot and its copying. All but the newest
            # have been copied by now, so that others don't wait for long.
            with store.locked():
                state = _state(path)
                connection = snapshot.enter_context(database.read())
                pictures = _copies(connection)
                lacking = set(self._copy_pictures(pictures))
            self._describe(made, connection, pictures - lacking)
            self._store_database(made, CATALOG, connection, state)
        made.lacking = sorted(lacking)
        self._write_pictures(made, pictures - lacking)

    def _describe(self, made: Manifest, connection: sqlite3.Connection, pictures: set[str]) -> None:
        query = "SELECT count(*), count(*) FILTER (WHERE substr(picture, 1, ?) = ?) FROM items"
        made.items, made.files_elsewhere = connection.execute(query, (len(PATH), PATH)).fetchone()
        revision = connection.execute("SELECT value FROM meta WHERE name = 'revision'").fetchone()
        made.revision = revision[0] if revision else 0
        made.pictures = len(pictures)

    def _copy_pictures(self, digests: Iterable[str]) -> Iterator[str]:
        """Copy what the target lacks; gives the digests that can't be had whole."""
        source = self.data / folder.PICTURES
        for digest in sorted(digests):
            target = manifest.picture_of(self.target, digest)
            here = source / digest[:2] / digest
            if target.is_file() and _same_size(here, target):
                continue
            if not self._copy_picture(here, target, digest) and not _is_whole(target, digest):
                yield digest

    def _copy_picture(self, here: Path, target: Path, digest: str) -> bool:
        folder.make_folder(target.parent, mode=0o700)
        draft = target.with_name(f"{digest}.draft")
        try:
            found, size = folder.copy_file(here, draft)
        except OSError:  # it isn't there, or can't be read
            return False
        if found != digest:
            draft.unlink()
            return False
        draft.replace(target)
        self.copied += 1
        self.copied_bytes += size
        return True

    def _write_pictures(self, made: Manifest, digests: set[str]) -> None:
        for shelf in sorted({digest[:2] for digest in digests}):
            folder.sync(manifest.picture_of(self.target, shelf).parent)
        sizes = (manifest.picture_of(self.target, digest).stat().st_size for digest in digests)
        made.picture_bytes = sum(sizes)
        file = self._draft / manifest.PICTURE_LIST
        file.write_text("".join(f"{digest}\n" for digest in sorted(digests)), encoding="ascii")
        folder.sync(file)
        self._enter(made, manifest.PICTURE_LIST, folder.digest_of(file))

    def _copy_small(self, made: Manifest, name: str) -> None:
        mode = 0o600 if name in PRIVATE else 0o644
        try:
            digest, size = folder.copy_file(self.data / name, self._draft / name, mode=mode)
        except OSError as error:
            raise CatalogError(f"{self.data / name} can't be read: {error.strerror}.") from error
        self.copied_bytes += size
        self._enter(made, name, digest)

    def _copy_database(self, made: Manifest, name: str) -> None:
        path = self.data / name
        state = _state(path)
        try:
            with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
                self._store_database(made, name, connection, state)
        except sqlite3.Error as error:
            raise translate(error, path) from error

    def _store_database(
        self, made: Manifest, name: str, source: sqlite3.Connection, state: list[list[int]]
    ) -> None:
        """Copy what the connection shows as one file without a log, or reuse the former one."""
        made.states[name] = state
        target = self._draft / name
        same = state and self._former_state(name) == state == _state(self.data / name)
        if same and self._reuse(made, name):
            return
        target.touch(mode=0o600 if name in PRIVATE else 0o644)
        try:
            with closing(sqlite3.connect(target, isolation_level=None)) as copy:
                source.backup(copy, pages=_PAGES_AT_ONCE, sleep=0)
                copy.execute("PRAGMA journal_mode = DELETE")
                said = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            raise translate(error, target) from error
        if said != "ok":
            raise CatalogError(
                f"{self.data / name} is damaged ({said}), so that no backup was made of it; the "
                "former one stays. `kinlens doctor --deep` says what is damaged."
            )
        folder.sync(target)
        digest = folder.digest_of(target)
        if self._is_former(name, digest) and self._reuse(made, name):
            return
        self.copied_bytes += target.stat().st_size
        self._enter(made, name, digest)

    def _former_state(self, name: str) -> list[list[int]] | None:
        return None if self.former is None else self.former.states.get(name)

    def _is_former(self, name: str, digest: str) -> bool:
        return self.former is not None and self.former.files.get(name, {}).get("sha256") == digest

    def _reuse(self, made: Manifest, name: str) -> bool:
        """Take the file of the former generation, if it is what its manifest says."""
        if self.former is None or name not in self.former.files:
            return False
        file = manifest.folder_of(self.target, self.former.name) / name
        entry = self.former.files[name]
        with suppress(OSError):
            if folder.digest_of(file) == entry["sha256"]:
                (self._draft / name).unlink(missing_ok=True)
                os.link(file, self._draft / name)
                made.files[name] = entry
                self.unchanged.append(name)
                return True
        return False

    def _enter(self, made: Manifest, name: str, digest: str) -> None:
        stat = (self._draft / name).stat()
        entry = {"sha256": digest, "bytes": stat.st_size, "mode": f"{stat.st_mode & 0o777:04o}"}
        made.files[name] = entry


def _new_name(target: Path) -> str:
    """Later than all there are, also where the clock was set back."""
    name = folder.stamp()
    newest = max(manifest.generations(target), default="")
    if name > newest:
        return name
    number = int(newest.partition("-")[2] or 1)
    return f"{newest.partition('-')[0]}-{number + 1:04}"


def _copies(connection: sqlite3.Connection) -> set[str]:
    found = connection.execute(
        "SELECT DISTINCT substr(picture, ?) FROM items WHERE substr(picture, 1, 5) = 'copy:'",
        (len(COPY) + 1,),
    )
    return {digest for (digest,) in found}


def _state(path: Path) -> list[list[int]]:
    """What changes with every write to a database; empty while a write may come unnoticed."""
    files = [path.with_name(path.name + suffix) for suffix in ("", "-wal")]
    stats = [file.stat() for file in files if file.exists()]
    newest = max((stat.st_mtime for stat in stats), default=0.0)
    if time.time() - newest < _CLOCK_STEP:
        return []
    return [[stat.st_ino, stat.st_size, stat.st_mtime_ns] for stat in stats if stat.st_size]


def _same_size(here: Path, target: Path) -> bool:
    try:
        return here.stat().st_size == target.stat().st_size
    except OSError:
        return False


def _is_whole(file: Path, digest: str) -> bool:
    try:
        return folder.digest_of(file) == digest
    except OSError:
        return False


def _forget(target: Path, keep: int) -> None:
    """Remove all generations but the newest, and the pictures that none of those lists."""
    names = manifest.generations(target)
    for name in names[: -max(1, keep)]:
        folder.delete(manifest.folder_of(target, name))
    wanted = {
        digest
        for name in names[-max(1, keep) :]
        for digest in manifest.pictures_in(manifest.folder_of(target, name))
    }
    shelves = target / folder.PICTURES
    if shelves.is_dir():
        for shelf in shelves.iterdir():
            for picture in shelf.iterdir():
                if picture.name not in wanted:
                    picture.unlink()
