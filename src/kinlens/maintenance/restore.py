"""A data folder from a backup: verified, built beside its place, and put there whole."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from kinlens.errors import CatalogBusy, CatalogError, InvalidInput, OutputError
from kinlens.maintenance import folder, manifest, usage
from kinlens.maintenance.folder import CATALOG, PICTURES
from kinlens.maintenance.manifest import Manifest
from kinlens.neighbors.array_files import write_error

_RESTORE = "restore into it"


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was restored, or verified.

    Parameters
    ----------
    generation : of the backup
    items, pictures : in it
    files_elsewhere : items whose pictures are files that the backup doesn't have
    lacking : copies of pictures that the backup lacks, because the data folder lacked them
    folder : the data folder; None if the backup was only verified
    aside : where the folder is that was there before, if any
    """

    generation: str
    items: int
    pictures: int
    files_elsewhere: int
    lacking: tuple[str, ...]
    folder: Path | None = None
    aside: Path | None = None


def verify(source: Path, *, generation: str | None = None) -> RestoreReport:
    """Read all of a backup, and compare it with its manifest.

    Parameters
    ----------
    source : the backup's folder
    generation : which one; the current one by default

    Raises
    ------
    CatalogError : it is no backup, or damaged
    """
    chosen = _manifest(source, generation)
    for name, entry in chosen.files.items():
        file = manifest.folder_of(source, chosen.name) / name
        if _digest(source, file) != entry["sha256"]:
            raise manifest.damaged(source, f"{file} isn't what was written")
    for digest in _pictures(source, chosen):
        file = manifest.picture_of(source, digest)
        if _digest(source, file) != digest:
            raise manifest.damaged(source, f"the picture {file} isn't what was written")
    _check_database(source, manifest.folder_of(source, chosen.name) / CATALOG, chosen)
    return _report(chosen)


def restore(
    source: Path, data: Path, *, generation: str | None = None, replace: bool = False
) -> RestoreReport:
    """Make a data folder of a backup.

    Nothing of what was in the folder's place is used, no log of SQLite either.

    Parameters
    ----------
    source : the backup's folder
    data : the data folder to make
    generation : which one; the current one by default
    replace : move a data folder that is there aside, rather than refuse

    Raises
    ------
    CatalogError : it is no backup, or damaged; nothing was changed
    CatalogBusy : a process uses the data folder
    OutputError : the data folder can't be made, or is there and isn't empty
    """
    source, data = source.absolute(), data.resolve()
    chosen = _manifest(source, generation)
    folder.check_apart(
        source, data, f"The backup {source} and the data folder {data} contain each other."
    )
    _check_place(data, replace=replace)
    draft = data.with_name(f".{data.name}.restore-{os.getpid()}")
    try:
        folder.delete(draft)
        folder.make_folder(data.parent)
        draft.mkdir(mode=0o700)
        _copy(source, chosen, draft)
        _check_database(source, draft / CATALOG, chosen)
        draft.chmod(0o755)
        aside = _put_in_place(draft, data, replace=replace)
    except OSError as error:
        raise write_error(error, data) from error
    finally:
        folder.delete(draft)
    return _report(chosen, data, aside)


def _manifest(source: Path, generation: str | None) -> Manifest:
    if not source.is_dir():
        raise CatalogError(f"There is no backup in {source}: it is no folder.")
    if generation is not None:
        if generation not in manifest.generations(source):
            there = ", ".join(manifest.generations(source)) or "none"
            raise InvalidInput(
                f"The backup in {source} has no generation {generation!r:.60}; there are: {there}."
            )
        return manifest.read(source, generation)
    chosen = manifest.current(source)
    if chosen is None:
        raise CatalogError(
            f"There is no backup in {source}, or none that was finished; make one with "
            f"`kinlens backup {source}`."
        )
    return chosen


def _check_place(data: Path, *, replace: bool) -> None:
    if data.exists() and not data.is_dir():
        raise OutputError(f"{data} is a file; name a folder to restore to.")
    if data.is_dir() and any(data.iterdir()):
        if not replace:
            raise OutputError(
                f"{data} isn't empty; name a new folder, or give --replace, which moves it aside "
                "and deletes nothing."
            )
        with _unused(data):
            pass


@contextmanager
def _unused(data: Path) -> Iterator[None]:
    if usage.is_indexing(data):
        raise CatalogBusy(f"A process indexes into {data}; wait until it is done.")
    with usage.alone(data, _RESTORE):
        yield


def _copy(source: Path, chosen: Manifest, draft: Path) -> None:
    """Copy all files, comparing each with the manifest as it is read."""
    for name, entry in chosen.files.items():
        if name == manifest.PICTURE_LIST:
            continue
        file = manifest.folder_of(source, chosen.name) / name
        mode = int(entry["mode"], 8)
        if _copied(source, file, draft / Path(name).name, mode) != entry["sha256"]:
            raise manifest.damaged(source, f"{file} isn't what was written")
    shelves = set()
    for digest in _pictures(source, chosen):
        shelf = draft / PICTURES / digest[:2]
        if shelf not in shelves:
            shelf.mkdir(parents=True)
            shelves.add(shelf)
        file = manifest.picture_of(source, digest)
        if _copied(source, file, shelf / digest, 0o644) != digest:
            raise manifest.damaged(source, f"the picture {file} isn't what was written")
    for made in (*sorted(shelves), draft):
        folder.sync(made)


def _copied(source: Path, file: Path, target: Path, mode: int) -> str:
    try:
        return folder.copy_file(file, target, mode=mode)[0]
    except OSError as error:
        raise manifest.damaged(source, f"{file} can't be read: {error.strerror}") from error


def _digest(source: Path, file: Path) -> str:
    try:
        return folder.digest_of(file)
    except OSError as error:
        raise manifest.damaged(source, f"{file} can't be read: {error.strerror}") from error


def _pictures(source: Path, chosen: Manifest) -> list[str]:
    place = manifest.folder_of(source, chosen.name)
    listed = place / manifest.PICTURE_LIST
    entry = chosen.files.get(manifest.PICTURE_LIST, {})
    if _digest(source, listed) != entry.get("sha256"):
        raise manifest.damaged(source, f"{listed} isn't what was written")
    return manifest.pictures_in(place)


def _check_database(source: Path, file: Path, chosen: Manifest) -> None:
    """The database holds what the manifest says, by itself: without any log."""
    uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            count = connection.execute("SELECT count(*) FROM items").fetchone()[0]
    except sqlite3.Error as error:
        raise manifest.damaged(source, f"{file.name} can't be read: {error}") from error
    if count != chosen.items:
        raise manifest.damaged(source, f"{file.name} has {count} items, not {chosen.items}")


def _put_in_place(draft: Path, data: Path, *, replace: bool) -> Path | None:
    """Rename the draft to the data folder; gives where the one before is."""
    aside = None
    with _unused(data) if data.is_dir() else nullcontext():
        if data.is_dir() and any(data.iterdir()):
            if not replace:  # someone was quicker
                raise OutputError(f"{data} isn't empty any more; nothing was restored.")
            aside = folder.free_name(data.with_name(f"{data.name}.before-{folder.stamp()}"))
            data.rename(aside)
        elif data.is_dir():
            data.rmdir()
        try:
            draft.rename(data)
        except OSError:
            if aside is not None:
                aside.rename(data)
            raise
        folder.sync(data.parent)
    return aside


def _report(chosen: Manifest, data: Path | None = None, aside: Path | None = None) -> RestoreReport:
    return RestoreReport(
        generation=chosen.name,
        items=chosen.items,
        pictures=chosen.pictures,
        files_elsewhere=chosen.files_elsewhere,
        lacking=tuple(chosen.lacking),
        folder=data,
        aside=aside,
    )
