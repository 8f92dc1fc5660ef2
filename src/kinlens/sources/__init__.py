"""Where pictures come from: folders and tables, read as streams of items."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kinlens.errors import InvalidInput, SourceError
from kinlens.printable import is_unicode
from kinlens.sources.base import Entry, Source, SourceOptions
from kinlens.sources.column_types import ColumnReport
from kinlens.sources.delimited import DelimitedSource
from kinlens.sources.folder import FolderSource
from kinlens.sources.json_table import JsonSource
from kinlens.sources.parquet import ParquetSource

__all__ = [
    "ColumnReport",
    "Entry",
    "Source",
    "SourceOptions",
    "column_reports",
    "notes",
    "open_source",
    "reopened",
]

_TABLES: dict[str, Callable[[Path, SourceOptions], Source]] = {
    ".csv": DelimitedSource,
    ".tsv": DelimitedSource,
    ".tab": DelimitedSource,
    ".jsonl": JsonSource,
    ".ndjson": JsonSource,
    ".json": JsonSource,
    ".parquet": ParquetSource,
    ".pq": ParquetSource,
}
_KINDS = {
    stat.S_IFREG: "another kind of file",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_OURS = (FolderSource, DelimitedSource, JsonSource, ParquetSource)


def reopened(source: Source, options: SourceOptions) -> Source:
    """The source read by other options; one of a kind of its own stays as it is."""
    if not isinstance(source, _OURS) or source.options == options:
        return source
    return open_source(source.name, options)


def column_reports(source: Source) -> list[ColumnReport]:
    """The columns with values of several kinds, as they were met since the iteration began."""
    return source.column_reports() if isinstance(source, _OURS) else []


def notes(source: Source) -> list[str]:
    """What the source left out or completed, as it was met since the iteration began."""
    return source.notes() if isinstance(source, _OURS) else []


def open_source(path: str | os.PathLike[str], options: SourceOptions | None = None) -> Source:
    """Open a folder of pictures, or a CSV, TSV, JSON, JSON Lines or Parquet table.

    Raises
    ------
    SourceError : nothing is there, it can't be read, or it is of another kind
    """
    place = Path(path)
    with suppress(RuntimeError):  # of a user who has no home
        place = place.expanduser()
    chosen = options or SourceOptions()
    mode = _mode(place)
    if stat.S_ISDIR(mode):
        return FolderSource(place, chosen)
    kind = _TABLES.get(place.suffix.lower())
    if kind is None or not stat.S_ISREG(mode):
        raise SourceError(
            f"{place} is {_KINDS.get(stat.S_IFMT(mode), 'no regular file')}; what is indexed is a "
            f"folder of pictures, or a table in a file that ends in {', '.join(sorted(_TABLES))}."
        )
    if chosen.exclude:
        raise InvalidInput(
            f"--exclude is for folders; {place} is a table, which names its pictures itself."
        )
    return kind(place, chosen)


def _mode(place: Path) -> int:
    if not is_unicode(os.path.abspath(place)):  # noqa: PTH100
        raise SourceError(
            f"The path of {place} isn't valid UTF-8, and the catalog couldn't name it; rename it, "
            "or make a link to it."
        )
    try:
        return place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        hint = " It is a link to what isn't there." if place.is_symlink() else ""
        raise SourceError(
            f"{place} doesn't exist; name a folder of pictures, or a table.{hint}"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{place} can't be read: {reason}.") from error
