"""Memory is used again, but never by two at once."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from kinlens.neighbors import ExactIndex, desk, exact
from kinlens.neighbors.desk import Desk, at_desk
from kinlens.neighbors.result import NEIGHBOR_METRICS


def test_the_next_array_for_a_purpose_lies_in_the_same_place() -> None:
    mine = Desk()
    first = mine.array("a", (30, 40), np.float32)
    second = mine.array("a", (7, 5), np.float64)
    other = mine.array("b", (30, 40), np.float32)
    assert (second.shape, second.dtype) == ((7, 5), np.float64)
    assert np.shares_memory(first, second)
    assert not np.shares_memory(first, other)
    assert first.ctypes.data % 64 == 0
    assert mine.array("a", (0, 40), np.bool_).shape == (0, 40)
    assert mine.array("a", (300, 40), np.float32).shape == (300, 40)


def test_nobody_works_at_the_desk_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "_FREE", [])
    with at_desk() as one, at_desk() as two:
        assert one is not two
    with at_desk() as again:
        assert again in (one, two)
        met: list[Desk] = []

        def work() -> None:
            with at_desk() as theirs:
                met.append(theirs)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert met[0] is not again


def test_what_is_large_is_given_back() -> None:
    with at_desk() as mine:
        large = mine.array("large", (4 << 20,), np.float32)
        small = mine.array("small", (1 << 10,), np.float32)
    assert not np.shares_memory(large, mine.array("large", (1,), np.float32))
    assert np.shares_memory(small, mine.array("small", (1,), np.float32))


def test_many_who_search_at_once_keep_few_desks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "_FREE", [])
    data = np.random.default_rng(0).standard_normal((3000, 64)).astype(np.float32)
    index = ExactIndex(64)
    index.append(data)
    truth = index.search(data[:40], 5)
    wrong: list[int] = []

    def search(turn: int) -> None:
        for _ in range(20):
            found = index.search(data[turn : turn + 12], 5)
            if not (
                np.array_equal(found.rows, truth.rows[turn : turn + 12])
                and np.array_equal(found.distances, truth.distances[turn : turn + 12])
            ):
                wrong.append(turn)

    threads = [threading.Thread(target=search, args=(turn,)) for turn in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert 0 < len(desk._FREE) <= 2 * desk.WORKERS.threads


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("times", [1, 3, 40, 700])
@pytest.mark.parametrize("dim", [1, 5, 300])
def test_queries_of_several_vectors_each(
    dim: int, times: int, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact, "_PART", 20_000)
    rng = np.random.default_rng(dim * times)
    vectors = rng.standard_normal((3 * times, dim)).astype(np.float32)
    vectors[::7] = 0
    queries = rng.standard_normal((3, dim)).astype(np.float32)
    kept = vectors.copy(), queries.copy()
    found = exact.distances(vectors, queries, metric)
    each = np.repeat(queries, times, axis=0)
    np.testing.assert_array_equal(found, exact.distances(vectors, each, metric))
    for query in range(3):
        part = slice(query * times, (query + 1) * times)
        alone = exact.distances(vectors[part], queries[query], metric)
        np.testing.assert_array_equal(found[part], alone)
    np.testing.assert_array_equal(vectors, kept[0])
    np.testing.assert_array_equal(queries, kept[1])


def test_no_vectors_and_no_queries() -> None:
    none = np.empty((0, 4), np.float32)
    assert exact.distances(none, none, "cosine").shape == (0,)
    assert exact.distances(none, np.ones(4, np.float32), "cosine").shape == (0,)
