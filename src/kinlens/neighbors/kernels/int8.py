"""Screens with int8 products: a quarter of the bytes, and what matrix units are best at."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kinlens.neighbors import products
from kinlens.neighbors.coding import TINY, Center, Codes, sum_error
from kinlens.neighbors.kernels import bounds
from kinlens.neighbors.kernels.bounds import SLIP, WIDE_SLIP, Bound
from kinlens.neighbors.sieve import Desk, Doubles, Floats, Positions, Sieve, View
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Shortlist, Task
from kinlens.neighbors.workers import WORKERS

_LEAST_DIM = 32
_LEAST_ROWS_PER_NEIGHBOR = 16


class Int8Kernel:
    """Codes of one byte, products by NumKong, the bound of `coding`."""

    name = "int8"

    def is_usable_for(self, task: Task) -> bool:
        """Needs NumKong with code for this CPU, and rows and dimensions enough to be worth it."""
        return (
            task.dim >= _LEAST_DIM
            and task.living >= _LEAST_ROWS_PER_NEIGHBOR * task.k
            and bounds.in_range(task)
            and products.is_fast()
        )

    def shortlist(self, task: Task) -> Shortlist:
        """See `Kernel`."""
        most = max(256 + 4 * task.k, task.living // 64)
        return Sieve(task, _Screen(task), most).shortlist()


@dataclass(frozen=True, slots=True, eq=False)
class _Coded:
    """The queries about a center.

    Parameters
    ----------
    codes : int8 (q, dim)
    scale : float64 (q,)
    residual : float64 (q,), |p - p'| with p = query - center and p' = scale * codes
    length : float64 (q,), |p'|
    square : float64 (q,), |p|^2
    along : float64 (q,), query.center
    """

    codes: npt.NDArray[np.int8]
    scale: Doubles
    residual: Doubles
    length: Doubles
    square: Doubles
    along: Doubles

    @staticmethod
    def about(center: Center, queries: Doubles) -> _Coded:
        """Code queries, float64 (q, dim)."""
        shifted = queries - center.vector
        scale = np.maximum(np.abs(shifted).max(axis=1) / 127, TINY)
        codes = np.rint(shifted / scale[:, np.newaxis])
        rounded = codes * scale[:, np.newaxis]
        return _Coded(
            codes=codes.astype(np.int8),
            scale=scale,
            residual=np.linalg.norm(shifted - rounded, axis=1),
            length=np.linalg.norm(rounded, axis=1),
            square=np.square(shifted).sum(axis=1),
            along=queries @ center.vector.astype(np.float64),
        )

    def rounded(self) -> Doubles:
        """What float32 rounds of a product p'.c', for each unit of |c|."""
        return SLIP * (self.length + self.residual)


class _Screen:
    def __init__(self, task: Task) -> None:
        self._queries = bounds.wide_queries(task)
        self._metric = task.metric
        self._coded: dict[Center, _Coded] = {}

    @property
    def threads(self) -> int:
        return WORKERS.threads

    def view(self, chunk: Chunk) -> View:
        center = chunk.codes.center
        if center not in self._coded:
            self._coded[center] = _Coded.about(center, self._queries)
        coded = self._coded[center]
        if self._metric in {"euclidean", "sqeuclidean"}:
            return _squared(chunk, coded)
        return _product(chunk, coded) if self._metric == "inner" else _cosine(chunk, coded)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """See `sieve.View`.

    key = weight * scale * product + offset, plus or minus base; where `inverse` is given, `along` is taken from
    it and it is divided by the norm.
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
        found *= self.weight[:, np.newaxis]
        self.combine(found, self.base[span], out=found)
        if self.along is not None and self.inverse is not None:
            found -= self.along[:, np.newaxis]
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


def _squared(chunk: Chunk, coded: _Coded) -> View:
    """Key: |c|^2 - 2 p.c + |p|^2, the squared distance."""
    dim = coded.codes.shape[1]
    bound = Bound(
        far=2 * coded.length,
        near=2 * (coded.residual + coded.rounded()),
        curve=sum_error(dim) + SLIP,
        fixed=WIDE_SLIP * coded.square + TINY,
    )
    return _View(
        codes=chunk.codes,
        queries=coded.codes,
        weight=(-2 * coded.scale).astype(np.float32),
        base=chunk.codes.square,
        combine=np.add,
        offset=coded.square,
        bound=bound,
        slack=bound.largest(chunk.peaks.residual, bounds.reach(chunk.peaks.square, dim)),
    )


def _product_bound(coded: _Coded, center: Center) -> Bound:
    """For - p.c - m.c - q.m, which is minus the product of query and vector."""
    along = center.norm * (sum_error(coded.codes.shape[1]) + SLIP)
    return Bound(
        far=coded.length,
        near=coded.residual + coded.rounded() + along,
        fixed=WIDE_SLIP * (np.sqrt(coded.square) + center.norm) * center.norm + TINY,
    )


def _product(chunk: Chunk, coded: _Coded, more: float = 0.0) -> View:
    """Key: minus the product of query and vector."""
    bound = _product_bound(coded, chunk.codes.center)
    bound = replace(bound, fixed=bound.fixed + more)
    reach = bounds.reach(chunk.peaks.square, coded.codes.shape[1])
    return _View(
        codes=chunk.codes,
        queries=coded.codes,
        weight=(-coded.scale).astype(np.float32),
        base=chunk.codes.along,
        combine=np.subtract,
        offset=-coded.along,
        bound=bound,
        slack=bound.largest(chunk.peaks.residual, reach),
    )


def _cosine(chunk: Chunk, coded: _Coded) -> View:
    """Key: minus the cosine; where all norms are about 1, that is minus the product."""
    dim, codes = coded.codes.shape[1], chunk.codes
    away = bounds.unit_error(chunk)
    if away < 1:
        return _product(chunk, coded, more=away + sum_error(dim) + SLIP)
    used, inverse = slice(0, chunk.count), bounds.inverse(codes.norm[: chunk.count])
    bound = _product_bound(coded, codes.center)
    bound = replace(
        bound, fixed=bound.fixed + SLIP * codes.center.norm, ratio=2 * sum_error(dim) + SLIP
    )
    reach = bounds.reach(codes.square[used], dim)
    return _View(
        codes=codes,
        queries=coded.codes,
        weight=(-coded.scale).astype(np.float32),
        base=codes.along,
        combine=np.subtract,
        offset=np.zeros(len(coded.codes)),
        bound=bound,
        slack=bound.largest(codes.residual[used], reach, inverse),
        along=coded.along.astype(np.float32),
        inverse=inverse,
    )
