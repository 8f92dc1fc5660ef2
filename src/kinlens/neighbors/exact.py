"""Distances in float64: what decides, and what tests compare with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.desk import Desk, at_desk
from kinlens.neighbors.result import Distances, NeighborMetric, Rows
from kinlens.neighbors.scaling import Doubles, balanced, exponents_of, lowered, raised
from kinlens.types import Vectors

_PART = 1 << 17
"""Numbers worked on at once, so that the float64 copies stay in the cache."""


def distances(vectors: Vectors, queries: Vectors, metric: NeighborMetric) -> Distances:
    """Distance of each vector to a query.

    Each row is summed on its own in a fixed order, so equal vectors have equal distances wherever
    they stand. The cosine with a zero vector counts as 0.

    Parameters
    ----------
    vectors : float32 (n, dim)
    queries : float32 (dim,), or (m, dim) where each is for n / m vectors that follow one another

    Returns
    -------
    distances : float64 (n,), in the terms of `Neighbors.distances`
    """
    count, dim = vectors.shape
    queries = queries.reshape(-1, dim)
    times = count // max(1, len(queries))
    found = np.empty(count)
    with at_desk() as desk:
        for part in _parts(count, times, max(1, _PART // dim)):
            asked = queries[part.start // times : -(-part.stop // times)]
            wide = _widened(vectors[part], desk, "vectors").reshape(len(asked), -1, dim)
            each = _widened(asked, desk, "queries")[:, np.newaxis]
            found[part] = _distances(wide, each, metric, desk).ravel()
    return found


def _parts(count: int, times: int, most: int) -> Iterator[slice]:
    """At most so many vectors each: some of those of one query, or all of several queries."""
    if times > most:
        for begin in range(0, count, times):
            for first in range(begin, begin + times, most):
                yield slice(first, min(first + most, begin + times))
    elif count:
        whole = most // times * times
        for first in range(0, count, whole):
            yield slice(first, min(first + whole, count))


def _widened(numbers: Vectors, desk: Desk, purpose: str) -> Doubles:
    wide = desk.array(purpose, numbers.shape, np.float64)
    np.copyto(wide, numbers)
    return wide


def wide_distances(vectors: Doubles, queries: Doubles, metric: NeighborMetric) -> Distances:
    """The same for float64 (n, dim) and (n, dim), to the last bit.

    Nothing on the way leaves float64: only a distance that does itself is infinite, or zero.
    """
    if metric == "cosine":
        return _distances(balanced(vectors), balanced(queries), metric, Desk())
    if metric == "inner":
        exponents = exponents_of(vectors), exponents_of(queries)
        scaled = lowered(vectors, exponents[0]), lowered(queries, exponents[1])
        return raised(_distances(*scaled, metric, Desk()), exponents[0] + exponents[1])
    with np.errstate(over="ignore"):
        apart = vectors - queries
    exponent = exponents_of(apart)
    found = _distances(lowered(apart, exponent), np.zeros(apart.shape[1]), metric, Desk())
    return raised(found, exponent if metric == "euclidean" else 2 * exponent)


def _distances(vectors: Doubles, queries: Doubles, metric: NeighborMetric, desk: Desk) -> Distances:
    """Of float64 (..., dim), which both are written to."""
    if metric in {"euclidean", "sqeuclidean"}:
        vectors -= queries
        squares = _squares(vectors)
        return np.sqrt(squares) if metric == "euclidean" else squares
    room = desk.array("products", vectors.shape, np.float64)
    products: Distances = np.multiply(vectors, queries, out=room).sum(axis=-1)
    if metric == "inner":
        return 0.0 - products  # unlike -products, never a negative zero
    norms = np.sqrt(_squares(vectors)) * np.sqrt(_squares(queries))
    similarity = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    distance: Distances = np.clip(1.0 - similarity, 0.0, 2.0)
    return distance


def _squares(vectors: Doubles) -> Doubles:
    """Sums of squares of rows, which are written to."""
    squares: Doubles = np.square(vectors, out=vectors).sum(axis=-1)
    return squares


def nearest(found: Distances, rows: Rows, k: int) -> npt.NDArray[np.intp]:
    """Positions of the k least distances, ascending, ties by the lower row; all if k is more."""
    near = np.arange(len(found))
    if k < len(found):
        near = np.flatnonzero(found <= np.partition(found, k - 1)[k - 1])
    return near[np.lexsort((rows[near], found[near]))[:k]]
