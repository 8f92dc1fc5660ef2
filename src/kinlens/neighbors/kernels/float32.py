"""Screens with float32 products by BLAS: short vectors, and where int8 lets too much through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinlens.neighbors import blas
from kinlens.neighbors.coding import ROUNDING, TINY, TINY_LENGTH, Codes, sum_error
from kinlens.neighbors.desk import Desk
from kinlens.neighbors.kernels import bounds
from kinlens.neighbors.kernels.bounds import DENORMAL, SLIP, WIDE_SLIP, Bound
from kinlens.neighbors.sieve import Doubles, Floats, Positions, Screen, Sieve, View
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Shortlist, Task
from kinlens.neighbors.workers import WORKERS

_LEAST_ROWS_PER_NEIGHBOR = 4
_MOST_ENTRIES = 4_000_000
_STEP = 512
"""Few vectors are shared among threads in parts so small."""
_NEAR_ORIGIN = 0.9
"""Vectors of length 1 whose mean is no longer: taking them about it would gain little."""


class Float32Kernel:
    """The vectors as they are; only the rounding of the products is uncertain."""

    name = "float32"
    queries_per_pass = 512
    """BLAS arranges the vectors anew for each block of queries, so the more the better."""

    def missing(self) -> str:
        """Nothing."""
        return ""

    def is_usable_for(self, task: Task) -> bool:
        """Needs numbers of which squares stay in float32, and rows enough to be worth it."""
        return bounds.in_range(task) and task.living >= _LEAST_ROWS_PER_NEIGHBOR * task.k

    def screen(self, task: Task) -> Screen:
        """What estimates keys and bounds their errors, for a task it is usable for."""
        return _Screen(task)

    def shortlist(self, task: Task) -> Shortlist:
        """See `Kernel`."""
        # Up to half of the rows are cheaper to decide on one by one than all in float64.
        most = min(task.living // 2, _MOST_ENTRIES // len(task.queries))
        with blas.limited(1):
            return Sieve(task, self.screen(task), max(4 * task.k, most)).shortlist()


class _Screen:
    def __init__(self, task: Task) -> None:
        self._queries = bounds.wide_queries(task)
        self._metric = task.metric

    @property
    def threads(self) -> int:
        return WORKERS.multiplying

    @property
    def step(self) -> int:
        return _STEP

    def view(self, chunk: Chunk) -> View:
        if self._metric in {"euclidean", "sqeuclidean"}:
            if bounds.unit_error(chunk) < 1 and chunk.codes.center.norm < _NEAR_ORIGIN:
                return _squared_unit(chunk, self._queries)
            return _squared(chunk, self._queries)
        return _product(chunk, self._queries, cosine=self._metric == "cosine")


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """See `sieve.View`.

    key = query.vector + base + offset, or divided by the norm where `inverse` is given.
    """

    chunk: Chunk
    queries: Floats
    offset: Doubles
    bound: Bound
    slack: Doubles
    base: Floats | None = None
    inverse: Floats | None = None

    def estimates(self, start: int, stop: int, desk: Desk) -> Floats:
        span = slice(start, stop)
        found = desk.floats(len(self.queries), stop - start)
        np.matmul(self.queries, self.chunk.vectors[span].T, out=found)
        if self.base is not None:
            found += self.base[span]
        if self.inverse is not None:
            found *= self.inverse[span]
        return found

    def errors(self, query: Positions, slot: Positions) -> Doubles:
        codes, dim = self.chunk.codes, self.queries.shape[1]
        reach = bounds.reach(codes.square[slot], dim)
        inverse = None if self.inverse is None else self.inverse[slot]
        return self.bound.of(query, _lengths(codes, slot, dim), reach, inverse)


def _squared(chunk: Chunk, queries: Doubles) -> View:
    """Key: |c|^2 - 2 p.x + 2 p.m + |p|^2 with p = q - m, the squared distance."""
    dim, center = queries.shape[1], chunk.codes.center
    shifted = queries - center.vector
    lengths = bounds.lengths(shifted)
    along = shifted @ center.vector.astype(np.float64)
    bound = Bound(
        far=2 * (sum_error(dim) + ROUNDING + SLIP) * lengths + DENORMAL,
        near=np.zeros(len(queries)),
        curve=sum_error(dim) + SLIP,
        fixed=WIDE_SLIP * lengths * (lengths + center.norm) + TINY,
    )
    return _View(
        chunk=chunk,
        queries=np.multiply(shifted, -2, dtype=np.float32),
        offset=np.square(lengths) + 2 * along,
        bound=bound,
        slack=bound.most(_peak_length(chunk, dim), bounds.peak_reach(chunk, dim)),
        base=chunk.codes.square,
    )


def _squared_unit(chunk: Chunk, queries: Doubles) -> View:
    """Key: 1 - 2 q.x + |q|^2, the squared distance from vectors of about length 1."""
    dim = queries.shape[1]
    away = bounds.unit_error(chunk) + sum_error(dim)
    lengths = bounds.lengths(queries)
    bound = Bound(
        far=2 * (sum_error(dim) + SLIP) * lengths + DENORMAL,
        near=np.zeros(len(queries)),
        fixed=WIDE_SLIP * (1 + np.square(lengths)) + (3 * away + TINY),
    )
    return _View(
        chunk=chunk,
        queries=np.multiply(queries, -2, dtype=np.float32),
        offset=1 + np.square(lengths),
        bound=bound,
        slack=bound.most(_peak_length(chunk, dim), 0.0),
    )


def _product(chunk: Chunk, queries: Doubles, *, cosine: bool) -> View:
    """Key: minus the product of query and vector, or minus the cosine."""
    dim, count = queries.shape[1], len(queries)
    away = bounds.unit_error(chunk) if cosine else 0.0
    divided = away >= 1
    bound = Bound(
        far=(sum_error(dim) + ROUNDING + SLIP) * bounds.lengths(queries) + DENORMAL,
        near=np.zeros(count),
        fixed=np.full(count, TINY),
        ratio=cosine * (2 * sum_error(dim) + SLIP + (0.0 if divided else away)),
    )
    if divided:
        inverse = bounds.inverse(chunk.codes.norm[: chunk.count])
        length = _lengths(chunk.codes, slice(0, chunk.count), dim)
        slack = bound.most_divided(length, 0.0, inverse)
    else:
        inverse, slack = None, bound.most(_peak_length(chunk, dim), 0.0)
    return _View(
        chunk=chunk,
        queries=np.negative(queries, dtype=np.float32),
        offset=np.zeros(count),
        bound=bound,
        slack=slack,
        inverse=inverse,
    )


def _lengths(codes: Codes, slot: Positions | slice, dim: int) -> Doubles:
    lengths: Doubles = codes.norm[slot].astype(np.float64) * (1 + sum_error(dim))
    return lengths + TINY_LENGTH


def _peak_length(chunk: Chunk, dim: int) -> float:
    return chunk.peaks.most * (1 + sum_error(dim)) + TINY_LENGTH
