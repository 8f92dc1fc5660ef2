"""Parquet files as tables of pictures."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kinlens.errors import SourceError
from kinlens.parquet import ParquetTable, Unreadable
from kinlens.sources.base import Entry, SourceOptions
from kinlens.sources.column_types import ColumnReport
from kinlens.sources.rows import choose_columns

BATCH_ROWS = 256
"""Few, because a row may hold the bytes of a picture."""


class ParquetSource:
    """A Parquet file; a column of pictures may hold paths, URLs, data URLs or bytes.

    A row with a text that isn't UTF-8, or with an id or picture that can't be read, is reported;
    other values that can't be read are left out and noted, such as times after the year 9999.

    Raises
    ------
    MissingDependency : pyarrow isn't installed
    SourceError : the file can't be read, or its columns show no way to a picture
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._table = ParquetTable(path.absolute())
        self.options = options
        twice = sorted(name for name, count in Counter(self._table.columns).items() if count > 1)
        if twice:
            raise SourceError(f"{path} has the column {twice[0]!r} twice; rename one.")
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
        self._reader.restart()
        for number, row in self._rows():
            yield self._entry(row, number)

    def notes(self) -> list[str]:
        """What was left out of rows that were read, since the iteration began."""
        return self._reader.notes.texts()

    def _entry(self, row: dict[str, Any], number: int) -> Entry:
        bad = {name: value for name, value in row.items() if isinstance(value, Unreadable)}
        if not bad:
            return self._reader.read(row, number)
        readable = {name: value for name, value in row.items() if name not in bad}
        needed = (self._reader.id_column, self._reader.picture_column)
        for name, value in bad.items():
            if value.is_text or name in needed:
                reason = f"The column {name!r} holds {value.reason}; write it again."
                return self._reader.refused(readable, number, reason)
        for name, value in bad.items():
            self._reader.notes.add(*_left_out(name, value.reason))
        return self._reader.read(readable, number)

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Row number, from 1, and values."""
        return enumerate(itertools.chain.from_iterable(self._table.rows(BATCH_ROWS)), 1)


def _left_out(name: str, reason: str) -> tuple[str, str]:
    return (
        f"A value of the column {name!r} is left out: it is {reason}.",
        f"# values of the column {name!r} are left out; the first is {reason}.",
    )
