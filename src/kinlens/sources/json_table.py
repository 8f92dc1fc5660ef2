"""Tables in JSON: one object a line, or an array of objects; each value with its own type."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kinlens.errors import SourceError
from kinlens.sources.base import Entry, SourceOptions
from kinlens.sources.column_types import ColumnReport
from kinlens.sources.json_text import (
    ObjectParser,
    Parsed,
    Row,
    is_array,
    rows_of_array,
    rows_of_lines,
)
from kinlens.sources.rows import choose_columns

SURVEYED = 100
LOOKED_AT = 10_000
"""Rows in which objects are looked for."""


class JsonSource:
    """A JSON Lines file, or a JSON file that holds an array of objects; in UTF-8.

    Numbers, booleans, texts and lists of texts are kept as they are; an object's fields become
    "name.field"; null counts as missing. A row that isn't an object, that names a field twice, or
    that isn't valid Unicode is reported, and the others are read.

    Raises
    ------
    SourceError : the file can't be read, or its first rows show no way to a picture
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path.absolute()
        self.options = options
        self._parser = ObjectParser()
        self._is_array = self._begins_like_an_array()
        looked_at = itertools.islice(self._rows(), LOOKED_AT)
        found = (parsed.fields for _, parsed in looked_at if parsed.fields and not parsed.fault)
        first = list(itertools.islice(found, SURVEYED))
        columns = list(dict.fromkeys(itertools.chain.from_iterable(first)))
        if not columns:
            raise SourceError(
                f"{self._path} isn't a table in JSON: one object on each line, such as "
                '{"id": "7", "image": "photos/7.jpg", "price": 9.5}, or one array of such objects. '
                "An array within an object needs a file of its own."
            )
        self._reader = choose_columns(self._path, columns, first, options)

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return str(self._path)

    def count(self) -> int:
        """See `Source.count`."""
        return sum(1 for _ in self._texts())

    def column_reports(self) -> list[ColumnReport]:
        """What didn't fit the declared types, since the iteration began."""
        return self._reader.types.reports()

    def notes(self) -> list[str]:
        """What was left out of rows that were read, since the iteration began."""
        return self._reader.notes.texts()

    def __iter__(self) -> Iterator[Entry]:
        self._reader.restart()
        for row, parsed in self._rows():
            yield self._entry(row, parsed)

    def _entry(self, row: Row, parsed: Parsed) -> Entry:
        fields = parsed.fields
        if fields is None:
            return Entry(self._reader.place(row.number), None, parsed.fault, hides=True)
        if not parsed.fault:
            return self._reader.read(fields, row.number)
        known: dict[str, Any] = {
            name: value for name, value in fields.items() if name not in parsed.doubled
        }
        return self._reader.refused(known, row.number, parsed.fault)

    def _rows(self) -> Iterator[tuple[Row, Parsed]]:
        for row in self._texts():
            yield row, Parsed(None, row.fault) if row.fault else self._parser.parse(row.data)

    def _texts(self) -> Iterator[Row]:
        try:
            with self._path.open("rb") as file:
                yield from (rows_of_array if self._is_array else rows_of_lines)(file)
        except OSError as error:
            raise SourceError(f"{self._path} can't be read: {error.strerror}.") from error

    def _begins_like_an_array(self) -> bool:
        lines = self._path.suffix.lower() != ".json"
        try:
            with self._path.open("rb") as file:
                head = file.read(4)
                file.seek(0)
                found = is_array(file, lines=lines)
        except OSError as error:
            raise SourceError(f"{self._path} can't be read: {error.strerror}.") from error
        if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
            raise SourceError(f"The table {self._path} isn't UTF-8 text; save it in that encoding.")
        return found
