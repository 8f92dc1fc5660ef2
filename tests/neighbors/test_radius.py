"""All rows within a radius, against the slow twin."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from kinlens.errors import InvalidInput
from kinlens.neighbors import ExactIndex, Within, exact, products
from kinlens.neighbors.result import NEIGHBOR_METRICS
from neighbors.hard_data import MAKERS, Maker, clusters, unit

KERNELS = ("int8", "float32", "float64")


def made(maker: Maker, n: int, dim: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        return maker(np.random.default_rng(7), n, dim).astype(np.float32)


def indexed(data: np.ndarray, kernel: str | None = None) -> ExactIndex:
    index = ExactIndex(data.shape[1], kernel=kernel)
    index.append(data)
    return index


def check_within(
    found: Within,
    data: np.ndarray,
    queries: np.ndarray,
    radius: np.ndarray | float,
    metric: str,
    allowed: np.ndarray | None = None,
) -> None:
    """Assert that these are all of the allowed rows within the radius, to the last bit."""
    radius = np.broadcast_to(radius, len(queries))
    assert len(found) == len(queries)
    assert found.certified
    assert found.candidates >= len(found.rows) == len(found.distances)
    assert (found.distances.dtype, found.rows.dtype) == (np.float64, np.int64)
    for query, vector in enumerate(queries):
        truth = exact.distances(data, vector, metric)
        rows = np.arange(len(data)) if allowed is None else np.flatnonzero(allowed)
        rows = rows[truth[rows] <= radius[query]]
        rows = rows[np.lexsort((rows, truth[rows]))]
        distances, numbers = found.of(query)
        np.testing.assert_array_equal(numbers, rows)
        np.testing.assert_array_equal(distances, truth[rows])


def radii(data: np.ndarray, queries: np.ndarray, metric: str) -> list[np.ndarray]:
    """For each query distances that occur, so that the edge is hit, and what is just below."""
    sorted_ = np.sort([exact.distances(data, query, metric) for query in queries], axis=1)
    at = sorted_[:, len(data) // 50]
    return [at, np.nextafter(at, -np.inf), sorted_[:, 0], sorted_[:, -1]]


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("maker", MAKERS)
def test_all_that_float64_finds(maker: Maker, metric: str) -> None:
    data = made(maker, 900, 48)
    queries = np.concatenate([data[::300], made(maker, 2, 48)])
    for kernel in KERNELS if products.is_fast() else KERNELS[1:]:
        index = indexed(data, kernel)
        for radius in radii(data, queries, metric):
            found = index.within(queries, radius, metric=metric)
            check_within(found, data, queries, radius, metric)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_named_kernel_screens(kernel: str) -> None:
    if kernel == "int8" and not products.is_fast():
        pytest.skip("no code for this CPU")
    data = made(unit, 3000, 64)
    found = indexed(data, kernel).within(data[:3], 0.9)
    assert found.kernel == kernel
    assert (found.candidates == 9000) == (kernel == "float64")


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
def test_one_query_over_many_spans(metric: str) -> None:
    data = made(clusters, 30_000, 40)
    (radius, *_) = radii(data, data[:1], metric)
    check_within(
        indexed(data).within(data[:1], radius, metric=metric), data, data[:1], radius, metric
    )


def test_everything_is_within() -> None:
    data = made(unit, 5000, 40)
    queries = data[:130]
    found = indexed(data).within(queries, np.inf)
    check_within(found, data, queries, np.inf, "euclidean")
    assert len(found.rows) == 130 * 5000


def test_memory_is_bounded_by_the_answer() -> None:
    data = made(unit, 4000, 40)
    index, queries = indexed(data), np.repeat(data[:128], 3, axis=0)
    index.within(queries[:2], 1)  # packs
    tracemalloc.start()
    found = index.within(queries, np.inf)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2.5 * (found.rows.nbytes + found.distances.nbytes) + (32 << 20)


def test_a_screen_that_lets_too_much_through_is_left() -> None:
    # So far apart that one byte can't tell the members of a cluster.
    data = made(clusters, 6000, 40)
    queries = data[:200]
    found = indexed(data).within(queries, 0.05)
    check_within(found, data, queries, 0.05, "euclidean")
    assert found.candidates < 0.05 * len(queries) * len(data)


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
def test_masks_and_deleted_rows(metric: str) -> None:
    data = made(unit, 4000, 40)
    index = indexed(data)
    allowed = np.random.default_rng(0).random(4000) < 0.3
    gone = np.flatnonzero(allowed)[::3]
    index.delete(gone)
    left = allowed.copy()
    left[gone] = False
    radius = {"euclidean": 1.2, "sqeuclidean": 1.4, "cosine": 0.8, "inner": -0.2}[metric]
    for count in (1, 20):
        queries = data[:count]
        found = index.within(queries, radius, metric=metric, mask=allowed)
        check_within(found, data, queries, radius, metric, left)
    assert len(index.within(data[:2], np.inf, mask=np.zeros(4000, bool)).rows) == 0


def test_replaced_rows_keep_their_numbers() -> None:
    data = made(unit, 4000, 40)
    index = indexed(data)
    order = np.random.default_rng(0).permutation(4000)[:1000]
    index.replace(order, data[order[::-1]])
    moved = data.copy()
    moved[order] = data[order[::-1]]
    check_within(index.within(data[:9], 1.3), moved, data[:9], 1.3, "euclidean")


def test_nothing_there_and_nothing_asked() -> None:
    index = ExactIndex(5)
    found = index.within(np.zeros((2, 5)), 3)
    assert (found.begins.tolist(), found.kernel, found.candidates) == ([0, 0, 0], "none", 0)
    index.append(np.ones((3, 5)))
    assert index.within(np.empty((0, 5)), 3).begins.tolist() == [0]
    assert index.within(np.zeros(5), 0).begins.tolist() == [0, 0]
    assert index.within(np.ones(5), 0).rows.tolist() == [0, 1, 2]


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine"])
@pytest.mark.parametrize("n", [3, 5000])
def test_no_distance_is_negative(n: int, metric: str) -> None:
    data = made(unit, n, 40)
    assert len(indexed(data).within(data[:3], -0.5, metric=metric).rows) == 0
    assert len(indexed(data).within(data[:3], -np.inf, metric=metric).rows) == 0


def test_a_radius_for_each_query() -> None:
    data = np.arange(10, dtype=np.float32)[:, np.newaxis]
    found = indexed(data).within([[0], [5]], [2, 1])
    assert found.begins.tolist() == [0, 3, 6]
    assert found.rows.tolist() == [0, 1, 2, 5, 4, 6]
    assert found.of(1)[0].tolist() == [0, 1, 1]


@pytest.mark.parametrize("radius", [np.nan, "far", None, [1, 2], [[1]], 1j, [1, np.nan, 1]])
def test_bad_radius(radius: object) -> None:
    with pytest.raises(InvalidInput, match="The radius is a number, or 3 of them"):
        indexed(np.ones((4, 2), np.float32)).within(np.ones((3, 2)), radius)
