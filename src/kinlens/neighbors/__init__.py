"""Exact nearest neighbors: low precision screens, full precision decides, a bound proves it.

What is named here is imported when it is first used: one search of a catalog needs no index.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULES = {
    "ExactIndex": "index",
    "NearestNeighbors": "estimator",
    "NeighborMetric": "result",
    "Neighbors": "result",
    "Within": "result",
    "save_neighbors": "saving",
    "stream_neighbors": "streaming",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
