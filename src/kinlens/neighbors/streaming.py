"""Exact neighbors of more vectors than memory holds.

Blocks of vectors are indexed one after the other, each as large as memory allows, and all queries
stream past each of them. So every vector is read and indexed once, and every query is read once
for each block; the other order would index every vector once for each block of queries. Each query
has k running best, merged block by block, ties by the lower row: the same as one search over all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np

from kinlens.errors import InvalidInput
from kinlens.neighbors import checks
from kinlens.neighbors.best import Best, BestInFiles, BestInMemory
from kinlens.neighbors.budget import Blocks, blocks_for
from kinlens.neighbors.index import ExactIndex
from kinlens.neighbors.leaving_out import NOBODY, Others, merged, search_leaving_out
from kinlens.neighbors.result import Distances, NeighborMetric, Neighbors, Rows
from kinlens.neighbors.vector_sources import Readable, VectorSource, open_vectors

KEEP_EVERY = 2.0
"""Seconds of work that a process that is killed loses at most, and one step.

Where vectors are searched among themselves it also loses what products have told of those that were
still to come; the rest is then searched with up to three times the products that were left.
"""

_APPENDED = 16_384

Tell: TypeAlias = Callable[[int, int], None]
"""Called with the pairs of query and vector that are done, and with all of them."""


class Find(Protocol):
    """Searches a block."""

    def __call__(self, index: ExactIndex, first: int, start: int, stop: int) -> Neighbors:
        """Neighbors of the queries from `start` to `stop` among the vectors of an index.

        Parameters
        ----------
        index : of the vectors from `first` on; its rows count from 0

        Returns
        -------
        neighbors : k wide, filled up with `NOBODY`
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What is searched in blocks.

    Parameters
    ----------
    vectors : to search
    queries : how many
    find : searches a block
    blocks : their sizes
    numbers : int64 (n,), ascending: what the vectors are called; None for their row numbers
    merges_first : whether something is known before the first block
    """

    vectors: VectorSource
    queries: int
    find: Find
    blocks: Blocks
    numbers: Rows | None = None
    merges_first: bool = False

    def run(self, best: Best, tell: Tell | None = None) -> None:
        """Search, from where `best` is, to the end."""
        position = best.position
        kept = time.monotonic()
        while position.first < len(self.vectors):
            first = position.first
            index = self._indexed(first, self._size(best))
            for start in range(position.done, self.queries, self.blocks.queries):
                stop = min(start + self.blocks.queries, self.queries)
                self._step(index, first, start, stop, best)
                if time.monotonic() - kept > KEEP_EVERY:
                    best.keep()
                    kept = time.monotonic()
                if tell is not None:
                    tell(*self._pairs(first, len(index), stop))
            best.end_pass()

    def _size(self, best: Best) -> int:
        """Of the next block. One that was begun is ended, unless memory has become less since."""
        position = best.position
        if not 0 < position.size <= self.blocks.vectors:
            position.size = min(self.blocks.vectors, len(self.vectors) - position.first)
            position.done = 0
            best.keep()
        return position.size

    def _step(self, index: ExactIndex, first: int, start: int, stop: int, best: Best) -> None:
        found = self.find(index, first, start, stop)
        lists = found.distances, self._named(found.rows, first)
        if first or self.merges_first:
            lists = merged(best.read(start, stop), lists)
        best.write(start, lists)
        position = best.position
        position.done = stop
        position.candidates += found.candidates
        position.certified &= found.certified
        position.kernels += [
            name for name in found.kernel.split("+") if name not in position.kernels
        ]

    def _indexed(self, first: int, size: int) -> ExactIndex:
        index = ExactIndex(self.vectors.dim)
        last = first + size
        for start in range(first, last, _APPENDED):
            index.append(self.vectors.read(start, min(start + _APPENDED, last)))
        return index

    def _named(self, rows: Rows, first: int) -> Rows:
        moved = rows + first
        names = moved if self.numbers is None else self.numbers[moved]
        return np.where(rows == NOBODY, NOBODY, names)

    def _pairs(self, first: int, size: int, stop: int) -> tuple[int, int]:
        return first * self.queries + size * stop, len(self.vectors) * self.queries


def stream_neighbors(
    vectors: Readable,
    queries: Readable | None = None,
    k: int = 10,
    *,
    metric: NeighborMetric = "euclidean",
    memory: int | None = None,
    work: str | PathLike[str] | None = None,
    column: str | None = None,
    progress: Tell | None = None,
) -> Neighbors:
    """The k nearest vectors of each query, exact, of any number of both in flat memory.

    Parameters
    ----------
    vectors : real numbers (n, dim): an array, a memory map, the path of a .npy or Parquet file,
        or a `VectorSource`
    queries : the same; None for the vectors themselves, each without itself
    k : from 0 up
    metric : "euclidean", "sqeuclidean", "cosine" or "inner"
    memory : bytes for the blocks that are in memory at once; None for half of what is free
    work : a folder. With it, the neighbors lie in files there, and a run that was cut short, by
        whatever, goes on from where it was when it is repeated with the same arguments. Files
        count as the same by size and time, arrays by shape and some of their rows
    column : of the vectors, in Parquet files that have several
    progress : called with the pairs of query and vector that are done, and with all of them

    Returns
    -------
    neighbors : distances float64 (q, k'), ascending, and rows int64 (q, k'), ties by the lower
        row; k' is the lesser of k and the vectors there are. With `work`, memory maps of its files

    Raises
    ------
    InvalidInput : shapes disagree, or numbers aren't finite in float32
    SourceError, MissingDependency : a file can't be read
    OutputError : no space left in `work`, or it can't be written
    """
    searched = open_vectors(vectors, column)
    asked = searched if queries is None else open_vectors(queries, column)
    if asked.dim != searched.dim:
        raise InvalidInput(
            f"Queries need the length of the vectors, {searched.dim}; got {asked.dim}."
        )
    width = min(checks.as_k(k), max(0, len(searched) - (queries is None)))
    finder = _Finder(asked, width, checks.as_metric(metric), itself=queries is None)
    blocks = blocks_for(memory, searched.dim, width, len(searched), len(asked))
    stream = Stream(vectors=searched, queries=len(asked), find=finder, blocks=blocks)
    if work is None or width == 0:
        kept = BestInMemory(len(asked), width)
        stream.run(kept, progress)
        return _neighbors(kept, kept.distances, kept.rows)
    about = (searched.mark, asked.mark, width, metric, queries is None)
    files = BestInFiles(Path(work), repr(about), len(asked), width)
    stream.run(files, progress)
    distances, rows = (np.load(path, mmap_mode="r") for path in files.files())
    return _neighbors(files, distances, rows)


class _Finder:
    """Plain neighbors of queries that are read block by block."""

    def __init__(
        self, queries: VectorSource, k: int, metric: NeighborMetric, *, itself: bool
    ) -> None:
        self.queries = queries
        self.k = k
        self.metric = metric
        self.itself = itself
        self._others = Others(k, metric)

    def __call__(self, index: ExactIndex, first: int, start: int, stop: int) -> Neighbors:
        if self.itself and len(index) == len(self.queries):
            return self._others.take(index, start, stop)
        own = None
        if self.itself:
            own = np.arange(start, stop) - first
        queries = self.queries.read(start, stop)
        return search_leaving_out(index, queries, self.k, metric=self.metric, own=own)


def _neighbors(best: Best, distances: Distances, rows: Rows) -> Neighbors:
    position = best.position
    kernel = "+".join(position.kernels) or "none"
    return Neighbors(distances, rows, position.certified, kernel, position.candidates)
