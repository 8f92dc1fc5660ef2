"""What is kept beside each vector so that int8 can screen for float32.

A vector x of a chunk is taken about the chunk's center m: c = x - m, coded as c' = scale * codes
with codes in int8. `residual` bounds |c - c'|. By Cauchy-Schwarz, for a query p = q - m coded as
p', |p.c - p'.c'| <= |p - p'| |c| + |p'| |c - c'|: the error of a screened product follows from two
norms, whatever the data.

All norms here are computed in float32 and made larger by more than their rounding: a sum of d
products has a relative error below d * 2^-24 / (1 - d * 2^-24) in any order (Higham, Accuracy and
Stability of Numerical Algorithms, section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.products import PackedBlocks
from kinlens.types import Vectors

Floats = npt.NDArray[np.float32]

ROUNDING = 2.0**-24
"""Unit roundoff of float32."""
TINY = 1e-36
"""Above all that float32 can lose by underflow in a sum of up to 65,536 products."""
TINY_LENGTH = 1e-18
"""Its square root: above what a norm can lose so."""
LARGEST = 1e15
"""Norms up to here can be squared, doubled and added in float32 without overflow."""

_PART = 1 << 17
_SMALLEST = 1e-30


def sum_error(dim: int) -> float:
    """Relative error of a float32 sum of `dim` products, a few more roundings included."""
    return (dim + 8) * ROUNDING * 1.01


@dataclass(frozen=True, slots=True, eq=False)
class Center:
    """Where the vectors of a chunk are taken about.

    Parameters
    ----------
    vector : float32 (dim,)
    norm : of the vector
    """

    vector: Floats
    norm: float

    @staticmethod
    def of(vectors: Vectors) -> Center:
        """The mean of some vectors, of at most a few thousand spread over them."""
        sample = vectors[:: max(1, len(vectors) // 4096)]
        with np.errstate(over="ignore"):
            mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        return Center(mean, float(np.linalg.norm(mean.astype(np.float64))))

    def suits(self, other: Center, vectors: Vectors) -> bool:
        """Whether these vectors, whose own center is the other, are as well taken about this."""
        shift = float(np.square(self.vector.astype(np.float64) - other.vector).sum())
        sample = vectors[:: max(1, len(vectors) // 256)].astype(np.float64)
        spread = float(np.square(sample - other.vector).sum(axis=1).mean())
        return shift <= 0.05 * spread


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """Codes and norms of a chunk's slots; as with `Chunk`, written once, behind what is in use.

    Parameters
    ----------
    center : that the codes are about
    codes : int8 (slots, dim)
    scale : float32 (slots,)
    residual : float32 (slots,), at least |c - scale * codes|
    square : float32 (slots,), |c|^2 within `sum_error`
    along : float32 (slots,), m.c within `sum_error` * |m||c|
    norm : float32 (slots,), |x| within `sum_error`, small ones too
    packed : the codes arranged for matrix products, made when first needed
    """

    center: Center
    codes: npt.NDArray[np.int8]
    scale: Floats
    residual: Floats
    square: Floats
    along: Floats
    norm: Floats
    packed: PackedBlocks = field(default_factory=PackedBlocks)

    @staticmethod
    def empty(center: Center, slots: int) -> Codes:
        """Room for some slots, filled by `write`."""
        scale, residual, square, along, norm = np.empty((5, slots), np.float32)
        codes = np.empty((slots, len(center.vector)), np.int8)
        return Codes(center, codes, scale, residual, square, along, norm)

    @property
    def slot_bytes(self) -> int:
        """Bytes a slot takes, the packed copy aside."""
        return len(self.center.vector) + 5 * self.scale.itemsize

    def used(self, count: int) -> Codes:
        """The first so many slots, not copied."""
        return Codes(
            self.center,
            self.codes[:count],
            self.scale[:count],
            self.residual[:count],
            self.square[:count],
            self.along[:count],
            self.norm[:count],
        )

    @staticmethod
    def gathered(parts: list[tuple[Codes, npt.NDArray[np.intp]]]) -> Codes:
        """Copies of some slots of codes about one center."""
        return Codes(
            parts[0][0].center,
            np.concatenate([of.codes[slots] for of, slots in parts]),
            np.concatenate([of.scale[slots] for of, slots in parts]),
            np.concatenate([of.residual[slots] for of, slots in parts]),
            np.concatenate([of.square[slots] for of, slots in parts]),
            np.concatenate([of.along[slots] for of, slots in parts]),
            np.concatenate([of.norm[slots] for of, slots in parts]),
        )

    def write(self, start: int, vectors: Vectors) -> None:
        """Code vectors into the slots from `start`."""
        step = max(1, _PART // vectors.shape[1])
        with np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, len(vectors), step):
                part = vectors[first : first + step]
                self._write_part(slice(start + first, start + first + len(part)), part)

    def _write_part(self, to: slice, vectors: Vectors) -> None:
        error = sum_error(vectors.shape[1])
        centered = vectors - self.center.vector
        square = squares(centered)
        largest = np.maximum(centered.max(axis=1), -centered.min(axis=1))
        codable = (largest > _SMALLEST) & (largest < LARGEST)
        step = np.where(codable, largest / np.float32(127), np.float32(0))
        inverse = np.divide(np.float32(127), largest, where=codable, out=np.zeros_like(largest))
        scaled = centered * inverse[:, np.newaxis]
        np.rint(scaled, out=scaled)
        np.copyto(self.codes[to], scaled, casting="unsafe")
        self.along[to] = centered @ self.center.vector
        scaled *= step[:, np.newaxis]
        centered -= scaled
        reach = np.sqrt(square)
        residual = np.sqrt(squares(centered))
        self.residual[to] = residual * (1 + error) + reach * np.float32(2.0**-20)
        self.residual[to] += np.float32(TINY_LENGTH)
        self.scale[to] = step
        self.square[to] = square
        self.norm[to] = _norms(vectors)


def _norms(vectors: Vectors) -> Floats:
    found = squares(vectors)
    norms = np.sqrt(found)
    vanishing = np.flatnonzero(found < _SMALLEST)
    if len(vanishing):
        norms[vanishing] = np.linalg.norm(vectors[vanishing].astype(np.float64), axis=1)
    return norms


def squares(vectors: Vectors) -> Floats:
    """float32 (n,), the squared lengths within `sum_error`."""
    found: Floats = np.einsum("ij,ij->i", vectors, vectors)
    return found
