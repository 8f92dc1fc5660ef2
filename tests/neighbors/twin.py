"""The slow, obvious search, and a comparison of neighbors that forgives ties and nothing else."""

from __future__ import annotations

import numpy as np

from kinlens.neighbors import Neighbors, products

BEGINNERS = [None, "few"] if products.is_fast() else [None]
"""float64 begins by itself where there is little to look at; so another is named too."""


def all_distances(data: np.ndarray, queries: np.ndarray, metric: str) -> np.ndarray:
    """float64 (q, n), by the textbook."""
    data, queries = data.astype(np.float64), queries.astype(np.float64)
    if metric == "inner":
        return -(queries @ data.T)
    if metric == "cosine":
        norms = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(data, axis=1)
        products = queries @ data.T
        return 1 - np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    squares = np.array([np.square(data - query).sum(axis=1) for query in queries])
    squares = squares.reshape(len(queries), len(data))
    return np.sqrt(squares) if metric == "euclidean" else squares


def check_neighbors(
    found: Neighbors,
    data: np.ndarray,
    queries: np.ndarray,
    k: int,
    metric: str,
    allowed: np.ndarray | None = None,
) -> None:
    """Assert that these are the k nearest of the allowed rows."""
    allowed = np.ones(len(data), bool) if allowed is None else allowed
    truth = all_distances(data, queries, metric)
    width = min(k, int(allowed.sum()))
    assert found.rows.shape == found.distances.shape == (len(queries), width)
    assert found.rows.dtype == np.int64
    assert found.distances.dtype == np.float64
    assert found.certified
    scale = _scale(data, queries, metric)
    for query, (distances, rows) in enumerate(zip(found.distances, found.rows, strict=True)):
        _check_one(distances, rows, np.where(allowed, truth[query], np.inf), scale[query])


def _check_one(distances: np.ndarray, rows: np.ndarray, truth: np.ndarray, scale: float) -> None:
    if not len(rows):
        return
    error = 1e-12 * scale
    assert len(set(rows.tolist())) == len(rows), "a row is found twice"
    assert (np.abs(distances - truth[rows]) <= error).all(), "a distance is wrong"
    assert (np.diff(distances) >= 0).all(), "distances don't ascend"
    tied = np.diff(distances) == 0
    assert (np.diff(rows)[tied] > 0).all(), "a tie isn't by the lower row"
    left_out = np.setdiff1d(np.arange(len(truth)), rows)
    assert (truth[left_out] >= distances[-1] - error).all(), "a nearer row is left out"


def _scale(data: np.ndarray, queries: np.ndarray, metric: str) -> np.ndarray:
    """What rounding of float64 is relative to."""
    reach = np.linalg.norm(data.astype(np.float64), axis=1).max(initial=0)
    lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
    if metric == "cosine":
        return np.ones(len(queries))
    if metric == "euclidean":
        return lengths + reach
    return lengths * reach if metric == "inner" else np.square(lengths + reach)
