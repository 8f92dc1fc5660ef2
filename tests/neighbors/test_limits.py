"""Limits that are hoped for make searches cheaper, and are found out where they don't come true."""

from __future__ import annotations

import numpy as np
import pytest

from kinlens.neighbors import ExactIndex, products
from kinlens.neighbors.kernels import sketch
from kinlens.neighbors.kernels.limits import Limits
from neighbors.test_sketches import indexed, spread
from neighbors.twin import check_neighbors

needs_int8 = pytest.mark.skipif(not products.is_fast(), reason="NumKong has no code for this CPU")
NONE = np.full(2, np.inf)


def sorted_keys(*keys: list[float]) -> np.ndarray:
    return np.array(keys, np.float64)


def test_what_is_seen_of_all_rows_is_certain() -> None:
    limits = Limits(NONE, k=3, rows=100)
    limits.see(100)
    limits.improve(np.array([0, 0, 0, 0]), np.array([4.0, 2, 9, 3]), np.array([1, 3, 0, 2]))
    assert limits.values.tolist() == [4, np.inf]
    assert not limits.missed.any()


def test_of_a_tenth_of_the_rows_a_lower_limit_is_hoped_for() -> None:
    keys = np.arange(1.0, 41)
    limits = Limits(NONE, k=40, rows=1000)
    limits.begin(1, keys[np.newaxis, ::-1], rows=100)
    # About 4 of the 40 nearest are among them; the limit leaves room for chance.
    assert limits.values[0] == np.inf
    assert 5 < limits.values[1] < 20
    assert limits.certain(np.array([False, True])) == [40]
    assert limits.missed.tolist() == [False, True]


def test_without_hope_limits_are_certain() -> None:
    limits = Limits(NONE, k=40, rows=None)
    limits.begin(0, np.tile(np.arange(1.0, 41), (2, 1)), rows=100)
    assert limits.values.tolist() == [40, 40]
    assert not limits.missed.any()


@pytest.mark.parametrize(("kth", "missed"), [(6.0, False), (17.0, True)])
def test_in_the_end_a_hope_has_come_true_or_not(kth: float, missed: bool) -> None:
    limits = Limits(np.full(1, np.inf), k=40, rows=1000)
    limits.begin(0, np.arange(1.0, 41)[np.newaxis], rows=100)
    hoped = limits.values[0]
    assert 6 < hoped < 17
    assert limits.close(np.array([kth])) == (-np.inf if missed else kth)
    assert limits.missed == missed
    assert limits.values[0] == hoped


def test_limits_never_rise() -> None:
    limits = Limits(np.array([5.0, 1]), k=1, rows=None)
    limits.improve(np.array([0, 1]), np.array([4.0, 3]), np.array([0, 1]))
    assert limits.values.tolist() == [4, 1]


def test_lost_queries_are_not_missed() -> None:
    limits = Limits(NONE, k=2, rows=1000)
    limits.begin(0, sorted_keys([1, 2], [3, 4]), rows=1)
    limits.give_up(np.array([True, False]))
    assert limits.values[0] == -np.inf
    assert not limits.missed[0]


@needs_int8
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("queries", [1, 30])
def test_all_neighbors_in_the_first_chunk_are_found(
    queries: int, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    data = spread(rng, 40_000)
    asked = spread(rng, queries)
    k = 25
    distance = np.linalg.norm(data - asked[0], axis=1)
    # So many in the chunk that is looked at first leave hope for far nearer ones elsewhere.
    data = np.concatenate([data[np.argsort(distance)[:200]], data])
    index = indexed(data, len(data))
    again: list[int] = []
    looked = sketch._found

    def counted(task: sketch.Task, limits: Limits) -> sketch.Shortlist:
        again.append(len(task.queries))
        return looked(task, limits)

    monkeypatch.setattr(sketch, "_found", counted)
    found = index.search(asked, k, metric=metric)
    assert found.kernel == "sketch"
    assert len(index._snapshot.chunks) > 1
    assert again[0] == queries
    assert len(again) == 2
    check_neighbors(found, data, asked, k, metric)


@needs_int8
@pytest.mark.parametrize("metric", ["sqeuclidean", "inner"])
def test_in_order_of_likeness(metric: str) -> None:
    rng = np.random.default_rng(6)
    data = spread(rng, 40_000)
    data = data[np.argsort(data @ data[0])]
    asked = data[:: len(data) // 60].copy()
    check_neighbors(
        indexed(data, len(data)).search(asked, 12, metric=metric), data, asked, 12, metric
    )


@needs_int8
def test_filters_may_keep_one_end_only() -> None:
    rng = np.random.default_rng(7)
    data, asked = spread(rng, 60_000), spread(rng, 12)
    for keep in (slice(0, 20_000), slice(40_000, None)):
        mask = np.zeros(len(data), np.bool_)
        mask[keep] = True
        index: ExactIndex = indexed(data, len(data))
        found = index.search(asked, 10, mask=mask)
        check_neighbors(found, data, asked, 10, "euclidean", mask)
