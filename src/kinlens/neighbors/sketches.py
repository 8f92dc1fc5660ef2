"""Short sketches of vectors: distances among them are at most those among the vectors.

A vector x is taken about a center m: c = x - m. Its sketch is what c is along a few axes R, the
directions in which vectors like these spread most, and the length of all the rest:

    s(c) = (T c, |c - P c|),  T = (R'R)^(-1/2) R',  P the projection on the span of R.

As T c has the length of P c, |s(c)| = |c|, and by Cauchy-Schwarz on the rests, for any two vectors
p.c <= s(p).s(c): sketches rule vectors out for certain, at the cost of their few numbers. A longer
rest than the true one keeps that true.

One step codes all numbers well if they are alike. So the axes are turned within their span until
all have the same share of it, and the rest is kept as several equal numbers, of the same length
together.

What is stored is s(c) coded in int8 with one step for all, so that products of codes compare as
whole numbers. `slack` bounds |s(c) - step * codes|, all rounding included: sums have the error
of `coding.sum_error`; R'c has it in each of its numbers; R' is taken for T, of which it is no
further than |R'R - 1|. A share of |c| is added, which stands for the rounding of queries.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.coding import LARGEST, TINY_LENGTH, Floats, squares, sum_error
from kinlens.neighbors.products import PackedBlocks
from kinlens.types import Vectors

LEAST = 4096
"""Vectors to learn axes from."""
WIDTHS = (32, 64, 96, 128, 192, 256, 384, 512)
_LEAST_DIM = 128
ALLOWED = 0.01
"""Of a query's length, what the rounding of its sketch may cost without being reckoned apart."""
_SMALLEST = 1e-9
_ROUNDS = 4
_WITHIN = 0.99
"""Share of vectors whose numbers all fit the codes; the others keep a larger residual."""
_TRIED = 32
_COMPARING = 10
"""What it costs to compare, where a number of a sketch costs 1."""
_LOOKING = 3000
_LOOKING_EACH = 4.6
"""What it costs to look closer at a vector that isn't ruled out, and at each of its numbers."""
_PLAIN = 0.8
"""What each number of the codes costs where there are no sketches."""
_MOST_RESTS = 8
_REACH = 12.0
"""Square of the largest number in standard deviations, about, of those that the codes reach."""
_STAYS = 1.5
"""Axes that are in use may cost so many times more, so that chunks alike share them."""


@dataclass(frozen=True, slots=True, eq=False)
class Axes:
    """What vectors are sketched along.

    Parameters
    ----------
    center : float32 (dim,)
    norm : of the center
    basis : float32 (dim, count)
    rests : how many numbers of a sketch keep the rest
    skew : at least |basis'basis - 1|
    step : of the codes
    wide : float64 (count, dim), the basis transposed
    """

    center: Floats
    norm: float
    basis: Floats
    rests: int
    skew: float
    step: float
    wide: npt.NDArray[np.float64]

    @property
    def width(self) -> int:
        """Numbers of a sketch."""
        return len(self.wide) + self.rests

    @property
    def slip(self) -> float:
        """Most that rounding moves basis'c, for each unit of |c|."""
        dim, count = self.basis.shape
        return float(sum_error(dim) * (1 + self.skew) * count**0.5 + self.skew + 2.0**-20)

    @property
    def lengthening(self) -> float:
        """Share of |c|^2 that is added to the square of a rest, for all rounding."""
        return 2.2 * (self.slip + sum_error(len(self.basis)))

    @staticmethod
    def learned(vectors: Vectors) -> Axes | None:
        """Axes for vectors like these, or None where sketches wouldn't pay."""
        dim = vectors.shape[1]
        largest = max(float(vectors.max()), -float(vectors.min()))
        if dim < _LEAST_DIM or largest * dim**0.5 > LARGEST:
            return None
        sample = vectors[:: max(1, len(vectors) // LEAST)].astype(np.float32)
        center = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        sample -= center
        widths = [width for width in WIDTHS if 2 * width <= dim]
        directions = _directions(sample, max(widths) - 1)
        best, least = None, _PLAIN * dim + _COMPARING
        for width in widths:
            if width + _COMPARING > least:
                break
            axes = _axes(center, directions, width, sample)
            cost = axes._cost(sample)
            if cost < least:
                best, least = axes, cost
        return best

    def suits(self, vectors: Vectors) -> bool:
        """Whether sketches of vectors like these would pay."""
        with np.errstate(over="ignore", invalid="ignore"):
            sample = vectors[:: max(1, len(vectors) // LEAST)] - self.center
            cost = self._cost(sample)
        return cost < _STAYS * (_PLAIN * len(self.basis) + _COMPARING)

    def _cost(self, centered: Vectors) -> float:
        """Of a vector, about, in searches among vectors like these."""
        looking = _LOOKING + _LOOKING_EACH * len(self.basis)
        return self.width + _COMPARING + looking * self._remaining(centered)

    def _remaining(self, centered: Vectors) -> float:
        """Share of vectors that sketches don't rule out, tried on some of them as queries."""
        along = centered @ self.basis
        square = squares(centered)
        rest = np.sqrt(np.maximum(square - squares(along), 0))
        sketches = np.column_stack([along, rest])
        tried = np.linspace(0, len(centered) - 1, _TRIED).astype(np.intp)
        apart = square[tried, None] + square
        distance = apart - 2 * (centered[tried] @ centered.T)
        bound = apart - 2 * (sketches[tried] @ sketches.T)
        error = self.step * (self.width / 3) ** 0.5 * 2 * np.sqrt(square[tried, None])
        distance[np.arange(_TRIED), tried] = np.inf
        nearest = distance.min(axis=1, keepdims=True)
        return float((bound - error <= nearest).mean()) - 1 / len(centered)


def _directions(centered: Vectors, count: int) -> npt.NDArray[np.float64]:
    """Orthonormal (dim, count), those of most spread first: subspace iteration."""
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((centered.shape[1], count), dtype=np.float32)
    for _ in range(_ROUNDS):
        basis, _ = np.linalg.qr(centered.T @ (centered @ basis))
    within = (centered @ basis).astype(np.float64)
    _, turn = np.linalg.eigh(within.T @ within)
    exact, _ = np.linalg.qr(basis.astype(np.float64) @ turn[:, ::-1])
    return exact


def _axes(
    center: Floats, directions: npt.NDArray[np.float64], width: int, centered: Vectors
) -> Axes:
    square = squares(centered)
    total = float(square.sum(dtype=np.float64))
    energy = np.square(centered @ directions.astype(np.float32)).sum(axis=0, dtype=np.float64)
    rests = _rests(energy, total, width)
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((width - rests,) * 2))
    basis = np.ascontiguousarray(directions[:, : width - rests] @ turn, np.float32)
    wide = basis.astype(np.float64)
    skew = float(np.linalg.norm(wide.T @ wide - np.eye(basis.shape[1]))) * 1.01 + 1e-12
    along = centered @ basis
    rest = np.sqrt(np.maximum(square - squares(along), 0) / rests)
    largest = np.maximum(np.abs(along).max(axis=1), rest)
    step = float(np.float32(max(np.quantile(largest, _WITHIN) / 127, _SMALLEST)))
    norm = float(np.linalg.norm(center.astype(np.float64)))
    return Axes(center, norm, basis, rests, skew, step, np.ascontiguousarray(wide.T))


def _rests(energy: npt.NDArray[np.float64], total: float, width: int) -> int:
    """Numbers to keep the rest in, so that each is about as large as those along the axes."""
    head = float(energy[: width - 1].sum())
    if not head > 0:
        return 1
    alike = (total - head) / head * (width - 1) / _REACH
    return int(np.clip(np.rint(alike), 1, _MOST_RESTS))


@dataclass(frozen=True, slots=True, eq=False)
class Sketches:
    """Of a chunk's slots; as with `Chunk`, written once, behind what is in use.

    Parameters
    ----------
    axes : that they are along
    codes : int8 (slots, width)
    slack : float32 (slots,), at least |s(c) - step * codes| + ALLOWED * |c|, for some rest of at
        least |c - P c|
    square : float32 (slots,), |c|^2 within `sum_error`
    along : float32 (slots,), center.c within `sum_error` * |center||c|
    packed : the codes arranged for matrix products, made when first needed
    """

    axes: Axes
    codes: npt.NDArray[np.int8]
    slack: Floats
    square: Floats
    along: Floats
    packed: PackedBlocks = field(default_factory=PackedBlocks)

    @staticmethod
    def empty(axes: Axes, slots: int) -> Sketches:
        """Room for some slots, filled by `write`."""
        slack, square, along = np.empty((3, slots), np.float32)
        return Sketches(axes, np.empty((slots, axes.width), np.int8), slack, square, along)

    @property
    def slot_bytes(self) -> int:
        """Bytes a slot takes, the packed copy aside."""
        return self.axes.width + 3 * self.square.itemsize

    def write(self, start: int, vectors: Vectors) -> None:
        """Sketch vectors into the slots from `start`."""
        axes, to = self.axes, slice(start, start + len(vectors))
        with np.errstate(over="ignore", invalid="ignore"):
            centered = vectors - axes.center
            square = squares(centered)
            sketch = np.empty((len(vectors), axes.width), np.float32)
            along, rests = np.split(sketch, [len(axes.wide)], axis=1)
            np.matmul(centered, axes.basis, out=along)
            rest = square - squares(along) + np.float32(axes.lengthening) * square
            rest = np.sqrt(np.maximum(rest, 0) / axes.rests) + np.float32(TINY_LENGTH)
            rests[:] = rest[:, np.newaxis]
            rounded = np.rint(sketch * np.float32(1 / axes.step))
            np.clip(rounded, -127, 127, out=rounded)
            self.codes[to] = rounded
            rounded *= np.float32(axes.step)
            sketch -= rounded
            share = 1.01 * axes.slip + ALLOWED * (1 + 2 * sum_error(len(axes.basis)))
            self.slack[to] = np.sqrt(squares(sketch)) * (1 + sum_error(axes.width))
            self.slack[to] += np.sqrt(square) * np.float32(share) + np.float32(4 * TINY_LENGTH)
            self.square[to] = square
            self.along[to] = centered @ axes.center
