"""Exact nearest neighbors: low precision screens, full precision decides, a bound proves it."""

from kinlens.neighbors.estimator import NearestNeighbors
from kinlens.neighbors.index import ExactIndex
from kinlens.neighbors.result import NeighborMetric, Neighbors, Within
from kinlens.neighbors.saving import save_neighbors
from kinlens.neighbors.streaming import stream_neighbors

__all__ = [
    "ExactIndex",
    "NearestNeighbors",
    "NeighborMetric",
    "Neighbors",
    "Within",
    "save_neighbors",
    "stream_neighbors",
]
