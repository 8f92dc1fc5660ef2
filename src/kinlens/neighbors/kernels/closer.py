"""Keys from the float32 vectors themselves, for single slots."""

from __future__ import annotations

import numpy as np

from kinlens.neighbors.coding import TINY, TINY_LENGTH, Floats, sum_error
from kinlens.neighbors.desk import Desk, at_desk
from kinlens.neighbors.kernels import bounds
from kinlens.neighbors.kernels.bounds import SLIP
from kinlens.neighbors.sieve import Doubles, Positions
from kinlens.neighbors.task import Task
from kinlens.types import Vectors

_PART = 1 << 18


class Closer:
    """For pairs of a query and a slot of one task; float32 with a stated error.

    A sum of squared differences has a relative error below that of a sum and three roundings more;
    a product has that of a sum and a rounded query, relative to the product of the lengths.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._squared = task.metric in {"euclidean", "sqeuclidean"}
        wide = bounds.wide_queries(task)
        self._queries = wide.astype(np.float32)
        self._error = 2 * sum_error(task.dim) + SLIP
        self._length = bounds.lengths(wide)
        self._ratio = 0.0
        if task.metric == "cosine":
            self._ratio = 2 * sum_error(task.dim) + SLIP
            self._ratio += max(map(bounds.unit_error, task.chunks))

    def keys(self, query: Positions, chunk: Positions, slot: Positions) -> tuple[Doubles, Doubles]:
        """Two float64 (n,): at most and at least the keys."""
        key, norm = np.empty(len(slot)), np.zeros(len(slot))
        step = max(1, _PART // self._task.dim)
        with at_desk() as desk:
            for start in range(0, len(slot), step):
                part = slice(start, start + step)
                vectors, norm[part] = self._gathered(chunk[part], slot[part], desk)
                queries = self._queries[0]
                if len(self._queries) > 1:
                    queries = desk.array("queries", vectors.shape, np.float32)
                    self._queries.take(query[part], axis=0, out=queries, mode="clip")
                key[part] = self._keys(vectors, queries)
        if self._squared:
            error = key * self._error + TINY
        else:
            length = self._length[query]
            error = self._error * length * norm + TINY_LENGTH * length + (self._ratio + TINY)
        return key - error, key + error

    def _gathered(self, chunk: Positions, slot: Positions, desk: Desk) -> tuple[Vectors, Floats]:
        vectors = desk.array("vectors", (len(slot), self._task.dim), np.float32)
        norms = np.empty(len(slot), np.float32)
        for position in np.flatnonzero(np.bincount(chunk)):
            here, source = np.flatnonzero(chunk == position), self._task.chunks[position]
            vectors[here] = source.vectors[slot[here]]
            norms[here] = source.codes.norm[slot[here]]
        return vectors, norms

    def _keys(self, vectors: Vectors, queries: Vectors) -> Floats:
        if self._squared:
            vectors -= queries
            squares: Floats = np.einsum("ij,ij->i", vectors, vectors)
            return squares
        # For products this small BLAS would wake threads that cost more than they help.
        form = "ij,j->i" if queries.ndim == 1 else "ij,ij->i"
        products: Floats = np.einsum(form, vectors, queries)
        return np.negative(products, out=products)
