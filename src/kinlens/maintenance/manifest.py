"""What a backup holds: the manifest of each generation, and which generation is the current one."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kinlens.errors import CatalogError
from kinlens.maintenance.folder import PICTURES, digest_of, sync
from kinlens.neighbors.array_files import write_error

POINTER = "kinlens-backup.json"
GENERATIONS = "generations"
MANIFEST = "manifest.json"
PICTURE_LIST = "pictures.txt"
FORMAT = 1


@dataclass(slots=True)
class Manifest:
    """One generation.

    Parameters
    ----------
    name : of its folder; the time of the backup in UTC
    source : the data folder
    kinlens : version that wrote it
    revision : of the catalog
    items : how many
    pictures : how many copies are referenced; they are listed in `pictures.txt`
    picture_bytes : their size
    files_elsewhere : items whose picture is a file that stays where it is, and isn't backed up
    lacking : copies that were missing or damaged in the data folder
    files : sha256, bytes and mode of each file, by name
    states : size and time of the databases when they were copied, to tell whether they have changed
    """

    name: str
    source: str
    kinlens: str
    revision: int = 0
    items: int = 0
    pictures: int = 0
    picture_bytes: int = 0
    files_elsewhere: int = 0
    lacking: list[str] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[str, list[list[int]]] = field(default_factory=dict)


def folder_of(target: Path, name: str) -> Path:
    """The folder of a generation."""
    return target / GENERATIONS / name


def picture_of(target: Path, digest: str) -> Path:
    """The file of a picture's copy; all generations share them."""
    return target / PICTURES / digest[:2] / digest


def is_backup(target: Path) -> bool:
    """Whether a folder holds a backup, or the beginning of one."""
    return (target / POINTER).is_file() or (target / GENERATIONS).is_dir()


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write a JSON file durably, so that there is always a whole one."""
    draft = file.with_name(f"{file.name}.draft")
    try:
        with draft.open("w", encoding="utf-8") as opened:
            json.dump(content, opened, ensure_ascii=False, indent=1)
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(file)
        sync(file.parent)
    except OSError as error:
        raise write_error(error, file) from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a generation's manifest."""
    write_json(folder / MANIFEST, {"format": FORMAT, **asdict(manifest)})


def make_current(target: Path, name: str) -> None:
    """From now on, this generation is the one to restore."""
    digest = digest_of(folder_of(target, name) / MANIFEST)
    write_json(target / POINTER, {"format": FORMAT, "current": name, "manifest_sha256": digest})


def current(target: Path) -> Manifest | None:
    """The current generation; None where no backup was finished.

    Raises
    ------
    CatalogError : its files don't say
    """
    file = target / POINTER
    if not file.exists():
        return None
    pointer = _json(file)
    name, digest = pointer.get("current"), pointer.get("manifest_sha256")
    if not isinstance(name, str) or Path(name).name != name:
        raise damaged(target, f"{POINTER} names no generation")
    return read(target, name, digest)


def read(target: Path, name: str, digest: object = None) -> Manifest:
    """The manifest of a generation.

    Raises
    ------
    CatalogError : there is none of this name, or it can't be read
    """
    file = folder_of(target, name) / MANIFEST
    try:
        if digest is not None and digest_of(file) != digest:
            raise damaged(target, f"{file} has changed since it was written")
    except OSError as error:
        raise damaged(target, f"{file} can't be read: {error.strerror}") from error
    content = _json(file)
    content.pop("format")
    try:
        return Manifest(**content)
    except TypeError as error:
        raise damaged(target, f"{file} has other entries than a manifest") from error


def generations(target: Path) -> list[str]:
    """The finished generations, oldest first."""
    folder = target / GENERATIONS
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if (entry / MANIFEST).is_file())


def pictures_in(folder: Path) -> list[str]:
    """The digests that a generation lists."""
    return (folder / PICTURE_LIST).read_text(encoding="ascii").split()


def damaged(target: Path, what: str) -> CatalogError:
    """For a backup that can't be used as it is."""
    kept = ", ".join(generations(target)) or "none"
    return CatalogError(
        f"The backup in {target} is damaged: {what}. Nothing was restored; try another generation "
        f"with --generation (there are: {kept}), or make a new backup."
    )


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CatalogError(f"{file} can't be read: {error}. It belongs to a backup.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CatalogError(
            f"{file} isn't of the format {FORMAT} that this Kinlens reads. It belongs to a backup; "
            "upgrade Kinlens, or restore another generation."
        )
    return content
