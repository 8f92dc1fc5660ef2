"""Tables as text: CSV and TSV, typed column by column."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from kinlens.errors import SourceError
from kinlens.sources.base import Entry, SourceOptions
from kinlens.sources.rows import MAX_INTEGER, choose_columns
from kinlens.types import Value

DELIMITERS = ",;\t|"
FIELD_LIMIT = 2**26
"""Characters of one cell; a picture of 20 MB as a data URL takes 27 million."""

_NUMBER = re.compile(
    r"\s*[+-]?(0|[1-9]\d*|\d*\.\d+|(0|[1-9]\d*)\.)([eE][+-]?\d{1,3})?\s*", re.ASCII
)
_BOOLEAN = re.compile(r"\s*(true|false)\s*", re.IGNORECASE)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class DelimitedSource:
    """A CSV or TSV file with a header, in UTF-8.

    A column is of numbers if each of its cells is one, of booleans if each is true or false, else
    of texts; empty cells count as missing. A number with leading zeros, such as a postal code, is a
    text, and so is every id.

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
        self._count, self._converters, first = self._survey()
        columns = [name for name in self._header if name]
        self._reader = choose_columns(self._path, columns, first, options)

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return str(self._path)

    def count(self) -> int:
        """See `Source.count`."""
        return self._count

    def __iter__(self) -> Iterator[Entry]:
        for line, cells in self._rows():
            bad = self._fault(cells)
            if bad:
                yield Entry(f"{self._path.name}:{line}", None, bad)
            else:
                yield self._reader.read(self._typed(cells), line)

    def _typed(self, cells: Sequence[str]) -> dict[str, Value]:
        texts = (self._reader.id_column, self._reader.picture_column)
        return {
            name: cell if name in texts else convert(cell)
            for name, cell, convert in zip(self._header, cells, self._converters, strict=True)
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

    def _survey(self) -> tuple[int, list[Callable[[str], Value]], list[dict[str, str]]]:
        """Rows, how to read each column, and the first rows."""
        kinds = [_Kind() for _ in self._header]
        count = 0
        first: list[dict[str, str]] = []
        for _, cells in self._rows():
            count += 1
            if len(cells) != len(kinds):
                continue
            if len(first) < 20:
                first.append(dict(zip(self._header, cells, strict=True)))
            for kind, cell in zip(kinds, cells, strict=True):
                kind.see(cell)
        return count, [kind.converter for kind in kinds], first

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

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line number and cells of each row that isn't empty, without the header."""
        csv.field_size_limit(FIELD_LIMIT)
        line = 1
        with self._open() as file:
            reader = csv.reader(file, delimiter=self._delimiter)
            try:
                for position, cells in enumerate(reader):
                    if position and any(cells):
                        yield line, cells
                    line = reader.line_num + 1
            except (csv.Error, OSError) as error:
                raise SourceError(
                    f"{self._path} can't be read on from line {line}: {error}. Perhaps a quote is "
                    "left open there."
                ) from error

    def _open(self) -> TextIO:
        return self._path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


class _Kind:
    """What the cells of a column have in common."""

    def __init__(self) -> None:
        self._number = self._boolean = True
        self._seen = False

    def see(self, cell: str) -> None:
        if not (self._number or self._boolean) or not cell or cell.isspace():
            return
        self._seen = True
        self._number = self._number and _is_number(cell)
        self._boolean = self._boolean and _BOOLEAN.fullmatch(cell) is not None

    @property
    def converter(self) -> Callable[[str], Value]:
        if self._seen and self._number:
            return _to_number
        if self._seen and self._boolean:
            return _to_boolean
        return _to_text


def _is_number(cell: str) -> bool:
    if not _NUMBER.fullmatch(cell):
        return False
    digits = cell.strip().lstrip("+-")
    if digits.isdigit():
        return len(digits) < 20 and int(digits) <= MAX_INTEGER
    return math.isfinite(float(cell))


def _to_number(cell: str) -> Value:
    if not _is_number(cell):
        return _to_text(cell)
    try:
        return int(cell)
    except ValueError:
        return float(cell)


def _to_boolean(cell: str) -> Value:
    word = cell.strip().lower()
    return word == "true" if word in ("true", "false") else _to_text(cell)


def _to_text(cell: str) -> Value:
    return cell if cell and not cell.isspace() else None


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
