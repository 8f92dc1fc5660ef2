"""A folder of pictures: every picture file below it, by name."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from kinlens.errors import InvalidInput, SourceError
from kinlens.images import sniff
from kinlens.sources.base import PICTURE_EXTENSIONS, Entry, SourceOptions
from kinlens.sources.column_types import ColumnReport, ColumnTypes
from kinlens.types import NewItem, Value

DATA_FILE = "catalog.sqlite"
"""A folder that holds this file is Kinlens's own: the copies in it aren't the user's pictures."""


class FolderSource:
    """Picture files of a folder and of its sub-folders, in order of name.

    The id of an item is its path within the folder, with forward slashes. Hidden files and folders
    are left out, and so is a link that leads back to a folder it is in. A file counts as a picture
    by its extension, or if it has none, by its first bytes.

    Raises
    ------
    SourceError : not a folder, or one that can't be read
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._root = Path(os.path.abspath(path))  # noqa: PTH100  # links keep their names
        self.options = options
        self._types = ColumnTypes(options.types)
        try:
            os.scandir(self._root).close()
        except OSError as error:
            raise SourceError(
                f"The folder {self._root} can't be read: {error.strerror}; name one that can."
            ) from error

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return str(self._root)

    def count(self) -> int:
        """See `Source.count`."""
        return sum(1 for _ in self._walk(self._root, "", ()))

    def __iter__(self) -> Iterator[Entry]:
        self._types.restart()
        for relative in self._walk(self._root, "", ()):
            yield relative if isinstance(relative, Entry) else self._entry(relative)

    def _entry(self, relative: str) -> Entry:
        try:
            path = os.path.join(self._root, relative)  # noqa: PTH118  # a Path takes far longer
            item = NewItem(relative, path=path, metadata=self._fields(relative))
        except InvalidInput as error:
            shown = relative.encode("utf-8", "backslashreplace").decode()[-256:]
            reason = f"The file's name can't be an item's id; rename it. {error}"
            return Entry(shown, None, reason, shown)
        return Entry(relative, item)

    def _walk(
        self, folder: Path, prefix: str, above: tuple[tuple[int, int], ...]
    ) -> Iterator[str | Entry]:
        try:
            here = folder.stat()
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            reason = (
                f"The folder can't be read: {error.strerror}. While it can't, nothing of it is "
                "pruned."
            )
            place = prefix or folder.name
            yield Entry(place, None, reason, str(folder), hides=True, under=prefix)
            return
        identity = (here.st_dev, here.st_ino)
        if identity in above or any(entry.name == DATA_FILE for entry in entries):
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                yield from self._walk(
                    folder / entry.name, f"{prefix}{entry.name}/", (*above, identity)
                )
            elif _is_picture(entry):
                yield prefix + entry.name

    def column_reports(self) -> list[ColumnReport]:
        """What didn't fit the declared types, since the iteration began."""
        return self._types.reports()

    def _fields(self, relative: str) -> dict[str, Value]:
        found = self._names_of_folders(relative)
        self._types.apply(found)
        return found

    def _names_of_folders(self, relative: str) -> dict[str, Value]:
        names = self.options.folders_as
        folders = relative.split("/")[:-1]
        if not names or not folders:
            return {}
        last = len(names) - 1
        parts = [*folders[:last], "/".join(folders[last:])]
        return {name: part for name, part in zip(names, parts, strict=False) if part}


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:  # what may not be looked at is told of as a folder
        return error.errno != errno.ELOOP


def _is_picture(entry: os.DirEntry[str]) -> bool:
    stem, dot, extension = entry.name.rpartition(".")
    if stem and dot:
        return extension.lower() in PICTURE_EXTENSIONS
    try:
        if not entry.is_file():
            return False
        with Path(entry.path).open("rb") as file:
            return sniff(file.read(64)) is not None
    except OSError:
        return False
