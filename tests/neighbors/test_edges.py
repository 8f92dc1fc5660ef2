"""Few rows, many neighbors, zero vectors, no queries."""

from __future__ import annotations

import numpy as np
import pytest

from kinlens.neighbors import ExactIndex
from kinlens.neighbors.result import NEIGHBOR_METRICS
from neighbors.twin import BEGINNERS, check_neighbors


def indexed(data: np.ndarray, kernel: str | None = None) -> ExactIndex:
    index = ExactIndex(data.shape[1], kernel=kernel)
    index.append(data)
    return index


@pytest.mark.parametrize("q", [0, 1, 3])
def test_nothing_indexed(q: int) -> None:
    found = ExactIndex(5).search(np.zeros((q, 5)), 4)
    assert found.rows.shape == found.distances.shape == (q, 0)
    assert (found.certified, found.candidates) == (True, 0)


def test_no_vectors_are_appended() -> None:
    index = ExactIndex(5)
    assert index.append(np.empty((0, 5))).tolist() == []
    index.delete([])
    index.replace([], np.empty((0, 5)))
    assert (len(index), index.capacity, index.vectors([]).shape) == (0, 0, (0, 5))


def test_no_queries_and_k_of_0() -> None:
    index = indexed(np.ones((10, 3), np.float32))
    assert index.search(np.empty((0, 3)), 4).rows.shape == (0, 4)
    assert index.search(np.ones((2, 3)), 0).rows.shape == (2, 0)


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("k", [1, 99, 100, 10_000])
@pytest.mark.parametrize("kernel", BEGINNERS)
def test_more_neighbors_than_rows(kernel: str | None, k: int, metric: str) -> None:
    data = np.random.default_rng(0).standard_normal((100, 40)).astype(np.float32)
    found = indexed(data, kernel).search(data[:3], k, metric=metric)
    check_neighbors(found, data, data[:3], k, metric)


def test_k_of_thousands_among_many() -> None:
    data = np.random.default_rng(0).standard_normal((20_000, 40)).astype(np.float32)
    for k in (1000, 3000, 12_000):
        found = indexed(data).search(data[:2], k)
        check_neighbors(found, data, data[:2], k, "euclidean")


@pytest.mark.parametrize("kernel", BEGINNERS)
def test_one_row_of_one_number(kernel: str | None) -> None:
    found = indexed(np.array([[2.0]]), kernel).search([[5.0]], 3)
    assert (found.distances.tolist(), found.rows.tolist()) == ([[3.0]], [[0]])


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
def test_zero_queries_and_zero_vectors(metric: str) -> None:
    data = np.random.default_rng(0).standard_normal((4000, 64)).astype(np.float32)
    data[::3] = 0
    queries = np.concatenate([np.zeros((1, 64), np.float32), data[1:3]])
    found = indexed(data).search(queries, 6, metric=metric)
    check_neighbors(found, data, queries, 6, metric)
    if metric == "cosine":
        assert found.distances[0].tolist() == [1.0] * 6
    if metric in ("cosine", "inner"):
        assert found.rows[0].tolist() == list(range(6))
        assert not np.signbit(found.distances[0]).any()


def test_everything_deleted() -> None:
    index = indexed(np.ones((10, 3), np.float32))
    index.delete(np.arange(10))
    assert (len(index), index.capacity) == (0, 10)
    assert index.search(np.ones((1, 3)), 4).rows.shape == (1, 0)
    assert index.append(np.ones((1, 3))).tolist() == [10]
    assert index.search(np.ones((1, 3)), 4).rows.tolist() == [[10]]
