"""What float32 rounds away of float64 vectors, and how far that can move a distance.

A screen over float32 images of the vectors finds the float64 neighbors if one knows how far an
image's distance f can be from the vector's g, as float64 computes it. Then every row with g <= G
has f <= `Images.limit(G)`, and only rows within that limit need a look in float64.

Images. Vectors are divided by a power of two, which is exact, so that the largest number is about
1, and are taken about their mean m, where they are smaller and round less: c = x - m, y = c in
float32, and |c - y| <= r for all rows. A query q has the image p with |(q - m) - p| <= e. Both are
measured, not estimated; what float64 rounds on the way is added.

Euclidean. |x - q| = |c - (q - m)| differs from |y - p| by r + e at most (triangle inequality).

Inner. With q divided by a power of two of its own, x.q = c.q + m.q, and by Cauchy-Schwarz
|c.q - y.p| <= |q - p| |y| + |q| |c - y|. Here e bounds |q - p|.

Cosine. That of x and q is the inner product of the vectors at unit length, 0 for a zero vector:
x/|x| takes the place of x. Where float32 holds the vectors themselves they stay as they are; then
cos(x, p) differs from cos(x, q) by |p/|p| - q/|q|| <= 2e at most.

Rounding. In float64 a sum of d products, and all else that makes a distance, is within the share
`slip(d)` of the product of the lengths, or of the distance, for any order of the sum; the screen
and the decision both compute so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.result import NeighborMetric
from kinlens.neighbors.scaling import (
    Doubles,
    Exponents,
    at_unit_length,
    balanced,
    exponents_of,
    lengths,
    lowered,
    raised,
)
from kinlens.types import Vectors

_FADED = 1e-150
"""More than what underflow of squares takes off a length, where the largest number is about 1."""
_LARGEST = 1e37
"""Numbers up to here are finite in float32."""


def slip(dim: int) -> float:
    """Relative error of a float64 sum of `dim` products, and of a few more roundings."""
    return (dim + 16) * 2.0**-53 * 1.01


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Queries in float32, and what that costs.

    Parameters
    ----------
    vectors : float32 (q, dim)
    exponent : int64 (q,), a distance is divided by two to this power,
    shift : float64 (q,), and this is added, to compare it with the screen's
    margin : float64 (q,), the most that rounding moves it
    fits : bool (q,), False for queries whose numbers leave float32; they have no image
    share : what rounds in relation to distances; 0 where they aren't lengths
    squared : whether distances are squares of the screen's
    """

    vectors: Vectors
    exponent: Exponents
    shift: Doubles
    margin: Doubles
    fits: npt.NDArray[np.bool_]
    share: float = 0.0
    squared: bool = False

    def limit(self, distance: Doubles) -> Doubles:
        """At least what the screen finds for rows of at most this distance, float64 (q,)."""
        with np.errstate(over="ignore"):  # no limit is a limit too
            # Two steps up: a number that has nearly vanished is rounded by more than its share.
            least = np.nextafter(np.nextafter(distance, np.inf), np.inf)
            if self.squared:
                least = np.sqrt(np.maximum(least, 0))
            least = raised(least, -self.exponent)
            share = 1 + 4 * self.share
            return (least * share + self.shift + self.margin) * share


@dataclass(frozen=True, slots=True, eq=False)
class Rounding:
    """How vectors were rounded to float32, so that queries can be rounded alike.

    Parameters
    ----------
    metric : what is asked for
    exponent : vectors were divided by two to this power
    center : float64 (dim,), m, after dividing
    residual : r, at least |c - y| for all rows
    reach : at least |y| and |x|, after dividing, for all rows
    as_they_are : whether float32 holds the vectors: center, exponent and residual are 0
    """

    metric: NeighborMetric
    exponent: int
    center: Doubles
    residual: float
    reach: float
    as_they_are: bool

    @property
    def screen_metric(self) -> NeighborMetric:
        """What the screen compares the images by."""
        if self.metric == "cosine":
            return "cosine" if self.as_they_are else "inner"
        return "inner" if self.metric == "inner" else "euclidean"

    @staticmethod
    def none(dim: int, reach: float, metric: NeighborMetric) -> Rounding:
        """Of vectors that float32 holds; for products, none of them longer than `reach`."""
        return Rounding(metric, 0, np.zeros(dim), 0.0, reach, as_they_are=True)

    @staticmethod
    def of(vectors: Doubles, metric: NeighborMetric) -> Rounding:
        """With the exponent and the center that suit these; nothing was rounded yet."""
        exponent = 0 if metric == "cosine" else int(exponents_of(vectors).max())
        sample = vectors[:: max(1, len(vectors) // 4096)]
        ready = at_unit_length(sample) if metric == "cosine" else lowered(sample, exponent)
        return Rounding(metric, exponent, ready.mean(axis=0), 0.0, 0.0, as_they_are=False)

    def rounded(self, vectors: Doubles) -> tuple[Vectors, float, float]:
        """Images of rows, float32 (n, dim); their largest residual and reach."""
        ready, lost = self._ready(vectors)
        reach = _longest(ready)
        ready -= self.center
        images = ready.astype(np.float32)
        residual = _longest(ready - images) + 2.0**-51 * _longest(ready) + lost
        reach = max(reach, _longest(images.astype(np.float64)))
        return images, residual + _FADED, reach + _FADED

    def _ready(self, vectors: Doubles) -> tuple[Doubles, float]:
        """What is rounded, a copy, before it is centered; what float64 may have lost of a row."""
        if self.metric == "cosine":
            return at_unit_length(vectors), 2 * slip(vectors.shape[1])
        return lowered(vectors, self.exponent), 0.0

    def images(self, queries: Doubles) -> Images:
        """Of float64 (q, dim)."""
        if self.metric in {"euclidean", "sqeuclidean"}:
            return self._beside(queries)
        return self._along(queries)

    def _beside(self, queries: Doubles) -> Images:
        """For lengths."""
        shifted = lowered(queries, self.exponent) - self.center
        fits = np.abs(shifted).max(axis=1) < _LARGEST
        shifted[~fits] = 0
        images = shifted.astype(np.float32)
        away = lengths(shifted - images) + 2.0**-51 * lengths(shifted)
        return Images(
            vectors=images,
            exponent=np.full(len(queries), self.exponent),
            shift=np.zeros(len(queries)),
            margin=(self.residual + away + _FADED) * 1.001,
            fits=fits,
            share=slip(queries.shape[1]),
            squared=self.metric == "sqeuclidean",
        )

    def _along(self, queries: Doubles) -> Images:
        """For products, and cosines as products at unit length."""
        dim, cosine = queries.shape[1], self.metric == "cosine"
        ready = at_unit_length(queries) if cosine else balanced(queries)
        images = ready.astype(np.float32)
        length = lengths(ready)
        away = lengths(ready - images) + 4 * slip(dim) * length + _FADED
        if cosine and self.as_they_are:
            shift, margin = np.zeros(len(queries)), 2 * away + 8 * slip(dim)
        else:
            shift = ready @ self.center - (1.0 if cosine else 0.0)
            middle = float(np.linalg.norm(self.center))
            margin = away * self.reach + length * self.residual
            margin += 8 * slip(dim) * (length * (self.reach + middle) + cosine)
        own = 0 if cosine else exponents_of(queries)
        return Images(
            vectors=images,
            exponent=np.zeros(len(queries), np.int64) + self.exponent + own,
            shift=shift,
            margin=margin * 1.001,
            fits=np.ones(len(queries), np.bool_),
        )


def _longest(vectors: Doubles) -> float:
    return float(lengths(vectors).max(initial=0)) * (1 + 2.0**-20)
