"""Distances in float64: what decides, and what tests compare with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.result import Distances, NeighborMetric, Rows
from kinlens.types import Vectors

_PART = 1 << 17
"""Numbers worked on at once, so that the float64 copies stay in the cache."""


def distances(
    vectors: Vectors, query: npt.NDArray[np.floating], metric: NeighborMetric
) -> Distances:
    """Distance of each vector to one query.

    Each row is summed on its own in a fixed order, so equal vectors have equal distances wherever
    they stand. The cosine with a zero vector counts as 0.

    Parameters
    ----------
    vectors : float32 (n, dim)
    query : float (dim,)

    Returns
    -------
    distances : float64 (n,), in the terms of `Neighbors.distances`
    """
    wide = query.astype(np.float64)
    step = max(1, _PART // len(wide))
    parts = [
        _distances(vectors[start : start + step].astype(np.float64), wide, metric)
        for start in range(0, len(vectors), step)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _distances(
    vectors: npt.NDArray[np.float64], query: npt.NDArray[np.float64], metric: NeighborMetric
) -> Distances:
    if metric == "inner":
        return 0.0 - (vectors * query).sum(axis=1)  # 0 - x has no negative zero
    if metric == "cosine":
        return _cosine(vectors, query)
    vectors -= query
    squares = np.square(vectors, out=vectors).sum(axis=1)
    return np.asarray(np.sqrt(squares) if metric == "euclidean" else squares)


def _cosine(vectors: npt.NDArray[np.float64], query: npt.NDArray[np.float64]) -> Distances:
    products = (vectors * query).sum(axis=1)
    norms = np.sqrt(np.square(vectors).sum(axis=1)) * np.sqrt(np.square(query).sum())
    similarity = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return np.clip(1.0 - similarity, 0.0, 2.0)


def nearest(found: Distances, rows: Rows, k: int) -> tuple[Distances, Rows]:
    """The k least distances ascending with their rows, ties by the lower row."""
    if k < len(found):
        kth = np.partition(found, k - 1)[k - 1] if k else -np.inf
        near = np.flatnonzero(found <= kth)
        found, rows = found[near], rows[near]
    order = np.lexsort((rows, found))[:k]
    return found[order], rows[order]
