"""Finds the neighbors in a snapshot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinlens.neighbors import exact
from kinlens.neighbors.result import Distances, Mask, NeighborMetric, Neighbors, Rows
from kinlens.neighbors.storage import Snapshot
from kinlens.types import Vectors


@dataclass(frozen=True, slots=True)
class Request:
    """What is searched for, checked: see `ExactIndex.search`."""

    queries: Vectors
    k: int
    metric: NeighborMetric
    mask: Mask | None


def search(snapshot: Snapshot, request: Request) -> Neighbors:
    """The k nearest living rows that the mask lets through, for each query."""
    found = [_one(snapshot, query, request) for query in request.queries]
    width = len(found[0][0]) if found else 0
    distances = np.array([one[0] for one in found]).reshape(len(found), width)
    rows = np.array([one[1] for one in found], np.int64).reshape(len(found), width)
    return Neighbors(distances, rows, True, "float64", snapshot.living * len(found))


def _one(snapshot: Snapshot, query: Vectors, request: Request) -> tuple[Distances, Rows]:
    distances, rows = np.empty(0), np.empty(0, np.int64)
    for chunk in snapshot.chunks:
        slots = np.flatnonzero(chunk.passing(request.mask))
        found = exact.distances(chunk.vectors[slots], query, request.metric)
        distances = np.append(distances, found)
        rows = np.append(rows, chunk.rows[slots])
        distances, rows = exact.nearest(distances, rows, request.k)
    return distances, rows
