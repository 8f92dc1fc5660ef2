"""Tables as text: CSV and TSV, typed column by column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from kinlens.errors import SourceError
from kinlens.printable import is_unicode
from kinlens.sources.base import Entry, SourceOptions
from kinlens.sources.column_types import ColumnReport
from kinlens.sources.delimited_text import Record, read_records
from kinlens.sources.guessing import ColumnGuess
from kinlens.sources.rows import UNNAMED, UNNAMED_OFTEN, choose_columns
from kinlens.types import Value

DELIMITERS = ",;\t|"
NOT_UTF8 = "The row isn't UTF-8; save the table in that encoding."
PADDED = "1 row is shorter than the header; the cells that it lacks count as empty."
PADDED_OFTEN = "# rows are shorter than the header; the cells that they lack count as empty."

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class DelimitedSource:
    """A CSV or TSV file with a header, in UTF-8.

    A column is of the kind that was declared for it; else of numbers if most of its cells are, of
    booleans if most are true or false, and else of texts. Cells of another kind are left out and
    counted; empty ones are missing. One number with leading zeros, such as a postal code, makes a
    column one of texts, and every id is a text. A row that is shorter than the header lacks its
    last cells; both this and columns without a name are noted.

    Raises
    ------
    SourceError : no table, another encoding, a header that can't be used, or no way to a picture
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path.absolute()
        self.options = options
        line = _first_line(self._path)
        tabs = path.suffix.lower() in (".tsv", ".tab")
        self._delimiter = "\t" if tabs else _most_frequent(DELIMITERS, line)
        self._header = self._read_header()
        self._count, self._columns, first = self._survey()
        columns = [name for name in self._header if name]
        self._reader = choose_columns(self._path, columns, first, options)

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return str(self._path)

    def count(self) -> int:
        """See `Source.count`."""
        return self._count

    def column_reports(self) -> list[ColumnReport]:
        """The columns with values of several kinds, as met since the iteration began."""
        texts = (self._reader.id_column, self._reader.picture_column, "")
        guessed = [column.report(name) for name, column in self._guessed() if name not in texts]
        return [*self._reader.types.reports(), *(one for one in guessed if one is not None)]

    def notes(self) -> list[str]:
        """What was left out or completed, since the iteration began."""
        return self._reader.notes.texts()

    def _guessed(self) -> list[tuple[str, ColumnGuess]]:
        pairs = zip(self._header, self._columns, strict=True)
        return [(name, column) for name, column in pairs if name not in self._reader.types]

    def __iter__(self) -> Iterator[Entry]:
        self._reader.restart()
        for column in self._columns:
            column.restart()
        for name, column in zip(self._header, self._columns, strict=True):
            if not name and column.has_values:
                self._reader.notes.add(UNNAMED, UNNAMED_OFTEN)
        for record in self._records():
            yield self._entry(record)

    def _entry(self, record: Record) -> Entry:
        fault = record.fault or self._fault(record.cells)
        if fault:
            return Entry(self._reader.place(record.line), None, fault, hides=True)
        entry = self._reader.read(self._typed(record.cells), record.line)
        if not record.padded:
            return entry
        self._reader.notes.add(PADDED, PADDED_OFTEN)
        # The end of a file that was cut off looks like this too.
        return entry if record.is_ended else replace(entry, hides=True)

    def _typed(self, cells: Sequence[str]) -> dict[str, Value]:
        texts = {self._reader.id_column, self._reader.picture_column, *self._reader.types.names}
        return {
            name: cell if name in texts else column.convert(cell)
            for name, cell, column in zip(self._header, cells, self._columns, strict=True)
            if name
        }

    def _fault(self, cells: Sequence[str]) -> str:
        if len(cells) != len(self._header):
            return (
                f"The row has {len(cells)} cells, and the header {len(self._header)}; a cell that "
                "holds the delimiter or a line break needs quotes around it."
            )
        return "" if all(map(is_unicode, cells)) else NOT_UTF8

    def _survey(self) -> tuple[int, list[ColumnGuess], list[dict[str, str]]]:
        """Rows, how to read each column, and the first rows."""
        columns = [ColumnGuess() for _ in self._header]
        count = 0
        first: list[dict[str, str]] = []
        for record in self._records():
            count += 1
            if record.fault or len(record.cells) != len(columns):
                continue
            if len(first) < 20:
                first.append(dict(zip(self._header, record.cells, strict=True)))
            for column, cell in zip(columns, record.cells, strict=True):
                column.see(cell)
        return count, columns, first

    def _read_header(self) -> list[str]:
        header = next(read_records(self._path, self._delimiter), None)
        if header is None:
            raise SourceError(f"The table {self._path} is empty; it needs a header and rows.")
        if header.fault:
            raise SourceError(
                f"Line {header.line} of {self._path}, the header, can't be read. {header.fault}"
            )
        names = [name.strip() for name in header.cells]
        if not all(map(is_unicode, names)):
            raise SourceError(
                f"Line {header.line} of {self._path}, the header, isn't UTF-8; save the table in "
                "that encoding."
            )
        twice = sorted({name for name in names if name and names.count(name) > 1})
        if twice:
            raise SourceError(
                f"The header of {self._path} names {', '.join(twice)} twice; rename one."
            )
        return names

    def _records(self) -> Iterator[Record]:
        """The rows below the header, each with as many cells as it has, if that can be."""
        records = read_records(self._path, self._delimiter)
        next(records, None)
        return (record.fitted(len(self._header)) for record in records)


def _first_line(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(1_000_000)
    except OSError as error:
        raise SourceError(f"The table {path} can't be read: {error.strerror}.") from error
    line = re.split(rb"[\r\n]", head.lstrip(b"\r\n"), maxsplit=1)[0]
    if head.startswith(_UTF16) or b"\0" in line:
        raise SourceError(f"The table {path} isn't UTF-8 text; save it in that encoding.")
    return line


def _most_frequent(chars: str, line: bytes) -> str:
    return max(chars, key=lambda char: line.count(char.encode()))
