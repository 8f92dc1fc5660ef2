"""The deep check of a data folder; it changes nothing, and no damage ends it early."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from kinlens.catalog.failures import translate
from kinlens.errors import CatalogBusy, CatalogError, KinlensError
from kinlens.maintenance import databases, pictures, salvage, small_files, usage
from kinlens.maintenance.contents import Contents
from kinlens.maintenance.findings import Inspection
from kinlens.maintenance.folder import (
    CATALOG,
    DATABASES,
    KEYS,
    LOGS,
    SOURCES,
    THUMBNAILS,
)
from kinlens.types import EncoderIdentity

_LOST = "Index the sources again, or restore a backup; the file is moved aside."


def inspect(
    data: Path,
    *,
    files: bool = False,
    encoder_fault: Callable[[EncoderIdentity], str | None] | None = None,
) -> Inspection:
    """Read everything in a data folder, and note what is damaged.

    Parameters
    ----------
    data : the data folder; others may use it meanwhile, though some checks are left out then
    files : also read the pictures that stay where they are, to see whether they have changed
    encoder_fault : says why the encoder that the folder names isn't this one of the catalog

    Raises
    ------
    CatalogError : there is no such folder, or it can't be listed
    """
    found = Inspection(data)
    check_folder(data)
    idle = usage.user_of([data / name for name in DATABASES]) is None
    small_files.check_permissions(data, found)
    with examined(data, found, idle=idle) as contents:
        if contents is not None:
            salvage.read_all(contents)
            seen = dict(contents.pictures)
        else:
            seen = {}
    check = pictures.check_pictures(data, seen, found, files=files, idle=idle)
    _check_lost_vectors(contents, check, found)
    for name in (KEYS, SOURCES, THUMBNAILS):
        small_files.check_database(data / name, found)
    small_files.check_secret(data, found)
    active = None if contents is None else contents.spaces.get(contents.active or 0)
    fault = partial(encoder_fault, active) if encoder_fault and active else None
    small_files.check_encoder(data, found, fault)
    if idle and not usage.is_indexing(data):
        small_files.check_leftovers(data, found)
        if contents is not None:
            small_files.check_entries(data, contents.ids, contents.states.get, found)
    return found


def check_folder(data: Path) -> None:
    """Raise `CatalogError` unless a folder is there and can be listed."""
    try:
        empty = not any(data.iterdir())
    except OSError as error:
        raise CatalogError(
            f"The data folder {data} can't be read: {error.strerror}. Name the folder of a catalog "
            "with --data."
        ) from error
    if empty:
        raise CatalogError(
            f"There is no catalog in {data}; make one with `kinlens index SOURCE --data {data}`."
        )


@contextmanager
def examined(
    data: Path, found: Inspection, *, idle: bool, work: Path | None = None
) -> Iterator[Contents | None]:
    """The contents of the catalog's database, or of the best copy of it where it is damaged.

    Parameters
    ----------
    data : the data folder
    found : where faults of the file are noted
    idle : whether nobody has it open
    work : a folder for copies, which makes it always a copy; else a temporary one, where needed
    """
    path = data / CATALOG
    copies = {copy.name for copy in pictures.copies_in(data)}
    if not _is_there(data, found):
        yield None
        return
    foreign = idle and salvage.is_foreign(path, found)
    if not foreign and work is None and _is_sound(path, found):
        with databases.reader(path) as connection:
            yield Contents(connection, found, copies, idle)
        return
    if not idle:
        found.note(
            CATALOG,
            "a process has it open, so that a closer look isn't possible",
            "notice",
            "Stop the process and run this again.",
        )
        yield None
        return
    with tempfile.TemporaryDirectory(dir=work) as folder, _best(path, folder, found) as connection:
        if connection is None:
            found.note(CATALOG, "no table of it can be read", "lost", _LOST)
        yield None if connection is None else Contents(connection, found, copies)


@contextmanager
def _best(path: Path, folder: str, found: Inspection) -> Iterator[sqlite3.Connection | None]:
    with ExitStack() as opened:
        connection = None
        try:
            connection = opened.enter_context(salvage.salvaged(path, Path(folder), found))
        except (OSError, KinlensError, sqlite3.Error) as error:
            found.note(CATALOG, f"its rows can't be read: {error}", "lost", _LOST)
        yield connection


def _is_there(data: Path, found: Inspection) -> bool:
    path = data / CATALOG
    if path.is_file() and not path.stat().st_size:
        found.note(CATALOG, "it is empty", "lost", _LOST)
    elif path.is_file():
        if os.access(path, os.R_OK):
            return True
        found.note(CATALOG, "it can't be read", "rebuildable", "Give its user the permission.")
    elif path.exists() or path.is_symlink():
        found.note(CATALOG, "it is no file", "lost", _LOST)
    elif any(path.with_name(path.name + suffix).exists() for suffix in LOGS):
        found.note(CATALOG, "it isn't there, and its log is", "lost", _LOST)
    elif (entries := small_files.entries_of(data)) or any(pictures.copies_in(data)):
        count = max(1, len(entries))
        found.note(CATALOG, "it isn't there", "lost", _LOST, names=entries, count=count)
    return False


def _is_sound(path: Path, found: Inspection) -> bool:
    """Note what is wrong with the file as such; whether its rows can be read in place."""
    remedy = "What is readable goes into a new database."
    try:
        with databases.reader(path) as connection:
            before = len(found.findings)
            salvage.header_faults(connection, found)
            broken = databases.structure(connection)
            if broken:
                fault = "SQLite's integrity check fails"
                found.note(CATALOG, fault, "rebuildable", remedy, names=broken, count=len(broken))
            return not broken and all(one.state == "notice" for one in found.findings[before:])
    except sqlite3.Error as error:
        if isinstance(reason := translate(error, path), CatalogBusy):
            raise reason from error
        found.note(CATALOG, f"SQLite can't read it: {error}", "rebuildable", remedy)
        return False


def _check_lost_vectors(
    contents: Contents | None, check: pictures.PictureCheck, found: Inspection
) -> None:
    """Note the items whose vector can't be made again, for want of the picture."""
    if contents is None:
        return
    for row in sorted(contents.refresh):
        picture = contents.pictures[row]
        if picture.reference in check.missing:
            fault = "an item has neither a usable vector nor its picture"
            remedy = "It goes to lost.jsonl; add it again."
            found.note(CATALOG, fault, "lost", remedy, names=[picture.item])
