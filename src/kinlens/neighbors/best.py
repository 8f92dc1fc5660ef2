"""The nearest found so far of each query, while blocks of vectors pass by: in memory or in files.

A pass reads what the passes before it left and writes elsewhere, so that a step that was cut short
can be done again: nothing that it reads has been changed.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.array_files import (
    make_array,
    read_array,
    replace_json,
    write_array,
    write_error,
)
from kinlens.neighbors.leaving_out import NOBODY
from kinlens.neighbors.result import Distances, Rows

PROGRESS = "progress.json"
_SIDES = ("even", "odd")


@dataclass(slots=True)
class Position:
    """How far a run is, and what it found out on its way.

    Parameters
    ----------
    passes : over blocks of vectors that are over
    first : vectors they went over
    size : vectors of the pass that is under way
    done : queries of it
    kernels, candidates, certified : as `Neighbors` has them
    """

    passes: int = 0
    first: int = 0
    size: int = 0
    done: int = 0
    kernels: list[str] = field(default_factory=list)
    candidates: int = 0
    certified: bool = True

    def end_pass(self) -> None:
        """The block of vectors has met all queries."""
        self.passes += 1
        self.first += self.size
        self.size = self.done = 0


class Best(Protocol):
    """What a run over blocks needs to keep."""

    position: Position

    def read(self, start: int, stop: int) -> tuple[Distances, Rows]:
        """What the passes before this one found."""

    def write(self, start: int, found: tuple[Distances, Rows]) -> None:
        """What is known after this pass."""

    def keep(self) -> None:
        """Make what was written last, however this process ends."""

    def end_pass(self) -> None:
        """From now on, read what was written."""


class BestInMemory:
    """In two arrays; nothing is left of it when the process ends."""

    def __init__(self, queries: int, k: int) -> None:
        self.position = Position()
        self.distances = np.full((queries, k), np.inf)
        self.rows = np.full((queries, k), NOBODY)

    def read(self, start: int, stop: int) -> tuple[Distances, Rows]:
        """See `Best.read`."""
        return self.distances[start:stop], self.rows[start:stop]

    def write(self, start: int, found: tuple[Distances, Rows]) -> None:
        """See `Best.write`; each step reads and writes its own queries only."""
        part = slice(start, start + len(found[0]))
        self.distances[part], self.rows[part] = found

    def keep(self) -> None:
        """See `Best.keep`."""

    def end_pass(self) -> None:
        """See `Best.end_pass`."""
        self.position.end_pass()


class BestInFiles:
    """In files of a folder; a run with the same mark goes on from there.

    Parameters
    ----------
    folder : made if need be; what a run with another mark left there is overwritten
    mark : what the run is about
    queries, k : size of the lists

    Raises
    ------
    OutputError : no space left, or the folder can't be written
    """

    def __init__(self, folder: Path, mark: str, queries: int, k: int) -> None:
        self._folder = folder
        self._mark = mark
        self._shape = queries, k
        try:
            self.position = self._continued() or self._begun()
        except OSError as error:
            raise write_error(error, folder) from error

    def read(self, start: int, stop: int) -> tuple[Distances, Rows]:
        """See `Best.read`."""
        return self._read("distances", start, stop), self._read("rows", start, stop)

    def write(self, start: int, found: tuple[Distances, Rows]) -> None:
        """See `Best.write`."""
        self._write(self.position.passes + 1, start, found)

    def begin_with(self, start: int, found: tuple[Distances, Rows]) -> None:
        """What is known before the first pass; see `Stream.merges_first`."""
        self._write(0, start, found)

    def keep(self) -> None:
        """See `Best.keep`."""
        try:
            self._sync()
            replace_json(self._folder / PROGRESS, {"mark": self._mark, **asdict(self.position)})
        except OSError as error:
            raise write_error(error, self._folder) from error

    def end_pass(self) -> None:
        """See `Best.end_pass`."""
        self.position.end_pass()
        self.keep()

    def files(self) -> tuple[Path, Path]:
        """The .npy files of distances, float64, and rows, int64, after the last pass."""
        return self._file("distances"), self._file("rows")

    def _continued(self) -> Position | None:
        file = self._folder / PROGRESS
        if not file.is_file():
            return None
        found = json.loads(file.read_text(encoding="utf-8"))
        return Position(**found) if found.pop("mark") == self._mark else None

    def _begun(self) -> Position:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / PROGRESS).unlink(missing_ok=True)
        for passes in range(2):
            make_array(self._file("distances", passes), "<f8", self._shape)
            make_array(self._file("rows", passes), "<i8", self._shape)
        return Position()

    def _file(self, name: str, passes: int | None = None) -> Path:
        """Where a pass finds what so many passes before it left."""
        passes = self.position.passes if passes is None else passes
        return self._folder / f"{name}-{_SIDES[passes % 2]}.npy"

    def _read(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        return read_array(self._file(name), start, stop)

    def _write(self, passes: int, start: int, found: tuple[Distances, Rows]) -> None:
        for name, array in zip(("distances", "rows"), found, strict=True):
            write_array(self._file(name, passes), start, array)

    def _sync(self) -> None:
        for name in ("distances", "rows"):
            for passes in range(2):
                with self._file(name, passes).open("rb") as file:
                    os.fsync(file.fileno())
