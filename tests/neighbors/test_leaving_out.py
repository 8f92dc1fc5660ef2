"""Leaving out what is too near finds what a look at every pair finds, however much that is."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinlens.neighbors import ExactIndex, exact, leaving_out
from kinlens.neighbors.leaving_out import NOBODY, search_leaving_out
from kinlens.neighbors.result import NeighborMetric
from neighbors.twin import BEGINNERS

METRICS = get_args(NeighborMetric)


def twin(vectors, queries, k, metric, own, least, mask):
    distances = np.full((len(queries), k), np.inf)
    rows = np.full((len(queries), k), NOBODY)
    for place, query in enumerate(queries):
        found = exact.distances(vectors, query, metric)
        counts = mask & (found >= least) & (np.arange(len(vectors)) != own[place])
        best = sorted(np.flatnonzero(counts), key=lambda row: (found[row], row))[:k]
        distances[place, : len(best)], rows[place, : len(best)] = found[best], best
    return distances, rows


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 300),
    dim=st.integers(1, 40),
    k=st.integers(1, 9),
    kinds=st.integers(1, 300),
    metric=st.sampled_from(METRICS),
    share=st.floats(0, 1.1),
    size=st.sampled_from([1e-12, 1.0, 1e9]),
    seed=st.integers(0, 99),
    kernel=st.sampled_from(BEGINNERS),
)
def test_as_by_the_definition(count, dim, k, kinds, metric, share, size, seed, kernel):
    rng = np.random.default_rng(seed)
    vectors = (size * rng.standard_normal((kinds, dim))).astype(np.float32)
    vectors = vectors[rng.integers(0, kinds, count)]
    vectors[rng.random(count) < 0.02] = 0
    mask = rng.random(count) < 0.8
    own = np.where(rng.random(count) < 0.9, np.arange(count), NOBODY)[:50]
    queries = vectors[:50].copy()
    queries[rng.random(len(queries)) < 0.2] *= -1
    every = np.concatenate([exact.distances(vectors, query, metric) for query in queries])
    least = float(np.quantile(every, min(share, 1)) * (1 if share <= 1 else 2))
    index = ExactIndex(dim, kernel=kernel)
    index.append(vectors)
    found = search_leaving_out(
        index, queries, k, metric=metric, own=own, min_distance=least, mask=mask
    )
    distances, rows = twin(vectors, queries, k, metric, own, least, mask)
    np.testing.assert_array_equal(found.distances, distances)
    np.testing.assert_array_equal(found.rows, rows)
    assert found.certified


def test_rows_and_queries_by_the_block(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leaving_out, "_ROWS", 64)
    monkeypatch.setattr(leaving_out, "_CELLS", 640)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((1000, 8)).astype(np.float32)
    index = ExactIndex(8)
    index.append(vectors)
    own, mask = np.arange(40), np.ones(1000, np.bool_)
    found = search_leaving_out(
        index, vectors[:40], 5, metric="cosine", own=own, min_distance=1.0, mask=None
    )
    distances, rows = twin(vectors, vectors[:40], 5, "cosine", own, 1.0, mask)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.distances, distances)


@pytest.mark.parametrize("least", [0.9, 1.9])
def test_where_most_is_too_near_few_are_decided_on(least: float):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3000, 16)).astype(np.float32)
    index = ExactIndex(16)
    index.append(vectors)
    found = search_leaving_out(
        index, vectors[:20], 5, metric="cosine", own=np.arange(20), min_distance=least
    )
    assert found.candidates < 20 * 3000 / 4
