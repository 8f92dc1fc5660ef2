"""A folder of pictures: every picture file below it, by name."""

from __future__ import annotations

import errno
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kinlens.errors import InvalidInput, SourceError
from kinlens.images import FOREIGN_EXTENSIONS, refusal_by_name, sniff
from kinlens.printable import storable
from kinlens.sources.base import PICTURE_EXTENSIONS, Entry, SourceOptions
from kinlens.sources.column_types import ColumnReport, ColumnTypes
from kinlens.sources.patterns import Patterns
from kinlens.sources.system_folders import is_system_folder
from kinlens.types import NewItem, Value

MAX_SHOWN = 300
SHOWN_NAMES = 5
HEAD_SIZE = 64
"""Bytes by which a kind of picture is known."""

DATA_FILE = "catalog.sqlite"
"""A folder that holds this file is Kinlens's own: the copies in it aren't the user's pictures."""


class FolderSource:
    """Picture files of a folder and of its sub-folders, in order of name.

    The id of an item is its path within the folder, with forward slashes. Hidden files and folders
    are left out, as are those of the system and of photo programs (`SYSTEM_FOLDERS`), what the
    option `exclude` names, and a link that leads back to a folder it is in. A file counts as a
    picture by its extension, or if it has none, by its first bytes.

    Raises
    ------
    SourceError : not a folder, or one that can't be read
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._root = os.path.abspath(path)  # noqa: PTH100  # links keep their names
        self.options = options
        self._types = ColumnTypes(options.types)
        self._patterns = Patterns(options.exclude or ())
        self._left_out = LeftOut()
        try:
            os.scandir(self._root).close()
        except OSError as error:
            raise SourceError(
                f"The folder {self._root} can't be read: {error.strerror}; name one that can."
            ) from error

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return self._root

    def count(self) -> int:
        """See `Source.count`."""
        return sum(1 for _ in self._walk())

    def __iter__(self) -> Iterator[Entry]:
        self._types.restart()
        for relative in self._walk():
            yield relative if isinstance(relative, Entry) else self._entry(relative)

    def column_reports(self) -> list[ColumnReport]:
        """What didn't fit the declared types, since the iteration began."""
        return self._types.reports()

    def notes(self) -> list[str]:
        """What was left out, since the iteration began."""
        return self._left_out.texts()

    def _entry(self, relative: str) -> Entry:
        try:
            path = os.path.join(self._root, relative)  # noqa: PTH118  # a Path takes far longer
            if refusal := _refusal(path):
                return Entry(_shortened(relative), None, refusal, _shortened(path))
            item = NewItem(relative, path=path, metadata=self._fields(relative))
        except InvalidInput as error:
            shown = _shortened(relative)
            reason = f"The file's name can't be an item's id; rename it. {error}"
            return Entry(shown, None, reason, shown)
        return Entry(relative, item)

    def _walk(self) -> Iterator[str | Entry]:
        """Paths of pictures within the folder, in order, and what can't be read.

        Folders may lie deeper in one another than Python calls functions.
        """
        self._left_out = LeftOut()
        above: list[_Folder] = []
        opened = _Folder.open(self._root, "", above)
        while True:
            if isinstance(opened, _Folder):
                above.append(opened)
            elif opened is not None:
                yield opened
            opened = None
            while above and opened is None:
                folder = above[-1]
                entry = next(folder.entries, None)
                if entry is None:
                    above.pop()
                    continue
                is_folder = _is_folder(entry)
                if self._leaves_out(entry, folder, is_folder=is_folder):
                    continue
                if is_folder:
                    opened = _Folder.open(entry.path, f"{folder.prefix}{entry.name}/", above)
                elif _is_picture(entry):
                    yield folder.prefix + entry.name
            if opened is None:
                return

    def _leaves_out(self, entry: os.DirEntry[str], folder: _Folder, *, is_folder: bool) -> bool:
        if entry.name.startswith("."):
            if is_folder or _is_picture(entry):
                self._left_out.hidden += 1
            return True
        if is_folder and is_system_folder(entry.name, folder.name):
            self._left_out.system[entry.name] += 1
            return True
        if self._patterns.excludes(folder.prefix + entry.name, folder=is_folder):
            self._left_out.excluded += 1
            return True
        return False

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


@dataclass
class LeftOut:
    """What a folder has and its source doesn't show.

    Parameters
    ----------
    system : folders of the system or of photo programs, by their names
    hidden : folders and pictures whose name begins with a dot
    excluded : files and folders that a pattern names
    """

    system: Counter[str] = field(default_factory=Counter)
    hidden: int = 0
    excluded: int = 0

    def texts(self) -> list[str]:
        """One sentence, or none."""
        names = [
            name if count == 1 else f"{name} ({count:,})"
            for name, count in self.system.most_common(SHOWN_NAMES)
        ]
        more = ["..."] if len(self.system) > SHOWN_NAMES else []
        parts = [f"system folders ({', '.join(names + more)})"] if names else []
        parts += [f"{self.hidden:,} hidden"] if self.hidden else []
        parts += [f"{self.excluded:,} by --exclude"] if self.excluded else []
        return [f"Files and folders left out: {', '.join(parts)}."] if parts else []


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder on the way from the root to what is looked at.

    Parameters
    ----------
    prefix : of the ids of its pictures: "" or its path within the source, with a slash at the end
    identity : device and inode
    entries : those that are still to be looked at
    """

    name: str
    prefix: str
    identity: tuple[int, int]
    entries: Iterator[os.DirEntry[str]]

    @classmethod
    def open(cls, path: str, prefix: str, above: Sequence[_Folder]) -> _Folder | Entry | None:
        """The folder; the reason why it can't be read; or None for one that is no source."""
        try:
            here = os.stat(path)  # noqa: PTH116
            with os.scandir(path) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            return _unreadable(path, prefix, error)
        identity = (here.st_dev, here.st_ino)
        in_itself = any(folder.identity == identity for folder in above)
        if in_itself or any(entry.name == DATA_FILE for entry in entries):
            return None
        return cls(os.path.basename(path), prefix, identity, iter(entries))  # noqa: PTH119


def _unreadable(path: str, prefix: str, error: OSError) -> Entry:
    reason = f"The folder can't be read: {error.strerror}. While it can't, nothing of it is pruned."
    place = _shortened(prefix) or os.path.basename(path)  # noqa: PTH119
    return Entry(place, None, reason, _shortened(path), hides=True, under=prefix)


def _shortened(path: str) -> str:
    """A path to show, of at most 300 characters; others stay other ones."""
    shown = storable(path)
    if len(shown) <= MAX_SHOWN:
        return shown
    digest = hashlib.sha256(shown.encode()).hexdigest()[:12]
    return f"{shown[:100]}...{digest}...{shown[-170:]}"


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
            return sniff(file.read(HEAD_SIZE)) is not None
    except OSError:
        return False


def _refusal(path: str) -> str:
    """Why a file of a kind that isn't read isn't, known by its name and first bytes, or ""."""
    extension = path.rpartition(".")[2].lower()
    if extension not in FOREIGN_EXTENSIONS:
        return ""
    try:
        with Path(path).open("rb") as file:
            return refusal_by_name(extension, file.read(HEAD_SIZE))
    except (OSError, ValueError):  # told when it is read as a picture
        return ""
