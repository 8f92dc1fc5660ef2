"""Whether the pictures of items are there, and are what their names say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kinlens.maintenance.contents import Picture
from kinlens.maintenance.databases import reader
from kinlens.maintenance.findings import Inspection
from kinlens.maintenance.folder import CATALOG, PICTURES, digest_of
from kinlens.maintenance.rows import DIGEST
from kinlens.store import COPY, PATH

FILES = "files of pictures"
"""The part that findings name for pictures that stay where they are."""


@dataclass(slots=True)
class PictureCheck:
    """What was found of pictures.

    Parameters
    ----------
    damaged : copies whose content is another than their name says, or that can't be read
    true_names : of those, the digests of what they hold, where that could be read
    unused : copies that no item has
    missing : references of pictures that aren't there, or not whole, and can't be found
    changed : rows of items whose files aren't what was indexed
    """

    damaged: list[Path] = field(default_factory=list)
    true_names: dict[str, Path] = field(default_factory=dict)
    unused: list[Path] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)


def copies_in(folder: Path) -> Iterator[Path]:
    """Every copy, whole or not, in a data folder."""
    shelves = folder / PICTURES
    if shelves.is_dir():
        for shelf in sorted(shelves.iterdir()):
            if shelf.is_dir() and not shelf.name.startswith("."):
                yield from sorted(shelf.iterdir())


def check_pictures(
    data: Path,
    pictures: Mapping[int, Picture],
    found: Inspection,
    *,
    files: bool,
    idle: bool = True,
) -> PictureCheck:
    """Read every copy, and look for every file that stays where it is.

    Parameters
    ----------
    data : the data folder
    pictures : of the items
    found : where faults are noted
    files : read the files that stay where they are too
    idle : whether nobody changes anything meanwhile; else what others have deleted since, or are
        about to bind to an item, isn't a fault
    """
    check = PictureCheck()
    wanted: dict[str, list[str]] = {}
    for picture in pictures.values():
        wanted.setdefault(picture.reference, []).append(picture.item)
    good = _check_copies(data, wanted, check, found, idle=idle)
    for reference, items in wanted.items():
        found.pictures += 1
        if not idle and not _is_referenced(data, reference):
            continue
        if reference.startswith(COPY) and reference[len(COPY) :] not in good:
            _note_missing_copy(reference, items, check, found)
        elif reference.startswith(PATH) and not _is_file(reference):
            check.missing.add(reference)
            remedy = "Put it back, or index its source with --prune; --drop-lost removes the item."
            found.note(FILES, "a file isn't there", "lost", remedy, names=items)
    if files:
        check.changed = _changed_files(pictures, found)
    return check


def _is_referenced(data: Path, reference: str) -> bool:
    """Whether an item has this picture by now."""
    with reader(data / CATALOG) as connection:
        query = "SELECT 1 FROM items WHERE picture = ?"
        return connection.execute(query, (reference,)).fetchone() is not None


def _is_file(reference: str) -> bool:
    try:
        return Path(reference.removeprefix(PATH)).is_file()
    except (OSError, ValueError):
        return False


def _check_copies(
    data: Path,
    wanted: Mapping[str, list[str]],
    check: PictureCheck,
    found: Inspection,
    *,
    idle: bool,
) -> set[str]:
    """Read every copy; gives the digests of those that are what their name says."""
    good: set[str] = set()
    if (data / PICTURES).exists() and not (data / PICTURES).is_dir():
        found.note(PICTURES, "it is no folder", "rebuildable", "It is moved aside.")
        check.damaged.append(data / PICTURES)
        return good
    for copy in copies_in(data):
        digest = _digest(copy)
        if digest == copy.name and copy.parent.name == digest[:2]:
            good.add(digest)
            if idle and COPY + digest not in wanted:
                check.unused.append(copy)
            continue
        check.damaged.append(copy)
        if digest:
            check.true_names[digest] = copy
        if DIGEST.fullmatch(copy.name) is None or COPY + copy.name not in wanted:
            fault, remedy = "a file isn't named by its content", "It is moved aside."
            found.note(PICTURES, fault, "rebuildable", remedy, names=[copy.name])
    if check.unused:
        found.note(
            PICTURES,
            "a copy belongs to no item: a write was cut short, or its item was lost",
            "rebuildable",
            "It is moved aside; add its item again if it is missed.",
            names=[copy.name for copy in check.unused],
        )
    return good


def _digest(copy: Path) -> str | None:
    try:
        return digest_of(copy) if copy.is_file() else None
    except OSError:
        return None


def _note_missing_copy(
    reference: str, items: list[str], check: PictureCheck, found: Inspection
) -> None:
    digest = reference.removeprefix(COPY)
    there = any(copy.name == digest for copy in check.damaged)
    fault = "a copy holds another picture, or none" if there else "a copy isn't there"
    if digest in check.true_names:
        remedy = "The file that holds it gets its name."
        found.note(PICTURES, fault, "rebuildable", remedy, names=items)
        return
    check.missing.add(reference)
    remedy = "Add the item again, or restore it from a backup; --drop-lost removes the item."
    found.note(PICTURES, fault, "lost", remedy, names=items)


def _changed_files(pictures: Mapping[int, Picture], found: Inspection) -> set[int]:
    changed = set()
    for row, picture in pictures.items():
        if not picture.reference.startswith(PATH) or not _is_file(picture.reference):
            continue
        if _digest(Path(picture.reference.removeprefix(PATH))) != picture.digest:
            changed.add(row)
            fault = "a file has changed since it was indexed"
            remedy = "It is encoded again."
            found.note(FILES, fault, "rebuildable", remedy, names=[picture.item])
    return changed
