"""Keys from int8 codes for single slots, where a screen of all slots isn't worth it."""

from __future__ import annotations

import numpy as np

from kinlens.neighbors import products
from kinlens.neighbors.coding import Center, sum_error
from kinlens.neighbors.desk import Desk, at_desk
from kinlens.neighbors.kernels import bounds
from kinlens.neighbors.kernels.bounds import SLIP, Bound
from kinlens.neighbors.kernels.int8 import Coded
from kinlens.neighbors.sieve import Doubles, Positions
from kinlens.neighbors.task import Task

_PART_BYTES = 1 << 20


class Nearer:
    """For pairs of a query and a slot of one task; the codes and bounds of `Int8Kernel`.

    Cosines are taken as products: for vectors and queries of unit length.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._squared = task.metric in {"euclidean", "sqeuclidean"}
        queries, about = bounds.wide_queries(task), dict[Center, Coded]()
        for chunk in task.chunks:
            center = chunk.codes.center
            if center not in about:
                about[center] = Coded.about(center, queries)
        turns = {center: turn * len(queries) for turn, center in enumerate(about)}
        self._first = np.array([turns[chunk.codes.center] for chunk in task.chunks])
        every = list(about.values())
        self._codes = np.concatenate([coded.codes for coded in every])
        self._scale = np.concatenate([coded.scale for coded in every])
        self._bound = self._joined(every)
        if self._squared:
            self._scale *= 2
            self._offset = np.concatenate([coded.square for coded in every])
        else:
            self._offset = -np.concatenate([coded.along for coded in every])

    def _joined(self, every: list[Coded]) -> Bound:
        of = [coded.squared_bound if self._squared else coded.product_bound for coded in every]
        ratio = 0.0
        if self._task.metric == "cosine":
            ratio = 2 * sum_error(self._task.dim) + SLIP
            ratio += max(map(bounds.unit_error, self._task.chunks))
        return Bound(
            far=np.concatenate([bound.far for bound in of]),
            near=np.concatenate([bound.near for bound in of]),
            fixed=np.concatenate([bound.fixed for bound in of]),
            curve=of[0].curve,
            ratio=ratio,
        )

    def keys(self, query: Positions, chunk: Positions, slot: Positions) -> tuple[Doubles, Doubles]:
        """Two float64 (n,): at most and at least the keys. Fast if chunks come in long runs."""
        key, error = np.empty(len(slot)), np.empty(len(slot))
        step = max(1, _PART_BYTES // self._task.dim)
        ends = np.flatnonzero(np.diff(chunk, append=-1)) + 1
        begin = 0
        with at_desk() as desk:
            for end in ends.tolist():
                for start in range(begin, end, step):
                    part = slice(start, min(end, start + step))
                    at = query[part] + self._first[chunk[start]]
                    key[part], error[part] = self._keys(at, int(chunk[start]), slot[part], desk)
                begin = end
        return key - error, key + error

    def _keys(
        self, at: Positions, position: int, slot: Positions, desk: Desk
    ) -> tuple[Doubles, Doubles]:
        codes = self._task.chunks[position].codes
        near = desk.array("codes", (len(slot), self._task.dim), np.int8)
        codes.codes.take(slot, axis=0, out=near, mode="clip")
        queries = self._codes
        if len(queries) > 1:
            queries = desk.array("queries", near.shape, np.int8)
            self._codes.take(at, axis=0, out=queries, mode="clip")
        key = products.pairs(queries, near)
        key *= codes.scale[slot]
        key *= self._scale[at]
        square = codes.square[slot]
        np.subtract(square if self._squared else -codes.along[slot], key, out=key)
        key += self._offset[at]
        reach = bounds.reach(square, self._task.dim)
        return key, self._bound.of(at, codes.residual[slot], reach)
