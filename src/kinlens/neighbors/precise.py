"""Exact neighbors among float64 vectors: float32 screens, float64 decides.

Vectors and queries that float32 holds exactly are searched by `ExactIndex` alone; for all others
`widening` looks again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from kinlens.neighbors import checks
from kinlens.neighbors.all_pairs import search_all
from kinlens.neighbors.index import ExactIndex
from kinlens.neighbors.margins import Rounding
from kinlens.neighbors.result import (
    Distances,
    NeighborMetric,
    Neighbors,
    Rows,
    Within,
    chained,
    stacked,
)
from kinlens.neighbors.scaling import Doubles, lengths
from kinlens.neighbors.widening import Look, Real

_BLOCK_NUMBERS = 1 << 23
_LEAST_BLOCK = 4096
"""Vectors that sketches can learn from."""
_QUERIES = 1024


class PreciseIndex:
    """Vectors that don't change, searched as float64 would.

    Safe to use from many threads.

    Parameters
    ----------
    vectors : float32 or float64 (n, dim), finite, n and dim from 1 up. They are copied: as float32
        where that holds them exactly, else as float64 with images in float32 beside
    metric : see `Neighbors.distances`; distances are computed in float64 from what was given
    kernel : as for `ExactIndex`

    Raises
    ------
    InvalidInput : no such metric or kernel
    """

    def __init__(self, vectors: Real, metric: NeighborMetric, kernel: str | None = None) -> None:
        self.metric = checks.as_metric(metric)
        self.dim = vectors.shape[1]
        self.kernel = kernel
        self._index = ExactIndex(vectors.shape[1], kernel=kernel)
        self._wide: Doubles | None = None
        if is_float32(vectors):
            self._rounding = self._filled(vectors)
        else:
            self._wide = np.array(vectors, np.float64, order="C")
            self._rounding = self._filled_with_images(self._wide)

    def __len__(self) -> int:
        return len(self._index)

    def __getstate__(self) -> dict[str, Any]:
        """The vectors; what belongs to them is made again."""
        vectors = self.vectors(slice(0, len(self)))
        return {"vectors": vectors, "metric": self.metric, "kernel": self.kernel}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the vectors and all that belongs to them take."""
        return self._index.nbytes + (0 if self._wide is None else self._wide.nbytes)

    def vectors(self, rows: Rows | slice) -> Real:
        """The vectors of rows, float32 or float64, as they are kept."""
        if self._wide is not None:
            return self._wide[rows]
        if isinstance(rows, slice):
            rows = np.arange(len(self))[rows]
        return self._index.vectors(rows)

    def search(self, queries: Real, k: int) -> Neighbors:
        """The k nearest rows of each query.

        Parameters
        ----------
        queries : float32 or float64 (q, dim), finite
        k : from 0 up; more than n give n
        """
        if self._is_exact(queries):
            return self._index.search(queries, k, metric=self.metric)
        return stacked([look.nearest(min(k, len(self))) for look in self._looks(queries)])

    def search_all(self, k: int) -> Iterator[Neighbors]:
        """What `search` finds for the vectors themselves, in runs of rows, one after the other."""
        if self._wide is None:
            yield from search_all(self._index, k, metric=self.metric)
        else:
            for vectors in _blocks(self._wide):
                yield self.search(vectors, k)

    def within(self, queries: Real, radius: npt.ArrayLike) -> Within:
        """All rows within a radius of each query, the radius included.

        Parameters
        ----------
        queries : float32 or float64 (q, dim), finite
        radius : not NaN, in the terms of the metric: one for all, or (q,), one for each query
        """
        if self._is_exact(queries):
            return self._index.within(queries, radius, metric=self.metric)
        limits = checks.as_radius(radius, len(queries))
        parts = zip(self._looks(queries), _runs(limits, _QUERIES), strict=True)
        return chained([look.within(part) for look, part in parts])

    def _is_exact(self, queries: Real) -> bool:
        return self._wide is None and is_float32(queries)

    def _looks(self, queries: Real) -> Iterator[Look]:
        for start in range(0, max(1, len(queries)), _QUERIES):
            part = queries[start : start + _QUERIES].astype(np.float64)
            yield Look(self._index, self.vectors, self._rounding, part)

    def _filled(self, vectors: Real) -> Rounding:
        reach = 0.0
        for block in _blocks(vectors):
            self._index.append(block)
            if self.metric == "inner":
                reach = max(reach, float(lengths(block.astype(np.float64)).max()))
        return Rounding.none(vectors.shape[1], reach, self.metric)

    def _filled_with_images(self, vectors: Doubles) -> Rounding:
        rounding = Rounding.of(vectors, self.metric)
        residuals, reaches = [], []
        for block in _blocks(vectors):
            images, residual, reach = rounding.rounded(block.astype(np.float64))
            self._index.append(images)
            residuals.append(residual)
            reaches.append(reach)
        return replace(rounding, residual=max(residuals), reach=max(reaches))


def _runs(values: Distances, step: int) -> Iterator[Distances]:
    for start in range(0, max(1, len(values)), step):
        yield values[start : start + step]


def is_float32(vectors: Real) -> bool:
    """Whether float32 holds each of the numbers exactly."""
    if vectors.dtype == np.float32:
        return True
    with np.errstate(over="ignore"):
        return all((block.astype(np.float32) == block).all() for block in _blocks(vectors))


def _blocks(vectors: Real) -> Iterator[Real]:
    step = max(_LEAST_BLOCK, _BLOCK_NUMBERS // vectors.shape[1])
    for start in range(0, len(vectors), step):
        yield vectors[start : start + step]
