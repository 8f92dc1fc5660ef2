"""Screens with int8 products: a quarter of the bytes, and what matrix units are best at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kinlens.neighbors import products
from kinlens.neighbors.coding import TINY, Center, Codes, sum_error
from kinlens.neighbors.desk import Desk
from kinlens.neighbors.kernels import bounds
from kinlens.neighbors.kernels.base import PASS
from kinlens.neighbors.kernels.bounds import SLIP, WIDE_SLIP, Bound
from kinlens.neighbors.products import PACK
from kinlens.neighbors.sieve import Doubles, Floats, Positions, Screen, Sieve, View
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Shortlist, Task
from kinlens.neighbors.workers import WORKERS

LEAST_DIM = 32
_LEAST_ROWS_PER_NEIGHBOR = 16
_SHARE = 64
"""One in so many rows may be left of a query: to look closer costs less than a finer screen."""
_ALONE = 8
_SHARE_ALONE = 8
"""The same of queries so few that a finer screen reads the vectors for them alone."""


class Int8Kernel:
    """Codes of one byte, products by NumKong, the bound of `coding`."""

    name = "int8"
    queries_per_pass = PASS

    def missing(self) -> str:
        """NumKong, where it doesn't suit the CPU."""
        return products.missing()

    def is_usable_for(self, task: Task) -> bool:
        """Needs NumKong with code for this CPU, and rows and dimensions enough to be worth it."""
        return (
            task.dim >= LEAST_DIM
            and task.living >= _LEAST_ROWS_PER_NEIGHBOR * task.k
            and bounds.in_range(task)
            and products.is_fast()
        )

    def screen(self, task: Task) -> Screen:
        """What estimates keys and bounds their errors, for a task it is usable for."""
        return _Screen(task)

    def shortlist(self, task: Task) -> Shortlist:
        """See `Kernel`."""
        alone = len(task.queries) <= _ALONE
        most = max(256 + 4 * task.k, task.living // (_SHARE_ALONE if alone else _SHARE))
        return Sieve(task, self.screen(task), most).shortlist()


@dataclass(frozen=True, eq=False)
class Coded:
    """The queries about a center.

    Parameters
    ----------
    center : m
    codes : int8 (q, dim)
    scale : float64 (q,)
    residual : float64 (q,), |p - p'| with p = query - center and p' = scale * codes
    length : float64 (q,), |p'|
    square : float64 (q,), |p|^2
    along : float64 (q,), query.center
    """

    center: Center
    codes: npt.NDArray[np.int8]
    scale: Doubles
    residual: Doubles
    length: Doubles
    square: Doubles
    along: Doubles

    @staticmethod
    def about(center: Center, queries: Doubles) -> Coded:
        """Code queries, float64 (q, dim)."""
        shifted = queries - center.vector
        scale = np.maximum(np.abs(shifted).max(axis=1) / 127, TINY)
        codes = np.rint(shifted / scale[:, np.newaxis])
        rounded = codes * scale[:, np.newaxis]
        return Coded(
            center=center,
            codes=codes.astype(np.int8),
            scale=scale,
            residual=bounds.lengths(shifted - rounded),
            length=bounds.lengths(rounded),
            square=np.einsum("ij,ij->i", shifted, shifted),
            along=queries @ center.vector.astype(np.float64),
        )

    @cached_property
    def weight(self) -> Floats:
        """Minus the scale, float32 (q, 1)."""
        return -self.scale.astype(np.float32)[:, np.newaxis]

    @cached_property
    def product_bound(self) -> Bound:
        """Of the key - p.c - m.c - q.m, which is minus the product of query and vector."""
        along = self.center.norm * (sum_error(self.codes.shape[1]) + SLIP)
        return Bound(
            far=self.length,
            near=self.residual + self._rounded() + along,
            fixed=WIDE_SLIP * (np.sqrt(self.square) + self.center.norm) * self.center.norm + TINY,
        )

    @cached_property
    def squared_bound(self) -> Bound:
        """Of the key |c|^2 - 2 p.c + |p|^2, the squared distance."""
        return Bound(
            far=2 * self.length,
            near=2 * (self.residual + self._rounded()),
            curve=sum_error(self.codes.shape[1]) + SLIP,
            fixed=WIDE_SLIP * self.square + TINY,
        )

    def _rounded(self) -> Doubles:
        """What float32 rounds of a product p'.c', for each unit of |c|."""
        return SLIP * (self.length + self.residual)


class _Screen:
    def __init__(self, task: Task) -> None:
        self._queries = bounds.wide_queries(task)
        self._metric = task.metric
        self._coded: dict[Center, Coded] = {}

    @property
    def threads(self) -> int:
        return WORKERS.threads

    @property
    def step(self) -> int:
        return PACK

    def view(self, chunk: Chunk) -> View:
        center = chunk.codes.center
        if center not in self._coded:
            self._coded[center] = Coded.about(center, self._queries)
        coded = self._coded[center]
        if self._metric in {"euclidean", "sqeuclidean"}:
            return _squared(chunk, coded)
        return _product(chunk, coded) if self._metric == "inner" else _cosine(chunk, coded)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """See `sieve.View`.

    key = weight * scale * product + offset, plus or minus base; where `inverse` is given, `along`
    is taken from it and it is divided by the norm.
    """

    codes: Codes
    queries: npt.NDArray[np.int8]
    weight: Floats
    base: Floats
    combine: np.ufunc
    offset: Doubles
    bound: Bound
    slack: Doubles
    along: Floats | None = None
    inverse: Floats | None = None

    def estimates(self, start: int, stop: int, desk: Desk) -> Floats:
        span = slice(start, stop)
        found = self._products(span, desk)
        found *= self.weight
        self.combine(found, self.base[span], out=found)
        if self.along is not None and self.inverse is not None:
            found -= self.along
            found *= self.inverse[span]
        return found

    def _products(self, span: slice, desk: Desk) -> Floats:
        scale = self.codes.scale[span]
        if len(self.queries) == 1:
            single = desk.products.single(self.queries, self.codes.codes[span])
            return np.multiply(single, scale, out=single)
        packed = self.codes.packed.get(self.codes.codes, span.start, span.stop)
        whole = desk.products.many(self.queries, packed)
        found = desk.floats(len(whole), len(scale))
        return np.multiply(whole, scale, out=found, dtype=np.float32, casting="unsafe")

    def errors(self, query: Positions, slot: Positions) -> Doubles:
        reach = bounds.reach(self.codes.square[slot], self.queries.shape[1])
        inverse = None if self.inverse is None else self.inverse[slot]
        return self.bound.of(query, self.codes.residual[slot], reach, inverse)


def _squared(chunk: Chunk, coded: Coded) -> View:
    """Key: the squared distance."""
    bound, reach = coded.squared_bound, bounds.peak_reach(chunk, coded.codes.shape[1])
    return _View(
        codes=chunk.codes,
        queries=coded.codes,
        weight=2 * coded.weight,
        base=chunk.codes.square,
        combine=np.add,
        offset=coded.square,
        bound=bound,
        slack=bound.most(chunk.peaks.residual, reach),
    )


def _product(chunk: Chunk, coded: Coded, ratio: float = 0.0) -> View:
    """Key: minus the product of query and vector."""
    bound, reach = coded.product_bound, bounds.peak_reach(chunk, coded.codes.shape[1])
    if ratio:
        bound = replace(bound, ratio=ratio)
    return _View(
        codes=chunk.codes,
        queries=coded.codes,
        weight=coded.weight,
        base=chunk.codes.along,
        combine=np.subtract,
        offset=-coded.along,
        bound=bound,
        slack=bound.most(chunk.peaks.residual, reach),
    )


def _cosine(chunk: Chunk, coded: Coded) -> View:
    """Key: minus the cosine; where all norms are about 1, that is minus the product."""
    dim, codes = coded.codes.shape[1], chunk.codes
    ratio = 2 * sum_error(dim) + SLIP
    away = bounds.unit_error(chunk)
    if away < 1:
        return _product(chunk, coded, ratio + away)
    bound = coded.product_bound
    fixed = bound.fixed + SLIP * codes.center.norm
    bound = replace(bound, fixed=fixed, ratio=ratio)
    used, inverse = slice(0, chunk.count), bounds.inverse(codes.norm[: chunk.count])
    reach = bounds.reach(codes.square[used], dim)
    return _View(
        codes=codes,
        queries=coded.codes,
        weight=coded.weight,
        base=codes.along,
        combine=np.subtract,
        offset=np.zeros(len(coded.codes)),
        bound=bound,
        slack=bound.most_divided(codes.residual[used], reach, inverse),
        along=coded.along.astype(np.float32)[:, np.newaxis],
        inverse=inverse,
    )
