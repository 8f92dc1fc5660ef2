"""Tables as text: CSV and TSV, typed column by column."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from kinlens.errors import SourceError
from kinlens.sources.base import Entry, SourceOptions
from kinlens.sources.column_types import ColumnReport
from kinlens.sources.guessing import ColumnGuess
from kinlens.sources.rows import choose_columns
from kinlens.types import Value

DELIMITERS = ",;\t|"
FIELD_LIMIT = 2**26
"""Characters of one cell; a picture of 20 MB as a data URL takes 27 million."""

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


_TORN = (
    "A quote in the row isn't closed, or not where its cell ends, so that the lines behind it may "
    "be part of the cell; close it, or write two quotes for one within a cell."
)


class DelimitedSource:
    """A CSV or TSV file with a header, in UTF-8.

    A column is of the kind that was declared for it; else of numbers if most of its cells are, of
    booleans if most are true or false, and else of texts. Cells of another kind are left out and
    counted; empty ones are missing. One number with leading zeros, such as a postal code, makes a
    column one of texts, and every id is a text.

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

    def _guessed(self) -> list[tuple[str, ColumnGuess]]:
        pairs = zip(self._header, self._columns, strict=True)
        return [(name, column) for name, column in pairs if name not in self._reader.types]

    def __iter__(self) -> Iterator[Entry]:
        self._reader.types.restart()
        for column in self._columns:
            column.restart()
        for line, cells, torn in self._rows():
            bad = _TORN if torn else self._fault(cells)
            if bad:
                yield Entry(f"{self._path.name}:{line}", None, bad, hides=True)
            else:
                yield self._reader.read(self._typed(cells), line)

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
        if any("\ud800" <= char <= "\udfff" for cell in cells for char in cell if char > "\x7f"):
            return "The row isn't UTF-8; save the table in that encoding."
        return ""

    def _survey(self) -> tuple[int, list[ColumnGuess], list[dict[str, str]]]:
        """Rows, how to read each column, and the first rows."""
        columns = [ColumnGuess() for _ in self._header]
        count = 0
        first: list[dict[str, str]] = []
        for _, cells, torn in self._rows():
            count += 1
            if torn or len(cells) != len(columns):
                continue
            if len(first) < 20:
                first.append(dict(zip(self._header, cells, strict=True)))
            for column, cell in zip(columns, cells, strict=True):
                column.see(cell)
        return count, columns, first

    def _read_header(self) -> list[str]:
        with self._open() as file:
            try:
                header = next(csv.reader(file, delimiter=self._delimiter), None)
            except csv.Error as error:
                raise SourceError(f"Line 1 of {self._path} can't be read: {error}.") from error
        if not header:
            raise SourceError(f"The table {self._path} is empty; it needs a header and rows.")
        names = [name.strip() for name in header]
        twice = sorted({name for name in names if name and names.count(name) > 1})
        if twice:
            raise SourceError(
                f"The header of {self._path} names {', '.join(twice)} twice; rename one."
            )
        if any("\ud800" <= char <= "\udfff" for char in "".join(names)):
            raise SourceError(
                f"Line 1 of {self._path}, the header, isn't UTF-8; save the table in that encoding."
            )
        return names

    def _rows(self) -> Iterator[tuple[int, list[str], bool]]:
        """Of each row that isn't empty: its line, its cells, and whether its quotes are broken.

        A quote that isn't closed, or not where its cell ends, makes one cell of many lines; so does
        the end of a file that was cut off.
        """
        csv.field_size_limit(FIELD_LIMIT)
        line = 1
        with self._open() as file:
            lines = _Lines(file)
            reader = csv.reader(lines, delimiter=self._delimiter)
            try:
                for position, cells in enumerate(reader):
                    read = lines.take()
                    if position and any(cells):
                        yield line, cells, self._is_torn(read)
                    line = reader.line_num + 1
            except (csv.Error, OSError) as error:
                raise SourceError(
                    f"{self._path} can't be read on from line {line}: {error}. Perhaps a quote is "
                    "left open there."
                ) from error

    def _is_torn(self, lines: Sequence[str]) -> bool:
        whole = len(lines) == 1 and lines[0].endswith(("\n", "\r"))
        if whole and lines[0].count('"') % 2 == 0:
            return False
        try:
            list(csv.reader(lines, delimiter=self._delimiter, strict=True))
        except csv.Error:
            return True
        return False

    def _open(self) -> TextIO:
        return self._path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


class _Lines:
    """The lines of a file, which keeps those of the row that is being read."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._read: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._file)
        self._read.append(line)
        return line

    def take(self) -> list[str]:
        """The lines since the last call."""
        read, self._read = self._read, []
        return read


def _first_line(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            line = file.readline(1_000_000)
    except OSError as error:
        raise SourceError(f"The table {path} can't be read: {error.strerror}.") from error
    if line.startswith(_UTF16) or b"\0" in line:
        raise SourceError(f"The table {path} isn't UTF-8 text; save it in that encoding.")
    return line


def _most_frequent(chars: str, line: bytes) -> str:
    return max(chars, key=lambda char: line.count(char.encode()))
