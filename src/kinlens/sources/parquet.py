"""Parquet files as tables of pictures."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kinlens.parquet import ParquetTable
from kinlens.sources.base import Entry, SourceOptions
from kinlens.sources.column_types import ColumnReport
from kinlens.sources.rows import choose_columns

BATCH_ROWS = 256
"""Few, because a row may hold the bytes of a picture."""


class ParquetSource:
    """A Parquet file; a column of pictures may hold paths, URLs, data URLs or bytes.

    Raises
    ------
    MissingDependency : pyarrow isn't installed
    SourceError : the file can't be read, or its columns show no way to a picture
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._table = ParquetTable(path.absolute())
        self.options = options
        first = [row for _, row in itertools.islice(self._rows(), 20)]
        self._reader = choose_columns(self._table.path, self._table.columns, first, options)

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return str(self._table.path)

    def count(self) -> int:
        """See `Source.count`."""
        return len(self._table)

    def column_reports(self) -> list[ColumnReport]:
        """What didn't fit the declared types, since the iteration began."""
        return self._reader.types.reports()

    def __iter__(self) -> Iterator[Entry]:
        self._reader.types.restart()
        for number, row in self._rows():
            yield self._reader.read(row, number)

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Row number, from 1, and values."""
        return enumerate(itertools.chain.from_iterable(self._table.rows(BATCH_ROWS)), 1)
