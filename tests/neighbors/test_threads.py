"""Many readers and a writer: every answer is of one moment, and no row is half of two."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kinlens.neighbors import ExactIndex, workers
from kinlens.neighbors.kernels.float32 import Float32Kernel
from kinlens.neighbors.result import NeighborMetric
from kinlens.neighbors.task import Shortlist, Task
from neighbors.twin import check_neighbors

DIM = 64
ROWS = 5000


def version(row: np.ndarray, turn: int) -> np.ndarray:
    """float32 (n, DIM): the vector of a row at a turn, the same number all along."""
    value = row.astype(np.float32) + np.float32(turn) * 100_000
    return np.repeat(value[:, None], DIM, axis=1)


def run_beside(write: Callable[[], None], read: Callable[[], None], readers: int = 4) -> None:
    done = threading.Event()

    def reading() -> int:
        reads = 0
        while not done.is_set() or not reads:
            read()
            reads += 1
        return reads

    with ThreadPoolExecutor(readers) as pool:
        futures = [pool.submit(reading) for _ in range(readers)]
        try:
            write()
        finally:
            done.set()
        assert all(future.result() for future in futures)


@pytest.mark.parametrize("kernel", [None, "float32"])
def test_rows_are_never_torn(kernel: str | None) -> None:
    index = ExactIndex(DIM, kernel=kernel)
    rows = index.append(version(np.arange(ROWS), 0))

    def write() -> None:
        for turn in range(1, 25):
            some = np.random.default_rng(turn).permutation(rows)[: ROWS // 3]
            index.replace(some, version(some, turn))

    def read() -> None:
        row = np.random.default_rng().integers(0, ROWS, 40)
        vectors = index.vectors(row)
        assert (vectors == vectors[:, :1]).all()
        assert (vectors[:, 0] % 100_000 == row).all()
        query = version(row[:1], int(vectors[0, 0] // 100_000))
        answer = index.search(query, 1)
        distance = answer.distances[0, 0]
        # The nearest is the row itself, or where it has moved on, a whole number of steps away.
        assert abs(distance / 8 - round(distance / 8)) < 1e-9
        if distance == 0:
            assert answer.rows[0, 0] == row[0]

    run_beside(write, read)
    assert len(index) == index.capacity == ROWS


def test_a_search_sees_one_moment() -> None:
    """Each turn replaces all rows at once, so an answer must not mix turns."""
    index = ExactIndex(DIM)
    rows = index.append(version(np.arange(ROWS), 0))

    def write() -> None:
        for turn in range(1, 15):
            index.replace(rows, version(rows, turn))

    def read() -> None:
        found = index.search(np.zeros((1, DIM)), 50)
        assert found.rows[0].tolist() == list(range(50))
        turns = (found.distances[0] / 8) // 100_000
        assert (turns == turns[0]).all()

    run_beside(write, read)


def test_appends_and_deletes_are_seen_whole() -> None:
    index = ExactIndex(DIM)
    index.append(version(np.arange(1000), 0))

    def write() -> None:
        for _ in range(40):
            new = index.append(version(np.arange(index.capacity, index.capacity + 700), 0))
            index.delete(new[:350])

    def read() -> None:
        found = index.search(version(np.array([999, 100_000]), 0), 20)
        assert (np.diff(found.distances) >= 0).all()
        values = np.array([999, 100_000])[:, None]
        np.testing.assert_allclose(found.distances, 8 * np.abs(found.rows - values))

    run_beside(write, read)
    assert (len(index), index.capacity) == (1000 + 40 * 350, 1000 + 40 * 700)


def test_writers_wait_for_one_another() -> None:
    index = ExactIndex(DIM)

    def write(_: int) -> np.ndarray:
        rows = index.append(version(np.arange(100), 0))
        index.delete(rows[::2])
        return rows

    with ThreadPoolExecutor(8) as pool:
        rows = np.concatenate(list(pool.map(write, range(60))))
    assert sorted(rows) == list(range(6000))
    assert (len(index), index.capacity) == (3000, 6000)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "inner"])
def test_many_queries_among_few_rows_go_side_by_side(
    metric: NeighborMetric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers.WORKERS, "threads", 2)
    rng = np.random.default_rng(0)
    data = rng.standard_normal((3000, DIM), dtype=np.float32)
    data[1000:1100] = data[0]  # ties, of which every query near them looks at all
    queries = data[rng.integers(0, len(data), 5000)]
    index = ExactIndex(DIM)
    index.append(data)
    both, who = threading.Barrier(2, timeout=60), set[int]()
    shortlist = Float32Kernel.shortlist

    def together(kernel: Float32Kernel, task: Task) -> Shortlist:
        if len(who) < 2 and threading.get_ident() not in who:
            who.add(threading.get_ident())
            both.wait()  # comes only if another thread is at work on another part
        return shortlist(kernel, task)

    monkeypatch.setattr(Float32Kernel, "shortlist", together)
    found = index.search(queries, 5, metric=metric)
    assert len(who) == 2
    assert found.kernel == "float32"
    check_neighbors(found, data, queries, 5, metric)


def test_concurrent_searches_agree_with_the_twin() -> None:
    rng = np.random.default_rng(0)
    data = rng.standard_normal((20_000, DIM), dtype=np.float32)
    queries = rng.standard_normal((24, DIM), dtype=np.float32)
    index = ExactIndex(DIM)
    index.append(data)

    def search(start: int) -> None:
        part = queries[start : start + 1 + start % 5]
        check_neighbors(index.search(part, 5), data, part, 5, "euclidean")

    started = time.perf_counter()
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(search, [*range(20)] * 3))
    assert time.perf_counter() - started < 60
