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

TOO_COARSE = {
    "huge": NEIGHBOR_METRICS,
    "tiny": NEIGHBOR_METRICS,
    "offset": ("cosine",),
}
LEFT_TO_OTHERS = {
    "few": {"huge": ("euclidean", "sqeuclidean", "inner")},
    "sketch": {
        "clusters": NEIGHBOR_METRICS,
        "duplicates": NEIGHBOR_METRICS,
        "huge": ("euclidean", "sqeuclidean", "inner"),
        "tiny": ("euclidean", "sqeuclidean", "inner"),
        "all_sizes": ("euclidean", "sqeuclidean", "inner"),
        "one_outlier": ("euclidean", "sqeuclidean", "inner"),
        "some_zero": NEIGHBOR_METRICS,
        "sparse": NEIGHBOR_METRICS,
        "offset": ("cosine",),
        "low_rank": ("cosine",),
    },
    "int8": {
        **TOO_COARSE,
        "duplicates": NEIGHBOR_METRICS,
        "one_outlier": NEIGHBOR_METRICS,
        "some_zero": ("euclidean", "sqeuclidean"),
        "all_sizes": ("cosine",),
    },
    "float32": TOO_COARSE,
    "float64": {},
}
"""Data and metrics of which a kernel answers no query: it can't hold them, or they defeat it."""
SHAPES = {"few": (3000, 48, 3), "sketch": (12_300, 160, 4)}
"""Rows, dimensions and queries that a kernel is for; (3000, 48, 6) for the others."""


def indexed(data: np.ndarray, kernel: str | None = None) -> ExactIndex:
    index = ExactIndex(data.shape[1], kernel=kernel)
    index.append(data)
    return index


def suited(data: np.ndarray, kernel: str, metric: str) -> np.ndarray:
    """Such data as the kernel is for: a spectrum that decays, unit length for cosines."""
    data = data.astype(np.float64)
    if kernel == "sketch":
        data = data / np.arange(1, data.shape[1] + 1)
    if metric == "cosine" and kernel in SHAPES:
        norms = np.linalg.norm(data, axis=1, keepdims=True)
        first = np.zeros_like(data)
        first[:, 0] = 1
        data = np.divide(data, norms, where=norms > 0, out=first)
    return data.astype(np.float32)


def test_kernels_that_are_tried_are_all_there_are() -> None:
    assert set(NAMES) - {"cuda"} == set(LEFT_TO_OTHERS) - (
        set() if products.is_fast() else {"few", "sketch", "int8"}
    )


@pytest.mark.parametrize("kernel", [name for name in NAMES if name != "cuda"])
@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_hard_data(make: Maker, metric: str, kernel: str) -> None:
    """Each kernel is asked what it is for, and it is this kernel that answers."""
    rng = np.random.default_rng(1)
    n, dim, q = SHAPES.get(kernel, (3000, 48, 6))
    data = suited(make(rng, n, dim), kernel, metric)
    others = suited(make(rng, q - q // 2, dim), kernel, metric)
    queries = np.concatenate([data[: q // 2], others])
    index = indexed(data, kernel)
    found = index.search(queries, 7, metric=metric)
    check_neighbors(found, data, queries, 7, metric)
    answered = kernel in found.kernel.split("+")
    assert answered == (metric not in LEFT_TO_OTHERS[kernel].get(make.__name__, ()))
    check_neighbors(index.search(others[:1], 7, metric=metric), data, others[:1], 7, metric)


@pytest.mark.parametrize("kernel", [name for name in NAMES if name not in {"few", "sketch"}])
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


@needs_int8
@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([make for make in MAKERS if make.__name__ != "huge"]),
    st.sampled_from(NEIGHBOR_METRICS),
    st.integers(2, 700),
    st.sampled_from([32, 33, 64, 100]),
    st.integers(1, 8),
    st.integers(1, 40),
    st.sampled_from([None, 0.1, 0.5]),
    st.integers(0, 2**32),
)
def test_any_shape_that_few_takes(
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
    q = min(q, 3) if share is None else q
    data = suited(make(rng, n, dim), "few", metric)
    queries = suited(make(rng, q, dim), "few", metric)
    mask = None if share is None else rng.random(n) < share
    if mask is not None:
        mask[0] = True
    found = indexed(data, "few").search(queries, k, metric=metric, mask=mask)
    assert found.kernel == "few"
    check_neighbors(found, data, queries, k, metric, mask)


@needs_int8
@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([make for make in MAKERS if make.__name__ not in LEFT_TO_OTHERS["sketch"]]),
    st.sampled_from(NEIGHBOR_METRICS),
    st.integers(12_300, 13_000),
    st.sampled_from([128, 160, 257]),
    st.integers(1, 70),
    st.integers(1, 40),
    st.integers(0, 2**32),
)
def test_any_shape_that_sketches_take(
    make: Maker, metric: str, n: int, dim: int, q: int, k: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    data = suited(make(rng, n, dim), "sketch", metric)
    queries = suited(make(rng, q, dim), "sketch", metric)
    found = indexed(data, "sketch").search(queries, k, metric=metric)
    assert "sketch" in found.kernel.split("+")
    check_neighbors(found, data, queries, k, metric)


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
