"""Every kernel finds what float64 finds, on kind data and on data made to defeat it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinlens.errors import InvalidInput
from kinlens.neighbors import ExactIndex, products
from kinlens.neighbors.kernels import KERNELS
from kinlens.neighbors.result import NEIGHBOR_METRICS
from neighbors.hard_data import MAKERS, Maker, unit
from neighbors.twin import check_neighbors

NAMES = [kernel.name for kernel in KERNELS if not kernel.missing()]
needs_int8 = pytest.mark.skipif(not products.is_fast(), reason="NumKong has no code for this CPU")


def indexed(data: np.ndarray, kernel: str | None = None) -> ExactIndex:
    index = ExactIndex(data.shape[1], kernel=kernel)
    index.append(data)
    return index


@pytest.mark.parametrize("kernel", NAMES)
@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_hard_data(make: Maker, metric: str, kernel: str) -> None:
    rng = np.random.default_rng(1)
    data = make(rng, 3000, 48).astype(np.float32)
    queries = np.concatenate([data[:3], make(rng, 3, 48).astype(np.float32)])
    index = indexed(data, kernel)
    check_neighbors(index.search(queries, 7, metric=metric), data, queries, 7, metric)
    check_neighbors(index.search(queries[4:5], 7, metric=metric), data, queries[4:5], 7, metric)


@pytest.mark.parametrize("kernel", NAMES)
@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(MAKERS),
    st.sampled_from(NEIGHBOR_METRICS),
    st.integers(1, 700),
    st.sampled_from([1, 2, 31, 33, 64, 100]),
    st.integers(1, 70),
    st.integers(1, 40),
    st.sampled_from([None, 0.0, 0.02, 0.5]),
    st.integers(0, 2**32),
)
def test_any_shape(
    kernel: str,
    make: Maker,
    metric: str,
    n: int,
    dim: int,
    q: int,
    k: int,
    share: float | None,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    data, queries = make(rng, n, dim).astype(np.float32), make(rng, q, dim).astype(np.float32)
    mask = None if share is None else rng.random(n) < share
    found = indexed(data, kernel).search(queries, k, metric=metric, mask=mask)
    check_neighbors(found, data, queries, k, metric, mask)


@pytest.mark.parametrize("q", [1, 3, 130])
@pytest.mark.parametrize("dim", [1, 40, 4099])
def test_many_chunks_and_long_vectors(dim: int, q: int) -> None:
    rng = np.random.default_rng(2)
    n = 40_000 if dim < 100 else 5000
    data = rng.standard_normal((n, dim), dtype=np.float32)
    queries = rng.standard_normal((q, dim), dtype=np.float32)
    oracle = indexed(data, "float64").search(queries[:10], 12)
    found = indexed(data).search(queries, 12)
    np.testing.assert_array_equal(found.rows[:10], oracle.rows)
    np.testing.assert_array_equal(found.distances[:10], oracle.distances)


@needs_int8
@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
def test_int8_decides_on_few(metric: str) -> None:
    rng = np.random.default_rng(3)
    data = unit(rng, 20_000, 128).astype(np.float32)
    found = indexed(data).search(data[:8], 10, metric=metric)
    assert found.kernel == "int8"
    assert found.candidates < 8 * 150


@needs_int8
def test_what_int8_loses_goes_to_a_finer_kernel() -> None:
    rng = np.random.default_rng(4)
    data = unit(rng, 1, 256) + 3e-3 * unit(rng, 5000, 256)
    data = np.concatenate([data, unit(rng, 5000, 256)]).astype(np.float32)
    queries = data[[0, 9000]]
    found = indexed(data).search(queries, 5)
    assert found.kernel == "int8+float32"
    check_neighbors(found, data, queries, 5, "euclidean")


def test_a_kernel_that_always_loses_is_left_out_for_a_while() -> None:
    data = np.ones((20_000, 64), np.float32)
    index = indexed(data)
    kernels = [index.search(data[:1], 3).kernel for _ in range(40)]
    assert set(kernels) == {"float64"}
    taken = index.search(data[:2], 3)
    assert taken.rows.tolist() == [[0, 1, 2], [0, 1, 2]]


def test_without_numkong_float32_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "is_fast", lambda: False)
    rng = np.random.default_rng(5)
    data = unit(rng, 5000, 64).astype(np.float32)
    found = indexed(data).search(data[:4], 3, metric="cosine")
    assert found.kernel == "float32"
    check_neighbors(found, data, data[:4], 3, "cosine")


def test_thousands_of_duplicates_tie_by_the_lower_row() -> None:
    rng = np.random.default_rng(6)
    data = unit(rng, 12_000, 64).astype(np.float32)
    same = rng.permutation(12_000)[:5000]
    data[same] = data[same[0]]
    found = indexed(data).search(data[same[:1]], 50, metric="cosine")
    np.testing.assert_array_equal(found.rows[0], np.sort(same)[:50])
    assert (found.distances == found.distances[0, 0]).all()


def test_unknown_kernel() -> None:
    with pytest.raises(InvalidInput, match="one of cuda, few, sketch, int8, float32, float64"):
        ExactIndex(3, kernel="int7")
