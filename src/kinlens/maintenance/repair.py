"""Rebuilds what can be rebuilt of a damaged data folder; what is damaged is kept aside."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinlens.encoders.base import Encoder
from kinlens.errors import CatalogBusy
from kinlens.images import PictureLoader
from kinlens.ingest.lock import LOCK_FILE, index_lock
from kinlens.maintenance import databases, folder, pictures, small_files, usage
from kinlens.maintenance.contents import Contents, Lost
from kinlens.maintenance.findings import Inspection
from kinlens.maintenance.folder import (
    CATALOG,
    DATABASES,
    ENCODER,
    KEYS,
    LOGS,
    PICTURES,
    SECRET,
    SOURCES,
    THUMBNAILS,
)
from kinlens.maintenance.inspection import check_folder, examined, inspect
from kinlens.maintenance.pictures import FILES
from kinlens.maintenance.rebuild import Rebuild, lost_lines
from kinlens.maintenance.salvage import LOG
from kinlens.store import COPY, PictureStore, write_error

REPAIR = "repair it"
LOST_KEY = "lost keys"
"""Name of the revoked key that keeps the API closed where keys were lost."""


@dataclass(slots=True)
class RepairReport:
    """What a repair did.

    Parameters
    ----------
    before, after : what was found before and afterwards
    aside : the folder that damaged files were moved to; None if there were none
    done : what was done, in sentences
    lost : readable values that the catalog no longer has; also in `lost.jsonl`
    """

    before: Inspection
    after: Inspection
    aside: Path | None = None
    done: list[str] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "aside": str(self.aside) if self.aside else None,
            "done": self.done,
            "lost": [
                {"table": one.table, "reason": one.reason, "id": repr(one.values.get("id"))}
                for one in self.lost
            ],
        }


class Aside:
    """The folder for damaged files, made when the first is moved there."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._path: Path | None = None

    @property
    def path(self) -> Path | None:
        """Where it is, if something is in it."""
        return self._path

    def folder(self) -> Path:
        """The folder, made if need be."""
        if self._path is None:
            self._path = folder.free_name(self._data / f"damaged-{folder.stamp()}")
            self._path.mkdir(mode=0o700)
        return self._path

    def take(self, path: Path) -> None:
        """Move a file or folder here, if it is there."""
        if path.exists() or path.is_symlink():
            target = self.folder() / path.relative_to(self._data)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(folder.free_name(target))

    def take_database(self, path: Path) -> None:
        """Move a database here with what belongs to it."""
        for suffix in ("", *LOGS):
            self.take(path.with_name(path.name + suffix))


def repair(
    data: Path,
    encoder: Callable[[str | None], Encoder],
    loader: PictureLoader,
    *,
    files: bool = False,
    drop_lost: bool = False,
    encoder_fault: Callable[[], str | None] | None = None,
) -> RepairReport:
    """Rebuild what can be rebuilt; nothing that is readable is deleted.

    Parameters
    ----------
    data : the data folder
    encoder : opens the encoder whose vectors the catalog holds, called if some are to be made with
        the name that the catalog knows, if it does
    loader : decodes pictures
    files : read the pictures that stay where they are too, and encode those that have changed
    drop_lost : remove the items whose pictures are lost
    encoder_fault : see `inspect`

    Raises
    ------
    CatalogBusy : another process uses the folder
    EncoderError, CatalogError : vectors are to be made, and the encoder can't be had; the database
        is left as it was
    """
    check_folder(data)
    work = _Repair(data, encoder, loader, files=files, drop_lost=drop_lost)
    try:
        if not (data / LOCK_FILE).is_file():
            work.aside.take(data / LOCK_FILE)
        with index_lock(data):
            with usage.alone(data, REPAIR):
                pass
            before = inspect(data, files=files, encoder_fault=encoder_fault)
            if before.findings:
                work.run(before)
    except OSError as error:
        raise write_error(error, data) from error
    after = inspect(data, files=files, encoder_fault=encoder_fault)
    return RepairReport(before, after, work.aside.path, work.done, work.lost)


class _Repair:
    def __init__(
        self,
        data: Path,
        encoder: Callable[[str | None], Encoder],
        loader: PictureLoader,
        *,
        files: bool,
        drop_lost: bool,
    ) -> None:
        self.data, self.encoder, self.loader = data, encoder, loader
        self.files, self.drop_lost = files, drop_lost
        self.aside = Aside(data)
        self.done: list[str] = []
        self.lost: list[Lost] = []

    def run(self, before: Inspection) -> None:
        """Mend each part that has a finding."""
        parts = {one.part for one in before.findings if one.state != "notice"}
        self._mend_permissions()
        for name in (ENCODER, SECRET):
            if name in parts and (self.data / name).exists():
                self.aside.take(self.data / name)
                self.done.append(f"{name} was moved aside.")
        if PICTURES in parts:
            with PictureStore(self.data / PICTURES).locked():
                self._mend_pictures()
        if parts & {CATALOG, LOG} or self._changes_items(before):
            self._mend_catalog()
        if SOURCES in parts:
            self._mend_sources()
        self._forget_lost_entries()
        if THUMBNAILS in parts:
            with usage.alone(self.data, REPAIR):
                self.aside.take_database(self.data / THUMBNAILS)
            self.done.append("thumbnails.sqlite was moved aside; thumbnails are made again.")
        if KEYS in parts:
            self._mend_keys()
        for left in small_files.leftovers(self.data):
            folder.delete(left)
        folder.sync(self.data)

    def _changes_items(self, before: Inspection) -> bool:
        lost = {PICTURES, FILES} & {one.part for one in before.of("lost")}
        changed = FILES in {one.part for one in before.of("rebuildable")}
        return (self.drop_lost and bool(lost)) or (self.files and changed)

    def _mend_permissions(self) -> None:
        for name in (*DATABASES, SECRET, ENCODER):
            file = self.data / name
            if os.name == "nt" or not file.is_file():
                continue
            mode = file.stat().st_mode & 0o777
            wanted = 0o600 if name in folder.PRIVATE and mode & 0o077 else mode | 0o600
            if mode != wanted:
                file.chmod(wanted)
                self.done.append(f"The permissions of {name} are {wanted:04o}.")

    def _mend_pictures(self) -> None:
        """Give copies their right names; move aside what isn't what its name says."""
        found = Inspection(self.data)
        with examined(self.data, found, idle=True) as contents:
            if contents is not None:
                for _ in contents.items():
                    pass
            wanted = {} if contents is None else contents.pictures
        check = pictures.check_pictures(self.data, wanted, found, files=False)
        held = {path: digest for digest, path in check.true_names.items()}
        references = {picture.reference for picture in wanted.values()}
        drafts: list[tuple[Path, Path]] = []
        for copy in check.damaged:
            digest = held.get(copy)
            if digest and COPY + digest in references:
                draft = copy.with_name(f"{copy.name}.renamed")
                copy.rename(draft)
                drafts.append((draft, self.data / PICTURES / digest[:2] / digest))
            else:
                self.aside.take(copy)
        for draft, target in drafts:
            target.parent.mkdir(exist_ok=True)
            if target.exists():
                self.aside.take(draft)
            else:
                draft.rename(target)
        for copy in check.unused:
            self.aside.take(copy)
        if moved := len(check.damaged) + len(check.unused):
            self.done.append(f"{moved:,} copies of pictures were renamed or moved aside.")

    def _mend_catalog(self) -> None:
        """Build a new database beside the damaged one, then put it in its place."""
        path = self.data / CATALOG
        work = self.data / f".repair-{os.getpid()}"
        folder.delete(work)
        work.mkdir(mode=0o700)
        state = _state(path)
        try:
            found = Inspection(self.data)
            with examined(self.data, found, idle=True, work=work) as contents:
                made = None if contents is None else self._build(contents, work / CATALOG, found)
            with usage.alone(self.data, REPAIR):
                if _state(path) != state:
                    raise CatalogBusy(f"A process wrote to {path} meanwhile; {REPAIR} again.")
                self._swap(path, made)
            self._keep_lost()
        finally:
            folder.delete(work)

    def _build(self, contents: Contents, target: Path, found: Inspection) -> Path | None:
        """The new database; None if nothing is in it."""
        rebuild = Rebuild(contents, target)
        try:
            missing: set[str] = set()
            if self.drop_lost:
                missing = self._missing_pictures()
            rebuild.copy(missing.__contains__)
            if self.files:
                check = pictures.check_pictures(self.data, contents.pictures, found, files=True)
                contents.refresh |= check.changed
            if contents.refresh:
                rebuild.refresh(
                    self._encoder_of(contents), self.loader, PictureStore(self.data / PICTURES)
                )
                self.done.append(f"{len(contents.refresh):,} vectors were made again.")
            rebuild.finish()
        finally:
            rebuild.close()
        self.lost += contents.lost
        kept = len(contents.pictures) or contents.spaces or contents.states
        folder.sync(target)
        return target if kept else None

    def _encoder_of(self, contents: Contents) -> Encoder:
        known = None if contents.active is None else contents.spaces[contents.active].name
        return self.encoder(known)

    def _missing_pictures(self) -> set[str]:
        found = Inspection(self.data)
        with examined(self.data, found, idle=True) as contents:
            if contents is None:
                return set()
            for _ in contents.items():
                pass
            seen = contents.pictures
        return pictures.check_pictures(self.data, seen, found, files=False).missing

    def _keep_lost(self) -> None:
        """Write down what is readable and isn't kept."""
        if self.lost:
            file = self.aside.folder() / "lost.jsonl"
            file.write_text(lost_lines(self.lost), encoding="ascii")
            folder.sync(file)
            self.done.append(f"{len(self.lost):,} records that can't be kept are in {file}.")

    def _swap(self, path: Path, made: Path | None) -> None:
        """The damaged database is whole in its new place before the new one takes its name."""
        beside = [path.with_name(path.name + suffix) for suffix in LOGS]
        if made is None or not path.is_file():
            self.aside.take_database(path)
        else:
            for file in (path, *beside):
                if file.is_file():
                    _link(file, self.aside.folder() / file.name)
            folder.sync(self.aside.folder())
            for file in beside:
                folder.delete(file)
        if made is not None:
            made.replace(path)
        folder.sync(self.data)
        self.done.append(
            "catalog.sqlite was made again from what is readable; the damaged one was moved aside."
            if made
            else "catalog.sqlite was moved aside: nothing of it is readable."
        )

    def _mend_sources(self) -> None:
        path = self.data / SOURCES
        kept = self._table_rows(path, "sources"), self._table_rows(path, "entries")
        with usage.alone(self.data, REPAIR):
            self.aside.take_database(path)
        databases.make_empty(path)
        with closing(sqlite3.connect(path)) as connection, connection:
            for table, found in zip(("sources", "entries"), kept, strict=True):
                stored = sum(_insert(connection, table, row) for row in found)
                self.done.append(f"{stored:,} rows of {table} in sources.sqlite were kept.")
            connection.execute(
                "DELETE FROM entries WHERE source NOT IN (SELECT source FROM sources)"
            )
            connection.execute("DELETE FROM sources WHERE NOT json_valid(options)")
            connection.execute(
                "DELETE FROM entries WHERE source NOT IN (SELECT source FROM sources)"
            )

    def _table_rows(self, path: Path, table: str) -> list[dict[str, Any]]:
        """The rows of a small table up to where it is damaged."""
        found: list[dict[str, Any]] = []
        with suppress(sqlite3.Error), databases.reader(path) as connection:
            cursor = connection.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            for record in cursor:
                found.append(dict(zip(names, record, strict=True)))  # noqa: PERF401 - keeps those read
        return found

    def _forget_lost_entries(self) -> None:
        """A source's entries whose items are lost are new to its next run."""
        if not (self.data / SOURCES).is_file():
            return
        found = Inspection(self.data)
        with examined(self.data, found, idle=True) as contents:
            if contents is None:
                return
            for rows in (contents.items(), contents.ledger()):
                for _ in rows:
                    pass
            gone = small_files.check_entries(self.data, contents.ids, contents.states.get, found)
        if gone:
            with closing(sqlite3.connect(self.data / SOURCES)) as connection, connection:
                connection.executemany("DELETE FROM entries WHERE id = ?", [(one,) for one in gone])
            self.done.append(f"sources.sqlite forgot {len(gone):,} items; index again.")

    def _mend_keys(self) -> None:
        """Keep the keys that are readable; the API stays closed if others may have been lost."""
        path = self.data / KEYS
        names = ("hash", "name", "scopes", "created_at", "revoked_at")
        found = [
            row
            for row in self._table_rows(path, "keys")
            if small_files.is_key(tuple(row.get(name) for name in names))
        ]
        with usage.alone(self.data, REPAIR):
            self.aside.take_database(path)
        databases.make_empty(path)
        found += [_closing_key(None), _closing_key("lost")]
        with closing(sqlite3.connect(path)) as connection, connection:
            kept = sum(_insert(connection, "keys", row) for row in found) - 2
        path.chmod(0o600)
        self.done.append(
            f"{kept:,} keys were kept. The API and cameras need a key from now on, for others may "
            "have been lost: `kinlens keys create` makes new ones."
        )


def _closing_key(device: str | None) -> dict[str, Any]:
    """A revoked key: having had one, the API, or the cameras, go on asking for one."""
    now = time.time()
    return {
        "hash": os.urandom(32).hex(),
        "name": LOST_KEY,
        "scopes": "device" if device else "read",
        "created_at": now,
        "revoked_at": now,
        "device": device,
    }


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> bool:
    names = [name for name in row if name.isidentifier()]
    try:
        connection.execute(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
            [row[name] for name in names],
        )
    except (sqlite3.IntegrityError, UnicodeEncodeError):
        return False
    return True


def _state(path: Path) -> list[tuple[int, int]]:
    """What changes with every write to a database."""
    files = [path.with_name(path.name + suffix) for suffix in ("", "-wal")]
    stats = [file.stat() for file in files if file.exists()]
    return [(stat.st_size, stat.st_mtime_ns) for stat in stats if stat.st_size]


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
