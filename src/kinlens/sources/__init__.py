"""Where pictures come from: folders and tables, read as streams of items."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from kinlens.errors import SourceError
from kinlens.sources.base import Entry, Source, SourceOptions
from kinlens.sources.column_types import ColumnReport
from kinlens.sources.delimited import DelimitedSource
from kinlens.sources.folder import FolderSource
from kinlens.sources.jsonlines import JsonLinesSource
from kinlens.sources.parquet import ParquetSource

__all__ = [
    "ColumnReport",
    "Entry",
    "Source",
    "SourceOptions",
    "column_reports",
    "open_source",
    "reopened",
]

_TABLES: dict[str, Callable[[Path, SourceOptions], Source]] = {
    ".csv": DelimitedSource,
    ".tsv": DelimitedSource,
    ".tab": DelimitedSource,
    ".jsonl": JsonLinesSource,
    ".ndjson": JsonLinesSource,
    ".json": JsonLinesSource,
    ".parquet": ParquetSource,
    ".pq": ParquetSource,
}


_OURS = (FolderSource, DelimitedSource, JsonLinesSource, ParquetSource)


def reopened(source: Source, options: SourceOptions) -> Source:
    """The source read by other options; one of a kind of its own stays as it is."""
    if not isinstance(source, _OURS) or source.options == options:
        return source
    return open_source(source.name, options)


def column_reports(source: Source) -> list[ColumnReport]:
    """The columns with values of several kinds, as they were met since the iteration began."""
    return source.column_reports() if isinstance(source, _OURS) else []


def open_source(path: str | os.PathLike[str], options: SourceOptions | None = None) -> Source:
    """Open a folder of pictures, or a CSV, TSV, JSON Lines or Parquet table.

    Raises
    ------
    SourceError : nothing is there, or it is of another kind
    """
    place = Path(path).expanduser()
    chosen = options or SourceOptions()
    if place.is_dir():
        return FolderSource(place, chosen)
    if not place.exists():
        raise SourceError(f"{place} doesn't exist; name a folder of pictures, or a table.")
    kind = _TABLES.get(place.suffix.lower())
    if kind is None or not place.is_file():
        raise SourceError(
            f"{place} is neither a folder nor a table that can be read; those end in "
            f"{', '.join(sorted(_TABLES))}."
        )
    return kind(place, chosen)
