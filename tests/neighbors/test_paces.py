from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinlens.neighbors import ExactIndex
from kinlens.neighbors.kernels import kernels_from
from kinlens.neighbors.kernels.base import Kernel
from kinlens.neighbors.paces import Paces
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Task

ROWS, DIM = 40_000, 128


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    rng = np.random.default_rng(5)
    spread = np.float32(0.9) ** np.arange(DIM, dtype=np.float32)
    vectors = rng.standard_normal((ROWS + 300, DIM), dtype=np.float32) * spread
    vectors[100:200] = vectors[:100]  # ties
    return vectors


@pytest.fixture(scope="module")
def task(data: np.ndarray) -> Task:
    index = ExactIndex(DIM)
    index.append(data[:ROWS])
    chunks: tuple[Chunk, ...] = index._snapshot.chunks
    return Task(chunks, (None,) * len(chunks), ROWS, data[ROWS:], 10, "euclidean")


def names(kernels: list[Kernel]) -> list[str]:
    return [kernel.name for kernel in kernels]


def able(task: Task) -> list[Kernel]:
    return [kernel for kernel in kernels_from(None)[:-1] if kernel.is_usable_for(task)]


def test_each_is_tried_and_then_the_fastest_begins(task: Task) -> None:
    paces, kernels = Paces(), kernels_from(None)
    seconds = {name: 3.0 - turn for turn, name in enumerate(names(able(task)))}
    assert len(seconds) > 1
    tried = []
    for _ in range(3 * len(seconds)):
        first = paces.order(kernels, task)[0]
        tried.append(first.name)
        paces.note(first, task, 100, seconds[first.name])
    assert sorted(tried) == sorted([*seconds] * 3)
    fastest = min(seconds, key=lambda name: seconds[name])
    assert paces.order(kernels, task)[0].name == fastest
    assert names(paces.order(kernels, task)) == names(kernels)[names(kernels).index(fastest) :]


def test_what_got_faster_is_noticed(task: Task) -> None:
    paces, kernels = Paces(), kernels_from(None)
    one, other = names(able(task))[-2:]
    now = dict.fromkeys(names(able(task)), 9.0) | {one: 1.0, other: 1.4}
    begun = []
    for turn in range(400):
        first = paces.order(kernels, task)[0]
        begun.append(first.name)
        paces.note(
            first, task, 100, now[first.name] if turn < 100 else {**now, other: 0.1}[first.name]
        )
    assert begun[50] == one
    assert begun[-1] == other


def test_what_was_held_up_once_stays_the_fastest(task: Task) -> None:
    paces, kernels = Paces(), kernels_from(None)
    seconds = {name: 3.0 - turn for turn, name in enumerate(names(able(task)))}
    fastest = min(seconds, key=lambda name: seconds[name])
    for turn in range(40):
        first = paces.order(kernels, task)[0]
        paces.note(first, task, 100, 1000.0 if turn == 30 else seconds[first.name])
    assert paces.order(kernels, task)[0].name == fastest


def test_few_rows_keep_the_order(task: Task) -> None:
    paces, kernels = Paces(), kernels_from(None)
    few = replace(task, living=1000)
    for _ in range(5):
        assert paces.order(kernels, few) == kernels
        paces.note(kernels[0], few, 8, 1.0)


def test_few_queries_keep_the_order(task: Task) -> None:
    paces, kernels = Paces(), kernels_from(None)
    few = replace(task, queries=task.queries[:32])
    for _ in range(5):
        assert paces.order(kernels, few) == kernels
        paces.note(kernels[0], few, 32, 1.0)


def test_what_is_much_slower_is_not_tried_again(task: Task) -> None:
    paces, kernels = Paces(), kernels_from(None)
    first, *others = names(able(task))
    begun = []
    for _ in range(400):
        one = paces.order(kernels, task)[0]
        begun.append(one.name)
        paces.note(one, task, 100, 1.0 if one.name == first else 1.6)
    assert all(begun.count(name) == 3 for name in others)


def test_the_same_neighbors_whoever_begins(data: np.ndarray) -> None:
    index, truth = ExactIndex(DIM), ExactIndex(DIM, kernel="float64")
    for one in (index, truth):
        one.append(data[:ROWS])
    expected = truth.search(data[ROWS:], 10)
    begun = set()
    for _ in range(10):
        found = index.search(data[ROWS:], 10)
        begun.add(found.kernel.split("+")[0])
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.distances, expected.distances)
    assert len(begun) > 1
