"""Keys of pairs of vectors, which rank as distances do, from one float32 product for both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinlens.neighbors.coding import TINY, sum_error
from kinlens.neighbors.desk import Desk
from kinlens.neighbors.kernels import bounds
from kinlens.neighbors.kernels.bounds import SLIP
from kinlens.neighbors.result import NeighborMetric
from kinlens.neighbors.sieve import Doubles, Floats
from kinlens.neighbors.storage import Chunk
from kinlens.types import Vectors

_LEAST_NORM = 1e-9
_ABOVE = 1.01
"""More than what products of the small errors below add to their sum."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some vectors, and what makes keys of their products.

    The key of a vector x of one block and y of another is factor * x.y, plus the squares of both or
    times the inverses of both where these are given, plus what is the same for all pairs; within
    the sum of what is their own.

    Parameters
    ----------
    first : row of the first; the others follow
    vectors : float32 (n, dim)
    factor : the same for all blocks
    own : float64 (n,)
    square, inverse : float32 (n,)
    """

    first: int
    vectors: Vectors
    factor: float
    own: Doubles
    square: Floats | None = None
    inverse: Floats | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def most(self) -> float:
        """The largest error of its own."""
        return float(self.own.max())

    def scaled(self) -> Floats:
        """float32 (n, dim), for `keys`."""
        scaled = self.vectors * np.float32(self.factor)
        if self.inverse is not None:
            scaled *= self.inverse[:, np.newaxis]
        return scaled

    def keys(self, scaled: Floats, other: Block, desk: Desk) -> Floats:
        """float32 (n, m), of all pairs with another block; it lies on the desk."""
        found = desk.floats(len(self), len(other))
        np.matmul(scaled, other.vectors.T, out=found)
        if self.square is not None and other.square is not None:
            found += other.square
            found += self.square[:, np.newaxis]
        if other.inverse is not None:
            found *= other.inverse
        return found


@dataclass(frozen=True, slots=True)
class Terms:
    """What keys are made of, for all vectors of some chunks.

    Norms are known within `sum_error` of themselves, which the errors here contain.

    Parameters
    ----------
    factor : of products
    shift : added to all keys, but not by `Block.keys`
    error : the same for all pairs, half of it
    per_square : the same, for each unit of the square of either
    squares, divides : whether squares are added, and whether inverses are multiplied with
    """

    factor: float
    shift: float = 0.0
    error: float = 0.0
    per_square: float = 0.0
    squares: bool = False
    divides: bool = False

    @staticmethod
    def hold_for(chunks: Sequence[Chunk], metric: NeighborMetric) -> bool:
        """Whether no number leaves float32."""
        least = min(chunk.peaks.least for chunk in chunks)
        return bounds.chunks_in_range(chunks) and (metric != "cosine" or least > _LEAST_NORM)

    @staticmethod
    def of(chunks: Sequence[Chunk], metric: NeighborMetric) -> Terms:
        """The cheapest: vectors of about length 1 need neither squares nor inverses."""
        dim = chunks[0].vectors.shape[1]
        # A product has an error below this, relative to the product of the norms; and that is at
        # most half the sum of the squares.
        error = sum_error(dim) + SLIP
        away = max(map(bounds.unit_error, chunks)) + sum_error(dim)
        if metric == "inner":
            return Terms(-1.0, per_square=_ABOVE * error / 2)
        if metric == "cosine":
            if away < 1:
                return Terms(-1.0, error=_ABOVE * (error / 2 + away))
            return Terms(-1.0, error=_ABOVE * (error / 2 + 2 * error), divides=True)
        if away < 1:
            return Terms(-2.0, shift=2.0, error=_ABOVE * (error + 2 * away))
        return Terms(-2.0, per_square=_ABOVE * (error + 3 * error), squares=True)

    def block(self, chunk: Chunk, start: int, stop: int, first: int) -> Block:
        """Some slots of a chunk.

        Parameters
        ----------
        first : row of the chunk's first slot
        """
        part = slice(start, stop)
        return self._block(first + start, chunk.vectors[part], chunk.codes.norm[part])

    def sample(self, blocks: Sequence[Block], count: int) -> Block:
        """About so many vectors, from everywhere."""
        rows = sum(map(len, blocks))
        step = max(1, rows // count)
        parts = [(block, slice(-block.first % step, None, step)) for block in blocks]
        return Block(
            first=0,
            vectors=np.concatenate([block.vectors[some] for block, some in parts]),
            factor=self.factor,
            own=np.concatenate([block.own[some] for block, some in parts]),
            square=_joined([block.square for block in blocks], [some for _, some in parts]),
            inverse=_joined([block.inverse for block in blocks], [some for _, some in parts]),
        )

    def _block(self, first: int, vectors: Vectors, norms: Floats) -> Block:
        squares = np.square(norms)
        return Block(
            first=first,
            vectors=vectors,
            factor=self.factor,
            own=self.error + TINY + self.per_square * squares.astype(np.float64),
            square=squares if self.squares else None,
            inverse=bounds.inverse(norms) if self.divides else None,
        )


def _joined(arrays: Sequence[Floats | None], parts: Sequence[slice]) -> Floats | None:
    some = [array[part] for array, part in zip(arrays, parts, strict=True) if array is not None]
    return np.concatenate(some) if some else None
