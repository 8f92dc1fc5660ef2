"""Vectors of many kinds, those that defeat a screen among them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Maker = Callable[[np.random.Generator, int, int], np.ndarray]


def unit(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    data = rng.standard_normal((n, dim))
    return data / np.linalg.norm(data, axis=1, keepdims=True)


def uniform(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    return rng.random((n, dim))


def clusters(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    centers = 5 * rng.standard_normal((20, dim))
    return centers[rng.integers(0, 20, n)] + 0.01 * rng.standard_normal((n, dim))


def near_ties(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    few = rng.standard_normal((max(1, n // 40), dim))
    return few[rng.integers(0, len(few), n)] + 1e-6 * rng.standard_normal((n, dim))


def duplicates(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    few = rng.standard_normal((max(1, n // 1000), dim))
    return few[rng.integers(0, len(few), n)]


def small_integers(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    return rng.integers(-2, 3, (n, dim))


def offset(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    return rng.standard_normal((n, dim)) + 1000


def huge(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    return 1e25 * rng.standard_normal((n, dim))


def tiny(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    return 1e-25 * rng.standard_normal((n, dim))


def all_sizes(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    return rng.standard_normal((n, dim)) * 10.0 ** rng.integers(-5, 6, (n, 1))


def one_outlier(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    data = unit(rng, n, dim)
    data[n // 2] *= 1e6
    return data


def some_zero(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    return np.where(rng.random((n, 1)) < 0.3, 0, rng.standard_normal((n, dim)))


def sparse(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    return np.where(rng.random((n, dim)) < 0.02, rng.standard_normal((n, dim)), 0)


def low_rank(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    spectrum = np.arange(1, dim + 1) ** -1.5
    return (rng.standard_normal((n, dim)) * spectrum) @ unit(rng, dim, dim)


MAKERS: tuple[Maker, ...] = (
    unit,
    uniform,
    clusters,
    near_ties,
    duplicates,
    small_integers,
    offset,
    huge,
    tiny,
    all_sizes,
    one_outlier,
    some_zero,
    sparse,
    low_rank,
)
