"""Powers of two that keep float64 from overflow and underflow: dividing by one is exact."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Exponents = npt.NDArray[np.int64]


def exponents_of(vectors: Doubles) -> Exponents:
    """int64 (n,): two to these powers is about the largest number of each row, 1 for zero rows."""
    largest = np.maximum(vectors.max(axis=1), -vectors.min(axis=1))
    # Of infinity there is no exponent, but beside it stand numbers too large to be squared.
    powers = np.where(np.isinf(largest), 1024, np.frexp(largest)[1])
    exponents: Exponents = np.clip(powers, -1000, 1024).astype(np.int64)
    return exponents


def lowered(vectors: Doubles, exponents: Exponents | int) -> Doubles:
    """A copy with each row divided by two to its exponent."""
    powers = np.ldexp(1.0, -np.atleast_1d(exponents))
    with np.errstate(over="ignore"):
        result: Doubles = vectors * powers[:, np.newaxis]
    return result


def raised(numbers: Doubles, exponents: Exponents | int) -> Doubles:
    """A copy with each number times two to its exponent; infinity beyond float64."""
    with np.errstate(over="ignore"):
        result: Doubles = np.ldexp(numbers, exponents)
    return result


def balanced(vectors: Doubles) -> Doubles:
    """A copy with each row divided so that its largest number is about 1."""
    return lowered(vectors, exponents_of(vectors))


def lengths(vectors: Doubles) -> Doubles:
    """float64 (n,), of vectors whose squares stay in float64."""
    found: Doubles = np.sqrt(np.square(vectors).sum(axis=1))
    return found


def at_unit_length(vectors: Doubles) -> Doubles:
    """A copy with rows of length 1, zero rows as they are."""
    scaled = balanced(vectors)
    length = lengths(scaled)[:, np.newaxis]
    return np.divide(scaled, length, where=length > 0, out=np.zeros_like(scaled))
