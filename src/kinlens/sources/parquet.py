"""Parquet files, read batch by batch; the only file that imports pyarrow."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinlens.errors import MissingDependency, SourceError
from kinlens.sources.base import Entry, SourceOptions
from kinlens.sources.rows import choose_columns

if TYPE_CHECKING:
    import pyarrow.parquet

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
        self._path = path.absolute()
        self.options = options
        with self._open() as file:
            columns = file.schema_arrow.names
            self._count = int(file.metadata.num_rows)
        first = [row for _, row in itertools.islice(self._rows(), 20)]
        self._reader = choose_columns(self._path, columns, first, options)

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return str(self._path)

    def count(self) -> int:
        """See `Source.count`."""
        return self._count

    def __iter__(self) -> Iterator[Entry]:
        for number, row in self._rows():
            yield self._reader.read(row, number)

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Row number, from 1, and values."""
        number = 0
        with self._open() as file:
            try:
                for batch in file.iter_batches(batch_size=BATCH_ROWS):
                    for row in batch.to_pylist():
                        number += 1
                        yield number, row
            except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
                raise SourceError(
                    f"{self._path} can't be read on from row {number + 1}: {error}."
                ) from error

    def _open(self) -> pyarrow.parquet.ParquetFile:
        try:
            import pyarrow.parquet  # noqa: PLC0415  # slow to import, and an extra
        except ImportError as error:
            raise MissingDependency(
                "Reading Parquet needs pyarrow; install it with: pip install 'kinlens[parquet]'"
            ) from error
        try:
            return pyarrow.parquet.ParquetFile(self._path)
        except (OSError, ValueError) as error:
            raise SourceError(f"{self._path} can't be read as Parquet: {error}.") from error
