"""An exact nearest-neighbor index in memory that changes in place."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from kinlens.errors import InvalidInput, NotFound
from kinlens.neighbors import blas, checks, engine, forking
from kinlens.neighbors import radius as radius_search
from kinlens.neighbors.kernels import kernels_from
from kinlens.neighbors.mutual import Mutual, is_usable_for
from kinlens.neighbors.result import NeighborMetric, Neighbors, Rows, Within
from kinlens.neighbors.storage import Chunk, Snapshot
from kinlens.types import Vectors

_GONE = -1


class ExactIndex:
    """Vectors under stable row numbers, searched exactly.

    Safe to use from many threads. A search works on the state at the moment it begins and neither
    waits for writers nor holds them up; writers wait for one another.

    Parameters
    ----------
    dim : length of the vectors
    kernel : name of the kernel to screen with; None picks by hardware and shape
    """

    def __init__(self, dim: int, *, kernel: str | None = None) -> None:
        self.dim = checks.as_dim(dim)
        self._kernel = kernel
        self._kernels = kernels_from(kernel)
        self._engine = engine.Engine(self._kernels, adapts=kernel is None)
        self._writing = threading.Lock()
        self._state = threading.Lock()
        forking.register(self)
        self._snapshot = Snapshot()
        self._chunk_of_row = np.empty(0, np.int64)
        self._slot_of_row = np.empty(0, np.int64)
        self._next_key = 0

    def __len__(self) -> int:
        return self._snapshot.living

    @property
    def capacity(self) -> int:
        """Row numbers given out so far, those of deleted rows included; the length of a mask."""
        return self._snapshot.capacity

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the vectors and all that belongs to them take."""
        return self.vector_bytes + self.screen_bytes

    @property
    def vector_bytes(self) -> int:
        """Bytes of the float32 vectors, retired ones included until their space is given back."""
        return sum(chunk.vector_bytes for chunk in self._snapshot.chunks)

    @property
    def screen_bytes(self) -> int:
        """Bytes of all that is kept beside the vectors to search them fast."""
        tables = self._chunk_of_row.nbytes + self._slot_of_row.nbytes
        return tables + sum(chunk.screen_bytes for chunk in self._snapshot.chunks)

    def append(self, vectors: npt.ArrayLike) -> Rows:
        """Add vectors.

        Parameters
        ----------
        vectors : float32 (n, dim), finite

        Returns
        -------
        rows : int64 (n,), consecutive; a row keeps its number until it is deleted, and no number
            is given out twice
        """
        array = checks.as_vectors(vectors, self.dim)
        with self._writing:
            first = self._snapshot.capacity
            rows = np.arange(first, first + len(array))
            self._write(rows, array, retire=False)
        return rows

    def replace(self, rows: npt.ArrayLike, vectors: npt.ArrayLike) -> None:
        """Give rows new vectors.

        Parameters
        ----------
        rows : int64 (n,), distinct
        vectors : float32 (n, dim), finite

        Raises
        ------
        NotFound : a row was deleted; nothing was changed
        """
        array = checks.as_vectors(vectors, self.dim)
        with self._writing:
            numbers = self._living_rows(rows)
            if len(numbers) != len(array):
                raise InvalidInput(
                    f"Each row needs one vector; got {len(numbers)} rows and {len(array)} vectors."
                )
            self._write(numbers, array, retire=True)
            self._reclaim()

    def delete(self, rows: npt.ArrayLike) -> None:
        """Take rows out.

        Parameters
        ----------
        rows : int64 (n,), distinct

        Raises
        ------
        NotFound : a row was deleted before; nothing was changed
        """
        with self._writing:
            numbers = self._living_rows(rows)
            chunks = self._retire(self._chunks(), numbers)
            with self._state:
                self._chunk_of_row[numbers] = _GONE
                self._publish(chunks, self._snapshot.capacity)
            self._reclaim()

    def search(
        self,
        queries: npt.ArrayLike,
        k: int,
        *,
        metric: NeighborMetric = "euclidean",
        mask: npt.ArrayLike | None = None,
    ) -> Neighbors:
        """The k nearest rows of each query, the same as float64 would find.

        Parameters
        ----------
        queries : float32 (q, dim), finite
        k : from 0 up; fewer rows that pass give fewer neighbors
        metric : "euclidean", "sqeuclidean", "cosine" or "inner"
        mask : bool (capacity,), the rows that may be returned; a shorter one keeps out the rows
            past its end (they were appended after it was made); None for all

        Raises
        ------
        InvalidInput : whatever of this can't be used, with the reason
        """
        snapshot = self._snapshot
        request = engine.Request(
            queries=checks.as_vectors(queries, self.dim, "queries"),
            k=checks.as_k(k),
            metric=checks.as_metric(metric),
            mask=checks.as_mask(mask, snapshot.capacity),
        )
        return self._engine.search(snapshot, request)

    def within(
        self,
        queries: npt.ArrayLike,
        radius: npt.ArrayLike,
        *,
        metric: NeighborMetric = "euclidean",
        mask: npt.ArrayLike | None = None,
    ) -> Within:
        """All rows whose distance to a query is at most the radius, the same as float64 would find.

        Takes about twice the memory of the answer at most, however much is found.

        Parameters
        ----------
        queries : float32 (q, dim), finite
        radius : one for all queries, or float64 (q,); in the terms of the metric, so a radius for
            "inner" is mostly negative. Infinity finds every row
        metric, mask : as for `search`

        Raises
        ------
        InvalidInput : whatever of this can't be used, with the reason
        """
        snapshot = self._snapshot
        vectors = checks.as_vectors(queries, self.dim, "queries")
        request = radius_search.RadiusRequest(
            queries=vectors,
            radius=checks.as_radius(radius, len(vectors)),
            metric=checks.as_metric(metric),
            mask=checks.as_mask(mask, snapshot.capacity),
        )
        return radius_search.within(self._kernels, snapshot, request)

    def mutual(self, k: int, metric: NeighborMetric) -> Callable[[int], Mutual] | None:
        """Searches of all rows from one on, among all there are now.

        None where products that serve two rows can't be used: after rows were replaced or deleted,
        where there are few, or where a kernel that doesn't use them was asked for.
        """
        snapshot = self._snapshot
        if self._kernel not in {None, "float32"} or not is_usable_for(snapshot, k, metric):
            return None
        return functools.partial(Mutual, snapshot, k, metric)

    def vectors(self, rows: npt.ArrayLike) -> Vectors:
        """The vectors of rows, float32 (n, dim), in the order asked.

        Raises
        ------
        NotFound : a row was deleted
        """
        with self._state:
            numbers = self._living_rows(rows, distinct=False)
            keys, slots = self._chunk_of_row[numbers], self._slot_of_row[numbers]
            chunks = self._chunks()
        found = np.empty((len(numbers), self.dim), np.float32)
        for key in np.unique(keys):
            here = keys == key
            found[here] = chunks[int(key)].vectors[slots[here]]
        return found

    def before_fork(self) -> None:
        """See `forking.Forkable`: no other thread is within a change of the tables."""
        self._state.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """See `forking.Forkable`: a child has no writer, even if its parent has one."""
        if in_child:
            self._writing = threading.Lock()
        self._state.release()

    def _chunks(self) -> dict[int, Chunk]:
        return {chunk.key: chunk for chunk in self._snapshot.chunks}

    def _living_rows(self, rows: npt.ArrayLike, *, distinct: bool = True) -> Rows:
        numbers = checks.as_rows(rows, self._snapshot.capacity)
        gone = numbers[self._chunk_of_row[numbers] == _GONE]
        if len(gone):
            raise NotFound(f"Row {gone[0]} was deleted; ask for rows that remain.")
        if distinct and len(np.unique(numbers)) != len(numbers):
            raise InvalidInput("Rows need to be distinct; one is given more than once.")
        return numbers

    def _write(self, rows: Rows, vectors: Vectors, *, retire: bool) -> None:
        chunks = self._chunks()
        if retire:
            chunks = self._retire(chunks, rows)
        keys, slots = np.empty_like(rows), np.empty_like(rows)
        done = 0
        with blas.limited(1):
            while done < len(rows):
                chunk = self._tail(chunks, vectors[done:])
                part = slice(done, done + min(chunk.room, len(rows) - done))
                keys[part] = chunk.key
                slots[part] = np.arange(chunk.count, chunk.count + part.stop - part.start)
                chunks[chunk.key] = chunk.appended(rows[part], vectors[part])
                done = part.stop
        capacity = max(self._snapshot.capacity, int(rows.max(initial=-1)) + 1)
        with self._state:
            self._grow(capacity)
            self._chunk_of_row[rows], self._slot_of_row[rows] = keys, slots
            self._publish(chunks, capacity)

    def _tail(self, chunks: dict[int, Chunk], vectors: Vectors) -> Chunk:
        last = next(reversed(chunks.values()), None)
        if last is not None and last.room:
            return last
        self._next_key += 1
        return Chunk.begun(self._next_key, vectors, last)

    def _retire(self, chunks: dict[int, Chunk], rows: Rows) -> dict[int, Chunk]:
        keys, slots = self._chunk_of_row[rows], self._slot_of_row[rows]
        for key in np.unique(keys):
            chunks[int(key)] = chunks[int(key)].retired(slots[keys == key])
        return chunks

    def _reclaim(self) -> None:
        """Move what lives in full chunks that are half retired to the tail, so that they go."""
        for chunk in self._snapshot.chunks:
            if chunk.room == 0 and 2 * chunk.living < chunk.count:
                alive = chunk.alive
                self._write(chunk.rows[alive], chunk.vectors[alive], retire=True)

    def _grow(self, capacity: int) -> None:
        if capacity > len(self._chunk_of_row):
            more = max(capacity, len(self._chunk_of_row) * 3 // 2) - len(self._chunk_of_row)
            gone = np.full(more, _GONE)
            self._chunk_of_row = np.concatenate([self._chunk_of_row, gone])
            self._slot_of_row = np.concatenate([self._slot_of_row, gone])

    def _publish(self, chunks: dict[int, Chunk], capacity: int) -> None:
        used = tuple(chunk for chunk in chunks.values() if chunk.living or chunk.room)
        living = sum(chunk.living for chunk in used)
        self._snapshot = Snapshot(used, capacity, living)
