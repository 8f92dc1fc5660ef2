"""Neighbors of float64 vectors, to the last bit those of a slow float64 search."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from kinlens.neighbors import exact, precise
from kinlens.neighbors.precise import PreciseIndex
from kinlens.neighbors.result import NEIGHBOR_METRICS, Neighbors
from neighbors.hard_data import MAKERS, Maker

Rng = np.random.Generator


def below_float32(rng: Rng, n: int, dim: int) -> np.ndarray:
    """Distances to each other that float32 rounds away."""
    few = rng.standard_normal((max(1, n // 100), dim))
    return few[rng.integers(0, len(few), n)] + 1e-12 * rng.standard_normal((n, dim))


def great_mean(rng: Rng, n: int, dim: int) -> np.ndarray:
    return 1e9 + rng.standard_normal((n, dim))


def great_mean_small_clusters(rng: Rng, n: int, dim: int) -> np.ndarray:
    return 1e6 + 1e-3 * rng.integers(0, 2, (n, dim)) + 1e-9 * rng.standard_normal((n, dim))


def thousandfold(rng: Rng, n: int, dim: int) -> np.ndarray:
    return rng.random((3, dim))[rng.integers(0, 3, n)]


def last_bits(rng: Rng, n: int, dim: int) -> np.ndarray:
    """Ties in float32 whose order is in the last bits of float64."""
    return np.full((n, dim), 1 / 3) + 2.0**-54 * rng.integers(-4, 5, (n, dim))


def beyond_float32(rng: Rng, n: int, dim: int) -> np.ndarray:
    return 1e300 * rng.standard_normal((n, dim))


def near_nothing(rng: Rng, n: int, dim: int) -> np.ndarray:
    return 1e-300 * rng.standard_normal((n, dim))


def all_exponents(rng: Rng, n: int, dim: int) -> np.ndarray:
    return rng.standard_normal((n, dim)) * 10.0 ** rng.integers(-300, 300, (n, 1))


def great_integers(rng: Rng, n: int, dim: int) -> np.ndarray:
    return (2**40 + rng.integers(-1000, 1000, (n, dim))).astype(np.float64)


def with_zeros(rng: Rng, n: int, dim: int) -> np.ndarray:
    return np.where(rng.random((n, 1)) < 0.3, 0, rng.standard_normal((n, dim)))


DOUBLES: tuple[Maker, ...] = (
    *MAKERS,
    below_float32,
    great_mean,
    great_mean_small_clusters,
    thousandfold,
    last_bits,
    beyond_float32,
    near_nothing,
    all_exponents,
    great_integers,
    with_zeros,
)


def truth(data: np.ndarray, query: np.ndarray, metric: str) -> np.ndarray:
    """float64 (n,), by NumPy's long doubles where float64 would overflow on the way."""
    if is_plain(data, query):
        return exact.distances(data, query, metric)
    wide, one = data.astype(np.longdouble), query.astype(np.longdouble)
    with np.errstate(over="ignore"):
        if metric == "inner":
            return (-(wide * one).sum(axis=1)).astype(np.float64)
        squares = np.square(wide - one).sum(axis=1)
        if metric == "sqeuclidean":
            return squares.astype(np.float64)
        if metric == "euclidean":
            return np.sqrt(squares).astype(np.float64)
    norms = np.sqrt(np.square(wide).sum(axis=1)) * np.sqrt(np.square(one).sum())
    products = (wide * one).sum(axis=1)
    cosine = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return np.clip(1 - cosine, 0, 2).astype(np.float64)


def is_plain(*arrays: np.ndarray) -> bool:
    """Whether no square leaves float64."""
    sizes = np.abs(np.concatenate([array[array != 0] for array in arrays]))
    return sizes.max(initial=1) < 1e100 and sizes.min(initial=1) > 1e-100


def check(found: Neighbors, data: np.ndarray, queries: np.ndarray, k: int, metric: str) -> None:
    assert found.certified
    for query, vector in enumerate(queries):
        expected = truth(data, vector, metric)
        order = np.lexsort((np.arange(len(data)), expected))[:k]
        if is_plain(data, vector):
            np.testing.assert_array_equal(found.rows[query], order)
            np.testing.assert_array_equal(found.distances[query], expected[order])
        else:
            np.testing.assert_allclose(found.distances[query], expected[order], 1e-12, 1e-15)
            np.testing.assert_allclose(expected[found.rows[query]], expected[order], 1e-12, 1e-15)


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("maker", DOUBLES)
def test_the_neighbors_that_float64_finds(maker: Maker, metric: str) -> None:
    rng = np.random.default_rng(3)
    data = maker(rng, 1200, 33).astype(np.float64)
    queries = np.concatenate([data[::240], maker(rng, 3, 33)])
    index = PreciseIndex(data, metric)
    for k in (1, 10, 100):
        check(index.search(queries, k), data, queries, k, metric)


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("maker", [*MAKERS, thousandfold])
def test_float64_queries_among_float32_vectors(maker: Maker, metric: str) -> None:
    rng = np.random.default_rng(4)
    data = maker(rng, 1200, 33).astype(np.float32)
    queries = np.concatenate([data[::240] * (1 + 1e-9), maker(rng, 3, 33)]).astype(np.float64)
    index = PreciseIndex(data, metric)
    check(index.search(queries, 7), data.astype(np.float64), queries, 7, metric)


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
def test_queries_of_another_size(metric: str) -> None:
    rng = np.random.default_rng(5)
    data = rng.standard_normal((500, 9))
    for size in (1e200, 1e45, 1e-45, 1e-200, 0.0):
        queries = size * rng.standard_normal((3, 9))
        for vectors in (data, data.astype(np.float32)):
            found = PreciseIndex(vectors, metric).search(queries, 5)
            with np.errstate(over="ignore"):
                check(found, vectors.astype(np.float64), queries, 5, metric)


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("maker", DOUBLES)
def test_all_within_a_radius_that_float64_finds(maker: Maker, metric: str) -> None:
    rng = np.random.default_rng(6)
    data = maker(rng, 700, 33).astype(np.float64)
    if not is_plain(data):
        return
    queries = np.concatenate([data[::350], maker(rng, 1, 33)])
    index = PreciseIndex(data, metric)
    for place in (0, 20, 699):
        for query in queries:
            expected = truth(data, query, metric)
            at = np.sort(expected)[place]
            for radius in (at, np.nextafter(at, -np.inf), np.inf):
                found = index.within(query[np.newaxis], radius)
                rows = np.flatnonzero(expected <= radius)
                rows = rows[np.lexsort((rows, expected[rows]))]
                np.testing.assert_array_equal(found.rows, rows)
                np.testing.assert_array_equal(found.distances, expected[rows])


def test_rows_within_a_radius_of_many_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    data, queries = rng.random((300, 5)), rng.random((50, 5))
    expected = PreciseIndex(data, "euclidean").within(queries, 0.4)
    monkeypatch.setattr(precise, "_QUERIES", 7)
    found = PreciseIndex(data, "euclidean").within(queries, 0.4)
    assert found.begins.tolist() == expected.begins.tolist()
    assert found.rows.tolist() == expected.rows.tolist()
    for query in range(50):
        distances, rows = found.of(query)
        truth_ = truth(data, queries[query], "euclidean")
        np.testing.assert_array_equal(np.sort(rows), np.flatnonzero(truth_ <= 0.4))
        np.testing.assert_array_equal(distances, truth_[rows])


def test_few_are_looked_at_twice() -> None:
    rng = np.random.default_rng(8)
    data = rng.standard_normal((5000, 64))
    found = PreciseIndex(data, "euclidean").search(data[:40], 10)
    assert found.candidates < 40 * 500
    assert "float64" not in found.kernel


def test_what_float32_holds_is_kept_once() -> None:
    rng = np.random.default_rng(9)
    whole = rng.integers(-999, 999, (4000, 64)).astype(np.float64)
    kept = PreciseIndex(whole, "euclidean")
    assert kept.vectors(slice(0, 9)).dtype == np.float32
    assert kept.nbytes < 0.8 * PreciseIndex(whole / 3, "euclidean").nbytes


@pytest.mark.parametrize("divisor", [1, 3])
def test_a_pickle_holds_the_vectors_alone(divisor: int) -> None:
    rng = np.random.default_rng(10)
    data = rng.integers(-999, 999, (3000, 64)) / divisor
    index = PreciseIndex(data, "cosine", "float32")
    pickled = pickle.dumps(index)
    assert len(pickled) < data.size * (4 if divisor == 1 else 8) + 1000
    again = pickle.loads(pickled)  # noqa: S301
    for mine, other in ((data, data), (data / 7, data / 7)):
        first, second = index.search(mine[:9], 5), again.search(other[:9], 5)
        assert first.rows.tolist() == second.rows.tolist()
        assert first.distances.tolist() == second.distances.tolist()
        assert first.kernel == second.kernel


def test_the_index_keeps_its_own_copy() -> None:
    data = np.random.default_rng(11).random((50, 3))
    index = PreciseIndex(data, "euclidean")
    query = data[:1].copy()
    data[:] = 0
    assert index.search(query, 1).distances.tolist() == [[0.0]]


def test_no_neighbors_and_no_queries() -> None:
    index = PreciseIndex(np.array([[0.1], [0.2]]), "euclidean")
    assert index.search(np.array([[0.3]]), 0).rows.shape == (1, 0)
    assert index.search(np.array([[0.3]]), 9).rows.tolist() == [[1, 0]]
    assert index.search(np.empty((0, 1)), 2).rows.shape == (0, 2)
    assert index.within(np.empty((0, 1)), 2).begins.tolist() == [0]
    assert len(index.within(np.array([[0.3]]), -1).rows) == 0
