"""Rebuilds what can be rebuilt of a damaged data folder; what is damaged is kept aside."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinlens.encoders.base import Encoder
from kinlens.errors import CatalogBusy
from kinlens.images import PictureLoader
from kinlens.ingest.lock import LOCK_FILE, index_lock
from kinlens.maintenance import folder, pictures, small_files, usage
from kinlens.maintenance.contents import Contents, Lost, Picture
from kinlens.maintenance.findings import Inspection
from kinlens.maintenance.folder import (
    CATALOG,
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
from kinlens.maintenance.small_repairs import (
    REPAIR,
    Aside,
    mend_keys,
    mend_permissions,
    mend_sources,
)
from kinlens.store import COPY, PictureStore, write_error
from kinlens.types import EncoderIdentity


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


def repair(
    data: Path,
    encoder: Callable[[str | None], Encoder],
    loader: PictureLoader,
    *,
    files: bool = False,
    drop_lost: bool = False,
    encoder_fault: Callable[[EncoderIdentity], str | None] | None = None,
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
        self.done += mend_permissions(self.data)
        for name in (ENCODER, SECRET):
            if name in parts and (self.data / name).exists():
                self.aside.take(self.data / name)
                self.done.append(f"{name} was moved aside.")
        if not (self.data / PICTURES).is_dir():
            self.aside.take(self.data / PICTURES)
        if PICTURES in parts:
            with PictureStore(self.data / PICTURES).locked():
                self._mend_pictures()
        if parts & {CATALOG, LOG} or self._changes_items(before):
            self._mend_catalog()
        if PICTURES in parts or CATALOG in parts:
            with PictureStore(self.data / PICTURES).locked():
                self._move_unused()
        if SOURCES in parts:
            self.done += mend_sources(self.data, self.aside)
        self._forget_lost_entries()
        if THUMBNAILS in parts:
            with usage.alone(self.data, REPAIR):
                self.aside.take_database(self.data / THUMBNAILS)
            self.done.append("thumbnails.sqlite was moved aside; thumbnails are made again.")
        if KEYS in parts:
            self.done += mend_keys(self.data, self.aside)
        for left in small_files.leftovers(self.data):
            folder.delete(left)
        folder.sync(self.data)

    def _changes_items(self, before: Inspection) -> bool:
        lost = {PICTURES, FILES} & {one.part for one in before.of("lost")}
        changed = FILES in {one.part for one in before.of("rebuildable")}
        return (self.drop_lost and bool(lost)) or (self.files and changed)

    def _mend_pictures(self) -> None:
        """Give copies their right names; move aside what isn't what its name says."""
        wanted, check = self._pictures()
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
        if moved := len(check.damaged):
            self.done.append(f"{moved:,} copies of pictures were renamed or moved aside.")

    def _move_unused(self) -> None:
        """Move copies aside that no item has, now that all readable items are known."""
        _, check = self._pictures()
        for copy in check.unused:
            self.aside.take(copy)
        if moved := len(check.unused):
            self.done.append(f"{moved:,} copies that no item has were moved aside.")

    def _pictures(self) -> tuple[dict[int, Picture], pictures.PictureCheck]:
        """The pictures of the readable items, and what is wrong with them."""
        found = Inspection(self.data)
        with examined(self.data, found, idle=True) as contents:
            if contents is not None:
                for _ in contents.items():
                    pass
            seen = {} if contents is None else contents.pictures
        return seen, pictures.check_pictures(self.data, seen, found, files=False)

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
            missing = self._pictures()[1].missing if self.drop_lost else set()
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

    def _forget_lost_entries(self) -> None:
        """A source's entries whose items are lost are new to its next run."""
        if not (self.data / SOURCES).is_file():
            return
        found = Inspection(self.data)
        with examined(self.data, found, idle=True) as contents:
            if contents is None:
                gone = small_files.entries_of(self.data)
            else:
                for rows in (contents.items(), contents.ledger()):
                    for _ in rows:
                        pass
                states = contents.states.get
                gone = small_files.check_entries(self.data, contents.ids, states, found)
        if gone:
            with closing(sqlite3.connect(self.data / SOURCES)) as connection, connection:
                connection.executemany("DELETE FROM entries WHERE id = ?", [(one,) for one in gone])
            self.done.append(f"sources.sqlite forgot {len(gone):,} items; index again.")


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
