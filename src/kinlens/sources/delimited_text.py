"""The text of a CSV or TSV table: its rows as cells, and rows whose quotes are broken."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from kinlens.errors import SourceError

CELL_LIMIT = 2**26
"""Characters of one cell; a picture of 20 MB as a data URL takes 27 million."""

LINE_LIMIT = 2 * CELL_LIMIT

TORN = (
    "A quote in the row isn't closed, or not where its cell ends, so that the lines behind it may "
    "be part of the cell; close it, or write two quotes for one within a cell."
)
TOO_LONG = (
    f"A cell of the row is longer than {CELL_LIMIT:,} characters; perhaps a quote is left open "
    "there."
)


@dataclass(frozen=True, slots=True)
class Record:
    """A row as cells.

    Parameters
    ----------
    line : where it begins, from 1
    cells : as many as the row has
    fault : what is wrong with its quotes, or ""
    is_ended : a line break follows it
    padded : it lacked cells, which are there now, and empty
    """

    line: int
    cells: Sequence[str]
    fault: str = ""
    is_ended: bool = True
    padded: bool = False

    def fitted(self, width: int) -> Record:
        """With so many cells: the last are added where they lack, or left off where empty."""
        count = len(self.cells)
        if count == width:
            return self
        if count < width:
            return replace(self, cells=[*self.cells, *[""] * (width - count)], padded=True)
        return self if any(self.cells[width:]) else replace(self, cells=self.cells[:width])


def read_records(path: Path, delimiter: str) -> Iterator[Record]:
    """Each row that isn't empty, the header among them.

    A quote that isn't closed, or not where its cell ends, makes one cell of many lines; so does
    the end of a file that was cut off. Bytes that aren't UTF-8 become lone surrogates.

    Raises
    ------
    SourceError : the file can't be read
    """
    csv.field_size_limit(CELL_LIMIT)
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield from _records(_Lines(file), delimiter)
    except OSError as error:
        raise SourceError(f"{path} can't be read on: {error.strerror or error}.") from error


def _records(lines: _Lines, delimiter: str) -> Iterator[Record]:
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        line = lines.number + 1
        try:
            cells = next(reader, None)
        except csv.Error:  # the reader goes on with the next line
            lines.take()
            yield Record(line, (), TOO_LONG)
            continue
        if cells is None:
            return
        read = lines.take()
        if any(cells):
            fault = TORN if _is_torn(read, delimiter) else ""
            yield Record(line, cells, fault, read[-1].endswith(("\n", "\r")))


def _is_torn(lines: Sequence[str], delimiter: str) -> bool:
    whole = len(lines) == 1 and lines[0].endswith(("\n", "\r"))
    if whole and lines[0].count('"') % 2 == 0:
        return False
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return True
    return False


class _Lines:
    """The lines of a file, which keeps those of the row that is being read."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._read: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(LINE_LIMIT)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == LINE_LIMIT:
            self._skip_rest(line)
            raise csv.Error(f"A line has more than {LINE_LIMIT:,} characters.")
        self._read.append(line)
        return line

    def _skip_rest(self, line: str) -> None:
        while line and not line.endswith(("\n", "\r")):
            line = self._file.readline(2**20)

    def take(self) -> list[str]:
        """The lines since the last call."""
        read, self._read = self._read, []
        return read
