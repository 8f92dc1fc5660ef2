"""Few rows are looked at where they lie, whatever keeps them few, and none is lost."""

from __future__ import annotations

import numpy as np
import pytest

from kinlens.neighbors import ExactIndex, products
from kinlens.neighbors.result import NEIGHBOR_METRICS
from neighbors.hard_data import MAKERS, Maker, unit
from neighbors.twin import check_neighbors

pytestmark = pytest.mark.skipif(not products.is_fast(), reason="NumKong has no code for this CPU")


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_filters_of_hard_data(make: Maker, metric: str) -> None:
    rng = np.random.default_rng(1)
    data = make(rng, 30_000, 40).astype(np.float32)
    mask = rng.random(len(data)) < 0.02
    queries = np.concatenate([data[:2], make(rng, 1, 40).astype(np.float32)])
    index = ExactIndex(40, kernel="few")
    for start in range(0, len(data), 6000):
        index.append(data[start : start + 6000])
    found = index.search(queries, 9, metric=metric, mask=mask)
    check_neighbors(found, data, queries, 9, metric, mask)


@pytest.mark.parametrize("rows", [1, 7, 40, 3000])
@pytest.mark.parametrize("k", [1, 5, 5000])
@pytest.mark.parametrize("kernel", ["few", None])
def test_small_indexes(kernel: str | None, rows: int, k: int) -> None:
    data = unit(np.random.default_rng(2), rows, 64).astype(np.float32)
    index = ExactIndex(64, kernel=kernel)
    index.append(data)
    found = index.search(data[:1], k, metric="cosine")
    assert found.kernel == ("few" if kernel or rows > 2048 else "float64")
    check_neighbors(found, data, data[:1], k, "cosine")


@pytest.mark.parametrize("kernel", [None, "float64"])
def test_a_handful_that_passes_a_filter_is_decided_on_at_once(kernel: str | None) -> None:
    rng = np.random.default_rng(7)
    data = unit(rng, 40_000, 32).astype(np.float32)
    index = ExactIndex(32, kernel=kernel)
    for start in range(0, len(data), 7000):
        index.append(data[start : start + 7000])
    index.delete(np.arange(0, 40_000, 3))
    alive = np.arange(40_000) % 3 > 0
    mask = rng.random(len(data)) < 0.01
    found = index.search(data[:9], 12, mask=mask)
    assert (found.kernel, found.candidates) == ("float64", 9 * (mask & alive).sum())
    check_neighbors(found, data, data[:9], 12, "euclidean", mask & alive)


def test_duplicates_tie_by_the_lower_row() -> None:
    data = np.repeat(unit(np.random.default_rng(3), 20, 64), 400, axis=0).astype(np.float32)
    data = np.random.default_rng(4).permutation(data)
    index = ExactIndex(64)
    index.append(data)
    found = index.search(data[:2], 30)
    for query, rows in enumerate(found.rows):
        same = np.flatnonzero((data == data[query]).all(axis=1))
        np.testing.assert_array_equal(rows, same[:30])


def test_rows_that_were_deleted_or_replaced() -> None:
    rng = np.random.default_rng(5)
    data = unit(rng, 5000, 48).astype(np.float32)
    index = ExactIndex(48)
    index.append(data)
    index.delete(np.arange(0, 5000, 2))
    data[1:1000:2] = unit(rng, 500, 48)
    index.replace(np.arange(1, 1000, 2), data[1:1000:2])
    alive = np.arange(5000) % 2 == 1
    found = index.search(data[:6], 8)
    assert found.kernel == "few"
    check_neighbors(found, data, data[:6], 8, "euclidean", alive)


def test_chunks_about_several_centers_are_left_to_others() -> None:
    rng = np.random.default_rng(6)
    data = np.concatenate([unit(rng, 16_384, 48) + 3, unit(rng, 16_384, 48) - 3]).astype(np.float32)
    index = ExactIndex(48, kernel="few")
    index.append(data[:16_384])
    index.append(data[16_384:])
    mask = rng.random(len(data)) < 0.01
    for queries in (data[:3], data[:40]):
        found = index.search(queries, 4, mask=mask)
        assert "few" not in found.kernel
        check_neighbors(found, data, queries, 4, "euclidean", mask)
