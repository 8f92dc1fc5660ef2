"""Vectors that are read in blocks, wherever they lie: arrays, .npy files, Parquet files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from kinlens.errors import InvalidInput, SourceError
from kinlens.neighbors import checks
from kinlens.neighbors.arrays import as_array
from kinlens.parquet import ParquetTable
from kinlens.types import Vectors

_SAMPLED = 256
_BATCH_NUMBERS = 1 << 18
_PARQUET = (".parquet", ".pq")


@runtime_checkable
class VectorSource(Protocol):
    """Vectors of one length, read by their row numbers."""

    @property
    def dim(self) -> int:
        """Length of the vectors."""

    @property
    def mark(self) -> str:
        """Equal for the same vectors, so that a run that goes on can tell them from others."""

    def __len__(self) -> int: ...

    def read(self, start: int, stop: int) -> Vectors:
        """float32 (stop - start, dim), C-contiguous and finite.

        Raises
        ------
        InvalidInput : not finite in float32
        SourceError : they can't be read
        """


Readable: TypeAlias = VectorSource | str | os.PathLike[str] | npt.ArrayLike
"""What `open_vectors` takes."""


def open_vectors(what: Readable, column: str | None = None) -> VectorSource:
    """Vectors to be read in blocks.

    Parameters
    ----------
    what : real numbers (n, dim) as an array, a memory map included; the path of a .npy file that
        holds such; the path of a Parquet file with a column of lists of numbers, all of one
        length; or anything that is a `VectorSource`
    column : of a Parquet file; None for its only column of such lists

    Raises
    ------
    InvalidInput : an array of another shape or kind
    SourceError : a file that can't be read, or holds no vectors
    MissingDependency : reading Parquet needs pyarrow
    """
    if isinstance(what, VectorSource):
        return what
    if not isinstance(what, str | os.PathLike):
        return ArrayVectors(as_array(what, "Vectors"))
    path = Path(what).expanduser()
    if not path.is_file():
        raise SourceError(f"{path} doesn't exist; name a .npy or Parquet file of vectors.")
    if path.suffix.lower() in _PARQUET:
        return ParquetVectors(path, column)
    if path.suffix.lower() == ".npy":
        return NpyVectors(path)
    raise SourceError(f"{path} is no file of vectors that is read; those end in .npy or .parquet.")


class ArrayVectors:
    """Vectors of an array, which may be a memory map."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self._array = _checked(array, "vectors")
        self.dim = checks.as_dim(array.shape[1])

    def __len__(self) -> int:
        return len(self._array)

    @property
    def mark(self) -> str:
        """See `VectorSource.mark`; of some of the rows."""
        rows = np.unique(np.linspace(0, max(0, len(self) - 1), _SAMPLED).astype(int))
        sample = np.ascontiguousarray(self._array[rows[rows < len(self)]])
        digest = hashlib.sha256(sample.tobytes()).hexdigest()
        return f"array {self._array.shape} {self._array.dtype} {digest}"

    def read(self, start: int, stop: int) -> Vectors:
        """See `VectorSource.read`."""
        return _usable(self._array[start:stop], self.dim, start, "The array")


class NpyVectors:
    """Vectors of a .npy file, read without mapping it into memory where it lies row by row."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise SourceError(f"{path} can't be read as an array: {error}.") from error
        if not isinstance(mapped, np.memmap):
            raise SourceError(f"{path} holds no array of numbers.")
        self._array = _checked(mapped, str(path))
        self._offset = mapped.offset
        self.dim = checks.as_dim(mapped.shape[1])

    def __len__(self) -> int:
        return len(self._array)

    @property
    def mark(self) -> str:
        """See `VectorSource.mark`."""
        return _file_mark(self._path)

    def read(self, start: int, stop: int) -> Vectors:
        """See `VectorSource.read`."""
        array = self._array
        if array.flags.c_contiguous:
            # Pages that are only read don't count as this process's memory; mapped ones do.
            offset = self._offset + start * self.dim * array.itemsize
            count = (min(stop, len(array)) - start) * self.dim
            found = np.fromfile(self._path, array.dtype, count, offset=offset)
            if len(found) < count:
                raise SourceError(f"{self._path} has become shorter while it was read; run again.")
            return _usable(found.reshape(-1, self.dim), self.dim, start, str(self._path))
        return _usable(array[start:stop], self.dim, start, str(self._path))


class ParquetVectors:
    """Vectors of a column of a Parquet file; read in order it is read once."""

    def __init__(self, path: Path, column: str | None = None) -> None:
        self._table = ParquetTable(path)
        self.column = _column(self._table, column)
        self._batch = 1
        self._next, self._rest = -1, np.empty((0, 0), np.float32)
        self._stream: Iterator[npt.NDArray[Any]] = iter(())
        first = next(self._table.vectors(self.column, 0, 1), None)
        if first is None:
            raise SourceError(f"{path} has no rows, so the length of its vectors isn't known.")
        self.dim = checks.as_dim(first.shape[1])
        self._batch = max(1, _BATCH_NUMBERS // self.dim)

    def __len__(self) -> int:
        return len(self._table)

    @property
    def mark(self) -> str:
        """See `VectorSource.mark`."""
        return f"{_file_mark(self._table.path)} {self.column}"

    def read(self, start: int, stop: int) -> Vectors:
        """See `VectorSource.read`."""
        if start != self._next:
            self._stream = self._table.vectors(self.column, start, self._batch)
            self._next, self._rest = start, np.empty((0, self.dim), np.float32)
        wanted = min(stop, len(self)) - start
        found, count = [self._rest], len(self._rest)
        while count < wanted:
            batch = next(self._stream, None)
            if batch is None:
                raise SourceError(
                    f"{self._table.path} has become shorter while it was read; run again."
                )
            found.append(_usable(batch, self.dim, self._next + count, str(self._table.path)))
            count += len(batch)
        block = np.concatenate(found)
        self._rest, self._next = block[wanted:].copy(), start + wanted
        return block[:wanted]


def _column(table: ParquetTable, column: str | None) -> str:
    found = table.vector_columns()
    if column is None and len(found) == 1:
        return found[0]
    if column in found:
        return str(column)
    listed = ", ".join(found) or "none"
    if column is None:
        raise SourceError(
            f"{table.path} needs one column of lists of numbers, or the name of the one to take; "
            f"it has {listed}."
        )
    raise SourceError(
        f"{table.path} has no column {column!r} of lists of numbers; its columns of such are "
        f"{listed}."
    )


def _checked(array: npt.NDArray[Any], what: str) -> npt.NDArray[Any]:
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise InvalidInput(
            f"{what} need real numbers of the shape (n, dim); got {array.dtype} {array.shape}."
        )
    return array


def _usable(array: npt.NDArray[Any], dim: int, start: int, what: str) -> Vectors:
    try:
        return checks.as_vectors(array, dim)
    except InvalidInput as error:
        raise InvalidInput(f"{what}, from row {start} on: {error}") from None


def _file_mark(path: Path) -> str:
    about = path.stat()
    return f"file {path.resolve()} {about.st_size} {about.st_mtime_ns}"
