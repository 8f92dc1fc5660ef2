"""Neighbors as a sparse matrix; the only user of SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from kinlens.errors import InvalidInput, MissingDependency
from kinlens.neighbors.result import Distances, Neighbors, Rows, Within

MODES = ("connectivity", "distance")


def check_mode(mode: Any) -> None:
    """Refuse what a graph can't hold."""
    if mode not in MODES:
        raise InvalidInput(
            f'Unsupported mode, must be one of "connectivity", or "distance" but got "{mode}" '
            "instead"
        )


def graph_of(found: Neighbors | Within, columns: int, mode: str) -> Any:
    """CSR (q, columns), float64: 1 or the distance for each neighbor, in order of distance."""
    begins = found.begins if isinstance(found, Within) else _begins(found.rows)
    values = found.distances.ravel() if mode == "distance" else np.ones(found.rows.size)
    return _csr(values, found.rows.ravel(), begins, columns)


def _begins(rows: Rows) -> Rows:
    begins: Rows = np.arange(len(rows) + 1) * rows.shape[1]
    return begins


def _csr(values: Distances, rows: Rows, begins: Rows, columns: int) -> Any:
    try:
        from scipy.sparse import csr_matrix  # noqa: PLC0415  (only where it is used)
    except ImportError as error:
        raise MissingDependency(
            "Graphs of neighbors need SciPy; install it with: pip install 'kinlens[sklearn]'"
        ) from error
    return csr_matrix((values, rows, begins), shape=(len(begins) - 1, columns))
