"""Error bounds and checks that the screening kernels share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.coding import LARGEST, TINY, sum_error
from kinlens.neighbors.sieve import Doubles, Floats, Positions
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Task

SLIP = 2.0**-19
"""More than the few roundings, each 2^-24 of the largest term, that make an estimate."""
WIDE_SLIP = 2.0**-36
"""More than what float64 rounds in sums of up to 65,536 terms."""
_UNIT = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """Error of a key: far * residual + near * reach + curve * reach^2 + fixed.

    Where keys are divided by the norm so is all of this, and `ratio` is added.

    Parameters
    ----------
    far, near, fixed : float64 (q,)
    curve, ratio : the same for all queries
    """

    far: Doubles
    near: Doubles
    fixed: Doubles
    curve: float = 0.0
    ratio: float = 0.0

    def of(
        self,
        query: Positions,
        residual: Floats | Doubles,
        reach: Doubles,
        inverse: Floats | None = None,
    ) -> Doubles:
        """The bound for pairs of a query and a slot, of which the norms are given."""
        error = self.far[query] * residual + self.near[query] * reach
        error += self.curve * np.square(reach) + self.fixed[query]
        if inverse is not None:
            error = error * inverse + self.ratio
        return error

    def largest(
        self,
        residual: Floats | Doubles | float,
        reach: Doubles | float,
        inverse: Floats | None = None,
    ) -> Doubles:
        """float64 (q,), above the bound for every slot: norms are given for all, or the largest."""
        if inverse is None:
            residual, reach = np.max(residual), np.max(reach)
            return self.far * residual + self.near * reach + self.curve * reach**2 + self.fixed
        wide = inverse.astype(np.float64)
        far, near = self.far * np.max(residual * wide), self.near * np.max(reach * wide)
        return far + near + self.fixed * np.max(wide) + self.ratio


def reach(square: npt.ArrayLike, dim: int) -> Doubles:
    """At least the norm, from a float32 square of the norm."""
    length: Doubles = np.sqrt(np.asarray(square, np.float64)) * (1 + sum_error(dim)) + TINY
    return length


def inverse(norms: Floats) -> Floats:
    """1 / norm, and 0 for a norm of 0."""
    return np.divide(np.float32(1), norms, where=norms > 0, out=np.zeros_like(norms))


def unit_error(chunk: Chunk) -> float:
    """How far norms are from 1; infinity where that is too far to count as 1."""
    away = max(chunk.peaks.most - 1, 1 - chunk.peaks.least)
    return 1.01 * away if away <= _UNIT else np.inf


def wide_queries(task: Task) -> Doubles:
    """float64 (q, dim), for a cosine of unit length where not zero."""
    queries = task.queries.astype(np.float64)
    if task.metric == "cosine":
        norms = np.linalg.norm(queries, axis=1, keepdims=True)
        queries = np.divide(queries, norms, where=norms > 0, out=np.zeros_like(queries))
    return queries


def in_range(task: Task) -> bool:
    """Whether no square or product of norms leaves float32."""
    largest = max(max(chunk.peaks.most, chunk.codes.center.norm) for chunk in task.chunks)
    return largest <= LARGEST and float(np.abs(task.queries).max()) <= LARGEST / task.dim**0.5
