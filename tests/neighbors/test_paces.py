from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinlens.neighbors import ExactIndex, products
from kinlens.neighbors.kernels import kernels_from
from kinlens.neighbors.kernels.base import Kernel
from kinlens.neighbors.paces import Paces
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Task

needs_int8 = pytest.mark.skipif(not products.is_fast(), reason="NumKong has no code for this CPU")
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


def able_alone(kernel: Kernel, task: Task) -> bool:
    return kernel.name != "cuda" and kernel.is_usable_for(task)


def able(task: Task) -> list[Kernel]:
    return [kernel for kernel in kernels_from(None)[:-1] if kernel.is_usable_for(task)]


def test_each_is_tried_and_then_the_fastest_begins(task: Task) -> None:
    paces, kernels = Paces(), kernels_from(None)
    seconds = {name: 1.5 - 0.1 * turn for turn, name in enumerate(names(able(task)))}
    assert len(seconds) > 1
    tried = []
    for _ in range(50):
        first = paces.order(kernels, task)[0]
        tried.append(first.name)
        paces.note(first, task, 100, seconds[first.name])
    fastest = min(seconds, key=lambda name: seconds[name])
    assert all(tried.count(name) >= 2 for name in seconds)
    assert set(tried[-10:]) == {fastest}
    assert paces.order(kernels, task)[0].name == fastest
    assert names(paces.order(kernels, task)) == names(kernels)[names(kernels).index(fastest) :]


def test_trials_take_a_small_part_of_the_time(task: Task) -> None:
    paces, kernels = Paces(), kernels_from(None)
    first, *others = names(able(task))
    spent = dict.fromkeys([first, *others], 0.0)
    for turn in range(60):
        one = paces.order(kernels, task)[0]
        seconds = 1.0 if one.name == first else 20.0
        paces.note(one, task, 100, seconds)
        spent[one.name] += seconds
        tried = sum(spent[name] for name in others)
        assert tried <= 0.25 * sum(spent.values()) + 20, turn
    assert tried > 0


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


def test_among_few_rows_plain_products_begin(task: Task) -> None:
    few = replace(task, living=1000, queries=task.queries[:20])
    assert Paces().order(kernels_from(None), few)[0].name == "float32"
    one = replace(few, queries=task.queries[:1])
    assert Paces().order(kernels_from(None), one) == kernels_from(None)


def test_few_queries_keep_the_order(task: Task) -> None:
    paces, kernels = Paces(), kernels_from(None)
    few = replace(task, queries=task.queries[:32])
    for _ in range(5):
        assert paces.order(kernels, few)[0] is able(few)[0]
        paces.note(kernels[0], few, 32, 1.0)


@needs_int8
def test_single_queries_choose_between_codes(task: Task) -> None:
    paces, kernels, one = Paces(), kernels_from(None), replace(task, queries=task.queries[:1])

    def begun(times: int, sketch: float) -> list[str]:
        seconds, begun = {"sketch": sketch, "int8": 2.0}, []
        for _ in range(times):
            first = next(kernel for kernel in paces.order(kernels, one) if able_alone(kernel, one))
            begun.append(first.name)
            paces.note(first, one, 1, seconds[first.name])
        return begun

    assert begun(1, 1.0) == ["sketch"], "nothing is known"
    assert begun(100, 1.0).count("sketch") > 90
    assert begun(100, 5.0).count("int8") > 85, "now they have no near neighbors"
    assert begun(400, 1.0)[-100:].count("sketch") > 90, "now they do again"


def test_what_is_much_slower_is_not_tried_again(task: Task) -> None:
    paces, kernels = Paces(), kernels_from(None)
    first, *others = names(able(task))
    begun = []
    for _ in range(400):
        one = paces.order(kernels, task)[0]
        begun.append(one.name)
        paces.note(one, task, 100, 1.0 if one.name == first else 1.6)
    assert all(begun.count(name) == 2 for name in others)


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
