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

import functools
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.coding import LARGEST, TINY_LENGTH, Floats, squares, sum_error
from kinlens.neighbors.matrices import orthonormal, product
from kinlens.neighbors.products import PackedBlocks
from kinlens.types import Vectors

LEAST = 4096
"""Vectors to learn axes from."""
WIDTHS = ((32, 64, 96, 128), (192, 256, 384, 512))
"""Those of the second row are tried where the first has shown that more helps."""

_LEAST_DIM = 128
ALLOWED = 0.01
"""Of a query's length, what the rounding of its sketch may cost without being reckoned apart."""
_SMALLEST = 1e-9
_ROUNDS = 2
_ENOUGH_TO_TELL = 1024
_FALLING = 0.8
"""Of the cost of the width before: what is still falling so fast may fall farther."""
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
_BETTER = 0.75
"""Of their cost, what others may cost to take their place."""


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
        some = _some(vectors, LEAST)
        center = some.mean(axis=0, dtype=np.float64).astype(np.float32)
        sample = _Sample(some - center)
        best, directions = None, np.empty((dim, 0), np.float32)
        least, before = _PLAIN * dim + _COMPARING, np.inf
        for widths in WIDTHS:
            fitting = [width for width in widths if 2 * width <= dim]
            if not fitting:
                break
            directions = _directions(sample.centered, max(fitting) - 1)
            along = product(sample.centered, directions)
            for width in fitting:
                trial = _Trial.of(sample, along, width)
                if trial.cost < least:
                    best, least = trial, trial.cost
                falling, before = trial.cost < _FALLING * before, trial.cost
            if not falling:
                break
        return None if best is None else best.axes(center, directions)

    def or_better(self, vectors: Vectors) -> Axes | None:
        """These if they do for vectors like these, or about as well as any; else better ones.

        Every query has to be sketched along all axes there are. None where sketches wouldn't pay.
        """
        cost = self._cost(vectors)
        if cost < _STAYS * (_PLAIN * len(self.basis) + _COMPARING):
            return self
        learned = Axes.learned(vectors)
        if learned is None:
            return None
        return learned if learned._cost(vectors) < _BETTER * cost else self

    def _cost(self, vectors: Vectors) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            sample = _Sample(_some(vectors, _ENOUGH_TO_TELL) - self.center)
            along = product(sample.centered, self.basis)
            return sample.cost(along, self.width, self.step)


class _Sample:
    """Vectors about their center, some of which are tried as queries among all."""

    def __init__(self, centered: Floats) -> None:
        self.centered = centered
        self.square = squares(centered)
        self._tried = np.linspace(0, len(centered) - 1, _TRIED).astype(np.intp)
        self._apart = self.square[self._tried, np.newaxis] + self.square
        distance = self._apart - 2 * product(centered, centered[self._tried].T).T
        distance[np.arange(_TRIED), self._tried] = np.inf
        self._nearest = distance.min(axis=1, keepdims=True)

    def rest(self, along: Floats) -> Floats:
        """Lengths of what isn't along the axes."""
        rest: Floats = np.sqrt(np.maximum(self.square - squares(along), 0))
        return rest

    def cost(self, along: Floats, width: int, step: float) -> float:
        """Of a vector, about, in searches among vectors like these."""
        looking = _LOOKING + _LOOKING_EACH * self.centered.shape[1]
        return float(width + _COMPARING + looking * self._remaining(along, width, step))

    def _remaining(self, along: Floats, width: int, step: float) -> float:
        """Share of vectors that sketches don't rule out."""
        sketches = np.column_stack([along, self.rest(along)])
        bound = self._apart - 2 * product(sketches, sketches[self._tried].T).T
        error = step * (width / 3) ** 0.5 * 2 * np.sqrt(self.square[self._tried, np.newaxis])
        return float((bound - error <= self._nearest).mean()) - 1 / len(self.centered)


@dataclass(frozen=True, slots=True)
class _Trial:
    """Sketches of a width, tried on a sample."""

    count: int
    rests: int
    step: float
    cost: float

    @staticmethod
    def of(sample: _Sample, along: Floats, width: int) -> _Trial:
        """Along the first of the directions that this is along."""
        energy = np.square(along[:, : width - 1]).sum(axis=0, dtype=np.float64)
        rests = _rests(float(energy.sum()), float(sample.square.sum(dtype=np.float64)), width)
        turned = along[:, : width - rests] @ _turn(width - rests)
        rest = sample.rest(turned) / np.float32(rests**0.5)
        largest = np.maximum(np.abs(turned).max(axis=1), rest)
        step = float(np.float32(max(np.quantile(largest, _WITHIN) / 127, _SMALLEST)))
        return _Trial(width - rests, rests, step, sample.cost(turned, width, step))

    def axes(self, center: Floats, directions: Floats) -> Axes:
        """As they were tried."""
        basis = np.ascontiguousarray(directions[:, : self.count] @ _turn(self.count))
        wide = basis.astype(np.float64)
        skew = float(np.linalg.norm(wide.T @ wide - np.eye(self.count))) * 1.01 + 1e-12
        norm = float(np.linalg.norm(center.astype(np.float64)))
        return Axes(center, norm, basis, self.rests, skew, self.step, np.ascontiguousarray(wide.T))


def _some(vectors: Vectors, count: int) -> Floats:
    """A copy of about so many, spread over all."""
    return vectors[:: max(1, len(vectors) // count)].astype(np.float32)


def _directions(centered: Floats, count: int) -> Floats:
    """Those of most spread, (dim, count), orthonormal but for rounding: subspace iteration."""
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((centered.shape[1], count), dtype=np.float32)
    for _ in range(_ROUNDS):
        basis = orthonormal(product(centered.T, product(centered, basis)))
    within = product(centered, basis).astype(np.float64)
    _, turn = np.linalg.eigh(product(within.T, within))
    return product(basis, turn[:, ::-1].astype(np.float32))


@functools.cache
def _turn(count: int) -> Floats:
    """A rotation, float32 (count, count), that spreads evenly what is along some axes."""
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((count, count)))
    return turn.astype(np.float32)


def _rests(head: float, total: float, width: int) -> int:
    """Numbers to keep the rest in, so that each is about as large as those along the axes."""
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
    _peaks: dict[int, tuple[float, float]] = field(default_factory=dict)

    @staticmethod
    def empty(axes: Axes, slots: int) -> Sketches:
        """Room for some slots, filled by `write`."""
        slack, square, along = np.empty((3, slots), np.float32)
        return Sketches(axes, np.empty((slots, axes.width), np.int8), slack, square, along)

    @property
    def slot_bytes(self) -> int:
        """Bytes a slot takes, the packed copy aside."""
        return self.axes.width + 3 * self.square.itemsize

    def peaks(self, count: int) -> tuple[float, float]:
        """The largest square and slack of the first so many slots."""
        found = self._peaks.get(count)
        if found is None:
            found = float(self.square[:count].max()), float(self.slack[:count].max())
            self._peaks.clear()
            self._peaks[count] = found
        return found

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
