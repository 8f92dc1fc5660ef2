"""Callers share batches, first come first served, and one's mistake is no other's."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from kinlens.batching import Batcher
from kinlens.errors import InvalidInput, KinlensError, Overloaded
from live_servers import wait_for


class Gate:
    """A function that squares, that can be held up, and that remembers its batches."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, values: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(values))
        self.entered.set()
        assert self.open.wait(60)
        return [value * value for value in values]


def in_turn(pool: ThreadPoolExecutor, batcher: Batcher[int, int], values: range) -> list:
    """Submit from one thread each, in order."""
    futures = []
    for value in values:
        before = len(batcher._waiting)
        futures.append(pool.submit(batcher.submit, value))
        wait_for(lambda before=before: len(batcher._waiting) > before)
    return futures


def test_one_alone_is_answered_without_waiting_for_others():
    batcher: Batcher[int, int] = Batcher(lambda values: [v + 1 for v in values], wait=600.0)
    start = time.monotonic()
    assert [batcher.submit(value) for value in range(5)] == [1, 2, 3, 4, 5]
    assert time.monotonic() - start < 5


def test_those_who_come_while_one_is_served_share_the_next_batch_in_order():
    gate = Gate()
    batcher = Batcher(gate, max_size=4)
    with ThreadPoolExecutor(16) as pool:
        first = pool.submit(batcher.submit, 100)
        assert gate.entered.wait(30)
        others = in_turn(pool, batcher, range(10))
        gate.open.set()
        assert first.result() == 10_000
        assert [future.result() for future in others] == [v * v for v in range(10)]
    assert gate.batches == [[100], [0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_batch_waits_a_moment_for_more_only_while_others_are_about():
    gate = Gate()
    batcher = Batcher(gate, max_size=3, wait=60.0)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher.submit, 1)
        assert gate.entered.wait(30)
        second = in_turn(pool, batcher, range(2, 3))[0]
        gate.open.set()
        first.result()
        rest = [pool.submit(batcher.submit, value) for value in (3, 4)]
        assert {second.result(), *(future.result() for future in rest)} == {4, 9, 16}
    assert gate.batches[0] == [1]
    assert sorted(gate.batches[1]) == [2, 3, 4]


def test_a_value_that_raises_spoils_only_itself():
    gate = threading.Event()

    def reciprocal(values: Sequence[int]) -> list[float | Exception]:
        gate.wait(60)
        return [1 / value for value in values]

    batcher = Batcher(reciprocal, max_size=16)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(batcher.submit, value) for value in (1, 2, 0, 4)]
        gate.set()
        assert [futures[i].result() for i in (0, 1, 3)] == [1, 0.5, 0.25]
        with pytest.raises(ZeroDivisionError):
            futures[2].result()


def test_an_error_in_the_place_of_a_result_is_raised_to_its_caller():
    batcher: Batcher[int, int] = Batcher(
        lambda values: [v if v else InvalidInput("zero") for v in values]
    )
    assert batcher.submit(3) == 3
    with pytest.raises(InvalidInput, match="zero"):
        batcher.submit(0)


def test_too_many_who_wait_are_told_so():
    gate = Gate()
    batcher = Batcher(gate, max_waiting=2)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher.submit, 1)
        assert gate.entered.wait(30)
        waiting = in_turn(pool, batcher, range(2))
        with pytest.raises(Overloaded, match="2 requests wait"):
            batcher.submit(9)
        gate.open.set()
        assert first.result() == 1
        assert [future.result() for future in waiting] == [0, 1]


def test_closing_serves_those_who_wait_and_takes_no_more():
    gate = Gate()
    batcher = Batcher(gate)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher.submit, 1)
        assert gate.entered.wait(30)
        second = in_turn(pool, batcher, range(2, 3))[0]
        closing = pool.submit(batcher.close)
        time.sleep(0.02)
        assert not closing.done()
        gate.open.set()
        closing.result()
        assert (first.result(), second.result()) == (1, 4)
    with pytest.raises(KinlensError, match="closed"):
        batcher.submit(1)


def test_a_leader_that_is_interrupted_leaves_nobody_behind():
    entered, go = threading.Event(), threading.Event()
    batches: list[list[int]] = []

    def run(values: Sequence[int]) -> list[int | Exception]:
        batches.append(list(values))
        entered.set()
        go.wait(60)
        if values[0] == 1 and len(batches) == 2:
            raise KeyboardInterrupt
        return list(values)

    batcher = Batcher(run)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher.submit, 0)
        assert entered.wait(30)
        others = in_turn(pool, batcher, range(1, 4))
        go.set()
        assert first.result() == 0
        with pytest.raises(KeyboardInterrupt):
            others[0].result()
        assert [future.result(timeout=60) for future in others[1:]] == [2, 3]
    assert batches == [[0], [1, 2, 3], [2, 3]]


def test_a_crowd_is_served_whole_and_in_batches():
    sizes: list[int] = []

    def run(values: Sequence[int]) -> list[int | Exception]:
        sizes.append(len(values))
        time.sleep(0.01)
        return [value * 2 for value in values]

    batcher = Batcher(run, max_size=32)
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(batcher.submit, range(640))) == [2 * v for v in range(640)]
    assert max(sizes) <= 32
    assert sum(sizes) == 640
    assert len(sizes) < 200
