"""A closer look before float64 decides leaves less to decide on, and the same neighbors."""

from __future__ import annotations

import numpy as np
import pytest

from kinlens.neighbors import ExactIndex, decide, products
from kinlens.neighbors.result import NEIGHBOR_METRICS
from neighbors.hard_data import MAKERS, Maker, unit
from neighbors.twin import check_neighbors

needs_int8 = pytest.mark.skipif(not products.is_fast(), reason="NumKong has no code for this CPU")


@needs_int8
@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_hard_data_with_a_closer_look_at_everything(
    make: Maker, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "_MANY", 1)
    monkeypatch.setattr(decide, "_PART", 64 * 40)
    rng = np.random.default_rng(3)
    data = make(rng, 6000, 40).astype(np.float32)
    queries = np.concatenate([data[:2], make(rng, 2, 40).astype(np.float32)])
    index = ExactIndex(40, kernel="int8")
    for start in range(0, len(data), 2500):
        index.append(data[start : start + 2500])
    for some in (queries, queries[-1:]):
        found = index.search(some, 7, metric=metric)
        check_neighbors(found, data, some, 7, metric)


@needs_int8
def test_it_leaves_less_to_decide_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    # Of a tight cluster, codes that reach the others too can't tell who is the nearest.
    centers = unit(rng, 20, 128)
    data = centers[rng.integers(0, 20, 40_000)] + 0.03 * unit(rng, 40_000, 128)
    data, query = data.astype(np.float32), unit(rng, 1, 128).astype(np.float32)
    index = ExactIndex(128, kernel="int8")
    index.append(data)
    looked = index.search(query, 20)
    monkeypatch.setattr(decide, "_MANY", 10**9)
    plain = index.search(query, 20)
    assert looked.kernel == plain.kernel == "int8"
    assert looked.candidates < plain.candidates / 4
    np.testing.assert_array_equal(looked.rows, plain.rows)
    np.testing.assert_array_equal(looked.distances, plain.distances)
    check_neighbors(looked, data, query, 20, "euclidean")
