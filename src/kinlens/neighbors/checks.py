"""Turns what callers give into the arrays that the kernels need, or says what is wrong."""

from __future__ import annotations

import operator
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from kinlens.errors import InvalidInput
from kinlens.neighbors.arrays import as_array, as_float64
from kinlens.neighbors.result import NEIGHBOR_METRICS, Distances, Mask, NeighborMetric, Rows
from kinlens.types import Vectors

MAX_DIM = 65_536


def as_dim(dim: SupportsIndex) -> int:
    """A vector length from 1 to 65,536."""
    value = operator.index(dim)
    if not 1 <= value <= MAX_DIM:
        raise InvalidInput(f"dim is the length of a vector, from 1 to {MAX_DIM}; got {dim}.")
    return value


def as_vectors(vectors: npt.ArrayLike, dim: int, what: str = "vectors") -> Vectors:
    """float32 (n, dim), C-contiguous and finite, from any real array; one vector counts as n = 1.

    Raises
    ------
    InvalidInput : not numbers, another dimension, or not finite in float32
    """
    try:
        array = as_array(vectors, what)
    except (TypeError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{what} need real numbers, as many in each row: {error}") from error
    if array.dtype.kind not in "fiub":
        raise InvalidInput(f"{what} need real numbers; got dtype {array.dtype}.")
    if array.ndim == 1 and array.size == dim:
        array = array[np.newaxis]
    if array.ndim != 2 or array.shape[1] != dim:
        raise InvalidInput(f"{what} need the shape (n, {dim}); got {array.shape}.")
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(array, dtype=np.float32)
    _check_finite(narrow, what)
    return narrow


def _check_finite(array: Vectors, what: str) -> None:
    step = max(1, 1 << 18 >> array.shape[1].bit_length())
    for start in range(0, len(array), step):
        part = array[start : start + step]
        # A finite sum proves finite parts at the cost of one pass; an overflow only asks again.
        with np.errstate(over="ignore", invalid="ignore"):
            suspicious = not np.isfinite(part.sum())
        if suspicious and not np.isfinite(part).all():
            row = start + int(np.flatnonzero(~np.isfinite(part).all(axis=1))[0])
            raise InvalidInput(
                f"{what} need finite float32 numbers; row {row} holds NaN, an infinity or a number "
                "beyond float32. Leave it out or mend it."
            )


def as_k(k: SupportsIndex) -> int:
    """How many neighbors are asked for, from 0 up."""
    try:
        value = operator.index(k)
    except TypeError:
        value = -1
    if value < 0 or isinstance(k, bool):
        raise InvalidInput(f"k is how many neighbors to find, a whole number from 0 up; got {k!r}.")
    return value


def as_radius(radius: npt.ArrayLike, queries: int) -> Distances:
    """float64 (queries,), from one number for all or one for each; infinities are fine."""
    try:
        array = as_float64(radius, "The radius")
    except InvalidInput:
        raise
    except (TypeError, ValueError):
        array = np.full((), np.nan)
    if array.shape not in {(), (queries,)} or np.isnan(array).any():
        raise InvalidInput(
            f"The radius is a number, or {queries} of them, one for each query; got {radius!r}."
        )
    return np.broadcast_to(array, (queries,))


def as_metric(metric: str) -> NeighborMetric:
    """A metric that the kernels know."""
    if metric not in NEIGHBOR_METRICS:
        raise InvalidInput(f"The metric is one of {', '.join(NEIGHBOR_METRICS)}; got {metric!r}.")
    return metric


def as_mask(mask: npt.ArrayLike | None, capacity: int) -> Mask | None:
    """Bool (m,) with m <= capacity: which rows may be returned; those past its end may not."""
    if mask is None:
        return None
    array = as_array(mask, "The mask")
    if array.dtype != np.bool_ or array.ndim != 1 or len(array) > capacity:
        raise InvalidInput(
            f"The mask needs dtype bool and shape ({capacity},), one for each row; "
            f"got {array.dtype} {array.shape}."
        )
    return array


def as_rows(rows: npt.ArrayLike, capacity: int) -> Rows:
    """int64 (n,), distinct row numbers below capacity."""
    array = np.atleast_1d(as_array(rows, "Rows"))
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise InvalidInput(
            f"Rows need whole numbers in one dimension; got {array.dtype} {array.shape}."
        )
    if array.min() < 0 or array.max() >= capacity:
        raise InvalidInput(
            f"Rows need numbers from 0 to {capacity - 1}; got {array.min()} to {array.max()}."
        )
    return array.astype(np.int64)
