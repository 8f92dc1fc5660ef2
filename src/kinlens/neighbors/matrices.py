"""Products of matrices in the threads of `workers`, and bases made with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from kinlens.neighbors import blas
from kinlens.neighbors.workers import WORKERS

Number = TypeVar("Number", np.float32, np.float64)

_WORTH_A_THREAD = 1 << 24
"""Multiplications."""
_LEAST_SHARE = 1e-10
"""Of the largest eigenvalue of Y'Y, at which float64 still tells its vector from the others."""


def product(left: npt.NDArray[Number], right: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """The product left @ right, (n, m) of (n, d) and (d, m); the rows are shared out to threads."""
    parts = min(WORKERS.at_hand, 1 + left.size * right.shape[1] // _WORTH_A_THREAD)
    found: npt.NDArray[Number] = np.empty((len(left), right.shape[1]), left.dtype)
    ends = np.linspace(0, len(left), parts + 1).astype(int).tolist()

    def work(turns: Iterator[int]) -> None:
        for turn in turns:
            rows = slice(ends[turn], ends[turn + 1])
            np.matmul(left[rows], right, out=found[rows])

    with blas.limited(1):
        WORKERS.share(range(parts), work, most=WORKERS.multiplying)
    return found


def orthonormal(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """An orthonormal basis, but for rounding, of the span of columns.

    By the eigenvectors of Y'Y in float64: for long columns a fraction of the time of a QR
    decomposition, which takes over where columns are nearly dependent.

    Parameters
    ----------
    vectors : float32 (d, m), d at least m

    Returns
    -------
    basis : float32 (d, m)
    """
    wide: npt.NDArray[Any] = vectors.astype(np.float64)
    values, turn = np.linalg.eigh(product(wide.T, wide))
    if not values[0] > _LEAST_SHARE * values[-1]:
        return np.linalg.qr(vectors)[0]
    return product(wide, turn / np.sqrt(values)).astype(np.float32)
