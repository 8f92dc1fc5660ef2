"""JSON Lines: one object a line, each value with its own type."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kinlens.errors import SourceError
from kinlens.sources.base import Entry, SourceOptions
from kinlens.sources.column_types import ColumnReport
from kinlens.sources.rows import choose_columns

LINE_LIMIT = 2**26
"""Bytes of one line; a picture of 20 MB as a data URL takes 27 million."""

SURVEYED = 100


class JsonLinesSource:
    """A JSON Lines file in UTF-8.

    Numbers, booleans, texts and lists of texts are kept as they are; an object's fields become
    "name.field"; null counts as missing.

    Raises
    ------
    SourceError : the file can't be read, or its first lines show no way to a picture
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path.absolute()
        self.options = options
        first = list(
            itertools.islice((row for _, row in self._rows() if row is not None), SURVEYED)
        )
        columns = list(dict.fromkeys(itertools.chain.from_iterable(first)))
        if not columns:
            raise SourceError(
                f"{self._path} isn't JSON Lines, which has one object on each line, such as "
                '{"id": "7", "image": "photos/7.jpg", "price": 9.5}.'
            )
        self._reader = choose_columns(self._path, columns, first, options)

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return str(self._path)

    def count(self) -> int:
        """See `Source.count`."""
        with self._path.open("rb") as file:
            return sum(1 for line in iter(lambda: file.readline(LINE_LIMIT), b"") if line.strip())

    def column_reports(self) -> list[ColumnReport]:
        """What didn't fit the declared types, since the iteration began."""
        return self._reader.types.reports()

    def __iter__(self) -> Iterator[Entry]:
        self._reader.types.restart()
        for line, row in self._rows():
            if row is None:
                yield Entry(
                    f"{self._path.name}:{line}",
                    None,
                    "The line isn't a JSON object in UTF-8; write one object a line.",
                    hides=True,
                )
            else:
                yield self._reader.read(row, line)

    def _rows(self) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """Line number and object of each line that isn't empty; None for what isn't an object."""
        try:
            with self._path.open("rb") as file:
                for number, line in enumerate(iter(lambda: file.readline(LINE_LIMIT), b""), 1):
                    if line.strip():
                        yield number, _parse(line)
        except OSError as error:
            raise SourceError(f"{self._path} can't be read: {error.strerror}.") from error


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
