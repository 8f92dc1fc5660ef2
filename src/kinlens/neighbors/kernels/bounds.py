"""Error bounds and checks that the screening kernels share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinlens.neighbors.coding import LARGEST, TINY_LENGTH, sum_error
from kinlens.neighbors.sieve import Doubles, Floats, Positions
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Task

SLIP = 2.0**-19
"""More than the few roundings, each 2^-24 of the largest term, that make an estimate."""
WIDE_SLIP = 2.0**-36
"""More than what float64 rounds in sums of up to 65,536 terms."""
DENORMAL = 1e-42
"""More than what float32 loses of the length of a query whose numbers are denormal."""
_UNIT = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """Error of a key: far * residual + near * reach + curve * reach^2 + fixed + ratio.

    Where keys are divided by the norm, so is all of this but the ratio.

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
        return (error if inverse is None else error * inverse) + self.ratio

    def most(self, residual: float, reach: float) -> Doubles:
        """float64 (q,), above the bound for slots whose norms are at most these."""
        common = self.curve * reach * reach + self.ratio
        return self.far * residual + self.near * reach + self.fixed + common

    def most_divided(
        self, residual: Floats | Doubles, reach: Doubles | float, inverse: Floats
    ) -> Doubles:
        """The same where keys are divided by the norm; norms are given for all slots."""
        wide = inverse.astype(np.float64)
        far, near = float(np.max(residual * wide)), float(np.max(reach * wide))
        return self.far * far + self.near * near + self.fixed * float(wide.max()) + self.ratio


def reach(square: Floats, dim: int) -> Doubles:
    """At least the norms, from float32 squares of them."""
    lengths: Doubles = np.sqrt(square, dtype=np.float64) * (1 + sum_error(dim))
    return lengths + TINY_LENGTH


def peak_reach(chunk: Chunk, dim: int) -> float:
    """At least the norm of any vector of the chunk about its center."""
    return math.sqrt(chunk.peaks.square) * (1 + sum_error(dim)) + TINY_LENGTH


def inverse(norms: Floats) -> Floats:
    """1 / norm, and 0 for a norm of 0."""
    return np.divide(np.float32(1), norms, where=norms > 0, out=np.zeros_like(norms))


def unit_error(chunk: Chunk) -> float:
    """How far norms are from 1; infinity where that is too far to count as 1."""
    away = max(chunk.peaks.most - 1, 1 - chunk.peaks.least)
    return 1.01 * away if away <= _UNIT else np.inf


def lengths(vectors: Doubles) -> Doubles:
    """float64 (n,), within what `WIDE_SLIP` allows for."""
    found: Doubles = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return found


def wide_queries(task: Task) -> Doubles:
    """float64 (q, dim), for a cosine of unit length where not zero."""
    queries = task.queries.astype(np.float64)
    if task.metric == "cosine":
        norms = np.linalg.norm(queries, axis=1, keepdims=True)
        queries = np.divide(queries, norms, where=norms > 0, out=np.zeros_like(queries))
    return queries


def in_range(task: Task) -> bool:
    """Whether no square or product of norms leaves float32."""
    return (
        chunks_in_range(task.chunks)
        and float(np.abs(task.queries).max()) <= LARGEST / task.dim**0.5
    )


def chunks_in_range(chunks: Sequence[Chunk]) -> bool:
    """The same of the vectors alone."""
    largest = max(max(chunk.peaks.most, chunk.codes.center.norm) for chunk in chunks)
    return largest <= LARGEST
