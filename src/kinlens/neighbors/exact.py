"""Distances in float64: what decides, and what tests compare with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
    queries : float32 (dim,), or (n, dim) with one for each vector

    Returns
    -------
    distances : float64 (n,), in the terms of `Neighbors.distances`
    """
    step = max(1, _PART // vectors.shape[1])
    found = np.empty(len(vectors))
    for start in range(0, len(vectors), step):
        part = slice(start, start + step)
        query = queries if queries.ndim == 1 else queries[part]
        wide = vectors[part].astype(np.float64)
        found[part] = _distances(wide, query.astype(np.float64), metric)
    return found


def wide_distances(vectors: Doubles, queries: Doubles, metric: NeighborMetric) -> Distances:
    """The same for float64 (n, dim) and (n, dim), to the last bit.

    Nothing on the way leaves float64: only a distance that does itself is infinite, or zero.
    """
    if metric == "cosine":
        return _cosine(balanced(vectors), balanced(queries))
    if metric == "inner":
        exponents = exponents_of(vectors), exponents_of(queries)
        scaled = lowered(vectors, exponents[0]), lowered(queries, exponents[1])
        return raised(_distances(*scaled, metric), exponents[0] + exponents[1])
    with np.errstate(over="ignore"):
        apart = vectors - queries
    exponent = exponents_of(apart)
    found = _distances(lowered(apart, exponent), np.zeros(apart.shape[1]), metric)
    return raised(found, exponent if metric == "euclidean" else 2 * exponent)


def _distances(
    vectors: npt.NDArray[np.float64], queries: npt.NDArray[np.float64], metric: NeighborMetric
) -> Distances:
    if metric == "inner":
        product: Distances = (vectors * queries).sum(axis=1)
        return 0.0 - product  # unlike -product, never a negative zero
    if metric == "cosine":
        return _cosine(vectors, queries)
    vectors -= queries
    squares: Distances = np.square(vectors, out=vectors).sum(axis=1)
    return np.sqrt(squares) if metric == "euclidean" else squares


def _cosine(vectors: npt.NDArray[np.float64], queries: npt.NDArray[np.float64]) -> Distances:
    products = (vectors * queries).sum(axis=1)
    norms = np.sqrt(np.square(vectors).sum(axis=1)) * np.sqrt(np.square(queries).sum(axis=-1))
    similarity = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    distance: Distances = np.clip(1.0 - similarity, 0.0, 2.0)
    return distance


def nearest(found: Distances, rows: Rows, k: int) -> npt.NDArray[np.intp]:
    """Positions of the k least distances, ascending, ties by the lower row; all if k is more."""
    near = np.arange(len(found))
    if k < len(found):
        near = np.flatnonzero(found <= np.partition(found, k - 1)[k - 1])
    return near[np.lexsort((rows[near], found[near]))[:k]]
