"""Parquet files, read and written in blocks; the only file that imports pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from kinlens.errors import MissingDependency, SourceError

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

_BUFFER = 4 << 20

ColumnKind = Literal["text", "int32", "int64", "float64"]


class ParquetTable:
    """A Parquet file, read batch by batch.

    Parameters
    ----------
    path : the file

    Raises
    ------
    MissingDependency : pyarrow isn't installed
    SourceError : the file can't be read
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as file, self._explained("as Parquet"):
            self._schema = file.schema_arrow
            self._groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]

    def __len__(self) -> int:
        return sum(self._groups)

    @property
    def columns(self) -> list[str]:
        """Their names, in the file's order."""
        return list(self._schema.names)

    @property
    def notes(self) -> dict[str, str]:
        """What `TableWriter` was told to note about the table."""
        found = self._schema.metadata or {}
        return {key.decode(): value.decode("utf-8", "replace") for key, value in found.items()}

    def vector_columns(self) -> list[str]:
        """The columns that hold lists of numbers."""
        return [field.name for field in self._schema if _holds_vectors(field.type)]

    def rows(self, batch: int) -> Iterator[list[dict[str, Any]]]:
        """Rows as Python values, so many at a time at most.

        A value that Python can't hold is an `Unreadable`: a text that isn't UTF-8, or a time
        outside the years 1 to 9999. Times in zones that aren't known come in UTC, and times of
        nanoseconds in whole microseconds.
        """
        for _, found in self._batches(0, batch, None):
            columns = [_values(column) for column in found.columns]
            names = found.schema.names
            yield [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

    def values(self, column: str, batch: int = 65_536) -> Iterator[Any]:
        """A column's values, in the file's order."""
        for _, found in self._batches(0, batch, [column]):
            yield from _values(found.column(0))

    def vectors(self, column: str, start: int, batch: int) -> Iterator[npt.NDArray[Any]]:
        """A column of vectors from a row on, (n, dim) with n <= batch each, as the file has them.

        Raises
        ------
        SourceError : a vector is missing, or has another length than the first
        """
        dim = None
        for first, found in self._batches(start, batch, [column]):
            vectors = _as_vectors(found.column(0), self.path, first, dim)
            dim = vectors.shape[1]
            yield vectors

    def _batches(
        self, start: int, batch: int, columns: list[str] | None
    ) -> Iterator[tuple[int, pyarrow.RecordBatch]]:
        """Batches from a row on, each with the number of its first row."""
        groups, row = list(range(len(self._groups))), 0
        while groups and row + self._groups[groups[0]] <= start:
            row += self._groups[groups.pop(0)]
        if not groups:
            return
        with self._open() as file:
            batches = file.iter_batches(batch, groups, columns, use_threads=False)
            while True:
                with self._explained(f"on from row {row + 1}"):
                    found = next(batches, None)
                if found is None:
                    return
                skipped = min(max(0, start - row), len(found))
                if skipped < len(found):
                    yield row + skipped, found[skipped:]
                row += len(found)

    def _open(self) -> pyarrow.parquet.ParquetFile:
        with self._explained("as Parquet"):
            return _pyarrow("Reading").parquet.ParquetFile(self.path, buffer_size=_BUFFER)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Errors of the file's bytes as a `SourceError`."""
        arrow = _pyarrow("Reading")
        try:
            yield
        except (OSError, ValueError, OverflowError, MemoryError, arrow.ArrowException) as error:
            raise SourceError(f"{self.path} can't be read {what}: {error}.") from error


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for a value of a file that Python can't hold.

    Parameters
    ----------
    reason : what it is
    is_text : whether it is a text that isn't UTF-8
    """

    reason: str
    is_text: bool = False


def check_installed() -> None:
    """Raise `MissingDependency` unless Parquet can be written."""
    _pyarrow("Writing")


def _pyarrow(doing: str) -> Any:
    try:
        import pyarrow.parquet  # noqa: PLC0415  # slow to import, and an extra
    except ImportError as error:
        raise MissingDependency(
            f"{doing} Parquet needs pyarrow; install it with: pip install 'kinlens[parquet]'"
        ) from error
    return pyarrow


def _values(column: pyarrow.Array) -> list[Any]:
    """The values of a column, with an `Unreadable` for each that Python can't hold."""
    readable = _in_whole_microseconds(column)
    try:
        found: list[Any] = readable.to_pylist()
    except (ValueError, OverflowError, LookupError, _pyarrow("Reading").ArrowException):
        return [_value(readable[place]) for place in range(len(readable))]
    return found


def _value(scalar: pyarrow.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return Unreadable("a text that isn't UTF-8", is_text=True)
    except (ValueError, OverflowError, LookupError, _pyarrow("Reading").ArrowException) as error:
        types = _pyarrow("Reading").types
        if types.is_temporal(scalar.type):
            return Unreadable("a time outside the years 1 to 9999")
        return Unreadable(f"a value that can't be read ({error})")


def _in_whole_microseconds(column: pyarrow.Array) -> pyarrow.Array:
    """Times as Python has them: in microseconds, and in UTC where their zone isn't known."""
    arrow = _pyarrow("Reading")
    kind = column.type
    if not arrow.types.is_timestamp(kind):
        return column
    zone = kind.tz if kind.tz is None or _is_known(kind.tz) else "UTC"
    unit = "us" if kind.unit == "ns" else kind.unit
    if (unit, zone) == (kind.unit, kind.tz):
        return column
    rounded = column.cast(arrow.timestamp(unit, kind.tz), safe=False)
    return rounded.view(arrow.int64()).view(arrow.timestamp(unit, zone))


def _is_known(zone: str) -> bool:
    try:
        _pyarrow("Reading").scalar(0, _pyarrow("Reading").timestamp("s", zone)).as_py()
    except (ValueError, LookupError, OverflowError, _pyarrow("Reading").ArrowException):
        return False
    return True


def _holds_vectors(kind: pyarrow.DataType) -> bool:
    types = _pyarrow("Reading").types
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    return bool(types.is_floating(kind.value_type) or types.is_integer(kind.value_type))


def _as_vectors(column: pyarrow.Array, path: Path, first: int, dim: int | None) -> npt.NDArray[Any]:
    lengths = column.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)
    wanted = dim or max(1, int(lengths[0]))
    wrong = np.flatnonzero(lengths != wanted)
    if len(wrong):
        length = int(lengths[wrong[0]])
        raise SourceError(
            f"Vectors of one column have one length, here {wanted}; row {first + wrong[0] + 1} of "
            f"{path} has {'none' if length < 0 else length}. Leave such rows out or mend them."
        )
    numbers = column.flatten()
    if numbers.null_count:
        raise SourceError(f"{path} has vectors with missing numbers; leave them out or mend them.")
    return np.asarray(numbers.to_numpy(zero_copy_only=False)).reshape(-1, wanted)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Texts by number: what a column of texts holds in a block.

    Parameters
    ----------
    texts : as `TableWriter.texts` gave them
    numbers : int (n,), offsets in the texts
    """

    texts: Any
    numbers: npt.NDArray[np.integer[Any]]


class TableWriter:
    """Writes a Parquet file block by block; a context manager that completes the file.

    Parameters
    ----------
    path : the file, made or replaced
    columns : the kind of each, by name
    notes : kept in the file, for `ParquetTable.notes`

    Raises
    ------
    MissingDependency : pyarrow isn't installed
    OSError : the file can't be written
    """

    def __init__(
        self, path: Path, columns: Mapping[str, ColumnKind], notes: Mapping[str, str]
    ) -> None:
        self._arrow = _pyarrow("Writing")
        kinds = {"text": self._arrow.string()}
        kinds |= {kind: getattr(self._arrow, kind)() for kind in ("int32", "int64", "float64")}
        fields = [(name, kinds[kind]) for name, kind in columns.items()]
        self._schema = self._arrow.schema(fields, metadata=dict(notes))
        # Ids repeat, and their dictionary pays; distances hardly ever do.
        words = [name for name, kind in columns.items() if kind != "float64"]
        self._file = path.open("wb")
        self._writer = self._arrow.parquet.ParquetWriter(
            self._file, self._schema, compression="zstd", use_dictionary=words
        )

    def texts(self, texts: Sequence[str]) -> Any:
        """Texts to choose from in many blocks; see `Chosen`."""
        return self._arrow.array(texts, self._arrow.string())

    def write(self, block: Mapping[str, Chosen | npt.NDArray[Any]]) -> None:
        """Append rows: each column's values, all of one length."""
        arrays = [
            values.texts.take(self._arrow.array(values.numbers))
            if isinstance(values, Chosen)
            else self._arrow.array(values, self._schema.field(name).type)
            for name, values in block.items()
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            self._writer.close()
