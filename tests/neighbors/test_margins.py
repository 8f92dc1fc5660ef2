"""The margin of rounding holds for every pair, and is no wider than it needs to be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kinlens.neighbors import exact
from kinlens.neighbors.margins import Rounding
from kinlens.neighbors.precise import PreciseIndex
from kinlens.neighbors.result import NEIGHBOR_METRICS
from neighbors.hard_data import Maker
from neighbors.test_precise import DOUBLES


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("maker", DOUBLES)
def test_no_image_is_beyond_its_limit(maker: Maker, metric: str) -> None:
    rng = np.random.default_rng(1)
    data = maker(rng, 300, 17).astype(np.float64)
    queries = np.concatenate([data[::50], maker(rng, 3, 17)]).astype(np.float64)
    rounding = Rounding.of(data, metric)
    images, residual, reach = rounding.rounded(data)
    rounding = Rounding(metric, rounding.exponent, rounding.center, residual, reach, False)
    seen = rounding.images(queries)
    for position, query in enumerate(queries):
        if not seen.fits[position]:
            continue
        screened = exact.distances(images, seen.vectors[position], rounding.screen_metric)
        distances = exact.wide_distances(data, np.broadcast_to(query, data.shape), metric)
        limits = [seen.limit(np.full(len(queries), distance))[position] for distance in distances]
        assert (screened <= limits).all()


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
def test_the_margin_is_that_of_float32(metric: str) -> None:
    data = np.random.default_rng(2).standard_normal((300, 64))
    rounding = Rounding.of(data, metric)
    _, residual, reach = rounding.rounded(data)
    assert residual < 2.0**-24 * reach
    seen = Rounding(metric, rounding.exponent, rounding.center, residual, reach, False)
    assert (seen.images(data).margin < 2.0**-22 * (1 + reach) ** 2 * 8).all()


def test_a_great_mean_costs_nothing() -> None:
    data = np.random.default_rng(3).standard_normal((300, 64))
    plain, moved = (Rounding.of(data + mean, "euclidean").rounded(data + mean) for mean in (0, 1e9))
    scale = 2.0**30 / 4
    assert moved[1] * scale < 4 * plain[1]


numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
vectors = arrays.arrays(np.float64, (9, 2), elements=numbers)


too_far = np.array([[1.2e308, 1e300], *[[1.0, 0.0]] * 7, [-1.2e308, -1e300]])


@settings(max_examples=150, deadline=None)
@example(too_far, "euclidean", 3, False)
@given(vectors, st.sampled_from(NEIGHBOR_METRICS), st.integers(1, 8), st.booleans())
def test_any_numbers_at_all(data: np.ndarray, metric: str, k: int, narrow: bool) -> None:
    rows, queries = data[:8], data[8:]
    if narrow:
        with np.errstate(over="ignore"):
            rows = np.nan_to_num(rows.astype(np.float32))
    wide = rows.astype(np.float64)
    truth = exact.wide_distances(wide, np.broadcast_to(queries, wide.shape), metric)
    order = np.lexsort((np.arange(8), truth))
    index = PreciseIndex(rows, metric)
    found = index.search(queries, k)
    np.testing.assert_array_equal(found.rows[0], order[:k])
    np.testing.assert_array_equal(found.distances[0], truth[order[:k]])
    ball = index.within(queries, truth[order[k - 1]])
    inside = order[truth[order] <= truth[order[k - 1]]]
    np.testing.assert_array_equal(ball.rows, inside)
