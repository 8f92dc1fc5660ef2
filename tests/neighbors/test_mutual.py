"""Products that serve two vectors give what a search for each of them gives."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from kinlens import NearestNeighbors, stream_neighbors
from kinlens.neighbors import ExactIndex, NeighborMetric, all_pairs, mutual
from kinlens.neighbors.desk import Desk
from kinlens.neighbors.leaving_out import Others, search_leaving_out
from kinlens.neighbors.mutual_keys import Block
from kinlens.neighbors.result import NEIGHBOR_METRICS, Neighbors, stacked

COUNT, DIM, K = 17_000, 48, 4
"""So many rows are in two chunks, and enough for it to be used."""
FEWER = 5000


@pytest.fixture
def for_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is used for a third of the rows, too, which takes a tenth of the time."""
    monkeypatch.setattr(mutual, "_LEAST_ROWS", FEWER)


def unit_vectors(count: int = COUNT, dim: int = DIM) -> np.ndarray:
    vectors = np.random.default_rng(5).standard_normal((count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def of_many_lengths(count: int = COUNT) -> np.ndarray:
    lengths = np.random.default_rng(6).lognormal(0, 0.5, (count, 1))
    return (unit_vectors(count) * lengths).astype(np.float32)


def in_order_of_kind(count: int = COUNT) -> np.ndarray:
    kinds = np.sort(np.random.default_rng(7).integers(0, 40, count))
    vectors = unit_vectors(40)[kinds] + 0.1 * unit_vectors(count)
    vectors[3000:3400] = vectors[3000]
    vectors[[0, count // 2, count - 1]] = vectors[5]
    return vectors


def far_away(count: int = COUNT) -> np.ndarray:
    return unit_vectors(count) + np.float32(3)


DATA = {make.__name__: make for make in (unit_vectors, of_many_lengths, in_order_of_kind, far_away)}


def indexed(vectors: np.ndarray, kernel: str | None = None) -> ExactIndex:
    index = ExactIndex(vectors.shape[1], kernel=kernel)
    index.append(vectors)
    return index


def searched(index: ExactIndex, metric: NeighborMetric, begin: int) -> tuple[Neighbors, int]:
    """What is found, and for how many rows it can't be told."""
    search = index.mutual(K, metric)
    assert search is not None
    parts, first, lost = [], begin, 0
    for size, decided in search(begin).run():
        rows = np.arange(first, first + size)
        if decided is None:
            parts.append(index.search(index.vectors(rows), K, metric=metric))
            lost += size
        else:
            parts.append(Neighbors(decided.distances, decided.rows, True, "float32", 0))
        first += size
    assert first == len(index)
    return stacked(parts), lost


def check_beside_a_search(vectors: np.ndarray, metric: NeighborMetric, begin: int) -> int:
    """For how many rows it couldn't be told."""
    index = indexed(vectors, "float32")
    found, lost = searched(index, metric, begin)
    expected = index.search(vectors[begin:], K, metric=metric)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.distances, expected.distances)
    return lost


@pytest.mark.parametrize("begin", [0, 3000])
@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("kind", DATA)
def test_the_neighbors_are_those_of_a_search(
    kind: str, metric: NeighborMetric, begin: int, for_fewer: None
) -> None:
    lost = check_beside_a_search(DATA[kind](FEWER), metric, begin)
    if kind in {"unit_vectors", "of_many_lengths"}:
        assert lost == 0


@pytest.mark.parametrize("begin", [0, 16_384])
def test_so_they_are_among_several_chunks(begin: int) -> None:
    check_beside_a_search(in_order_of_kind(), "euclidean", begin)


def test_few_candidates_are_left() -> None:
    search = indexed(unit_vectors(20_000, 256)).mutual(20, "cosine")
    assert search is not None
    decided = [decided for _, decided in search(0).run()]
    assert sum(one.candidates for one in decided if one is not None) < 20_000 * 21


def test_where_estimates_are_too_coarse_others_search() -> None:
    """Vectors that differ by less than float32 products can tell."""
    vectors = np.ones((COUNT, DIM), np.float32)
    vectors[:, 0] += np.linspace(0, 1e-3, COUNT, dtype=np.float32)
    index = indexed(vectors)
    assert searched(index, "euclidean", 16_000)[1] > 0
    found = stacked(list(all_pairs.search_all(index, K, metric="euclidean", begin=15_000)))
    expected = indexed(vectors, "float64").search(vectors[15_000::50], K)
    np.testing.assert_array_equal(found.rows[::50], expected.rows)


def test_what_is_hopeless_is_given_up_before_it_costs_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Products of short vectors with very long ones: float32 can't tell which are the most."""
    lengths = np.random.default_rng(6).lognormal(0, 3, (COUNT, 1))
    index = indexed((unit_vectors() * lengths).astype(np.float32))
    made, keys = [], Block.keys

    def counted(self: Block, scaled: np.ndarray, other: Block, desk: Desk) -> np.ndarray:
        made.append(len(self) * len(other))
        return keys(self, scaled, other, desk)

    monkeypatch.setattr(Block, "keys", counted)
    assert searched(index, "inner", 0)[1] == COUNT
    assert sum(made) < COUNT * COUNT / 10


@pytest.mark.parametrize(
    ("kernel", "k", "metric"),
    [("int8", K, "cosine"), (None, DIM, "cosine"), (None, 0, "cosine"), (None, K, "cosine")],
)
def test_it_is_used_only_where_it_can_be(
    kernel: str | None, k: int, metric: NeighborMetric
) -> None:
    vectors = unit_vectors()
    vectors[100] = 0  # has no direction
    assert indexed(vectors, kernel).mutual(k, metric) is None


def test_it_is_not_used_for_few_rows_or_changed_ones() -> None:
    index = indexed(unit_vectors(5000))
    assert index.mutual(K, "euclidean") is None
    index = indexed(unit_vectors())
    assert index.mutual(K, "euclidean") is not None
    index.replace([7], unit_vectors(1))
    assert index.mutual(K, "euclidean") is None


@pytest.mark.parametrize("begin", [0, 3000])
def test_all_rows_are_answered_in_order_whoever_is_faster(begin: int, for_fewer: None) -> None:
    vectors = in_order_of_kind(FEWER)
    index = indexed(vectors)
    found = stacked(list(all_pairs.search_all(index, K, metric="cosine", begin=begin)))
    expected = index.search(vectors[begin:], K, metric="cosine")
    np.testing.assert_array_equal(found.rows, expected.rows)


@pytest.mark.parametrize("clock", [0.0, 1.0])
def test_the_clock_tells_which_way_to_go(
    clock: float, monkeypatch: pytest.MonkeyPatch, for_fewer: None
) -> None:
    """By a clock that stands still while others search, or runs while they do."""
    ticks = itertools.chain([0.0, 1 - clock], itertools.count(0.0, clock))
    monkeypatch.setattr(all_pairs, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    index = indexed(unit_vectors(FEWER))
    runs = [len(run.rows) for run in all_pairs.search_all(index, K, metric="cosine")]
    assert sum(runs) == FEWER
    assert (mutual.BLOCK in runs[2:]) == (clock == 0)


def test_others_are_given_in_any_pieces(for_fewer: None) -> None:
    vectors = in_order_of_kind(FEWER)
    index, others, candidates = indexed(vectors), Others(K, "euclidean"), 0
    for start, stop in [(0, 1), (1, 3000), (3000, 3100), (4500, FEWER), (300, 302)]:
        found = others.take(index, start, stop)
        own = np.arange(start, stop)
        expected = search_leaving_out(index, vectors[own], K, metric="euclidean", own=own)
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.distances, expected.distances)
        candidates += found.candidates
    assert candidates >= FEWER


def test_every_door_finds_the_same(for_fewer: None) -> None:
    vectors = in_order_of_kind(FEWER)
    own = np.arange(FEWER)
    expected = search_leaving_out(indexed(vectors), vectors, K, metric="euclidean", own=own)
    streamed = stream_neighbors(vectors, k=K)
    np.testing.assert_array_equal(streamed.rows, expected.rows)
    fitted = NearestNeighbors(n_neighbors=K).fit(vectors)
    distances, _ = fitted.kneighbors()
    np.testing.assert_array_equal(distances, expected.distances)
