"""Work is shared among threads, each item once, and errors come back."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from kinlens.neighbors import ExactIndex
from kinlens.neighbors.workers import WORKERS, Workers, at_most


class Met:
    """The threads that have come; waits for a second one, for a helper may be slow to start."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self._two = threading.Event()

    def come(self) -> None:
        self.threads.add(threading.get_ident())
        if len(self.threads) > 1:
            self._two.set()
        assert self._two.wait(30)


def test_each_item_is_taken_once() -> None:
    taken: list[int] = []
    met = Met()

    def work(items: Iterator[int]) -> None:
        for item in items:
            taken.append(item)
            met.come()
            time.sleep(0.001)

    Workers(3).share(range(100), work, most=3)
    assert sorted(taken) == list(range(100))
    assert 1 < len(met.threads) <= 3


@pytest.mark.parametrize("threads", [1, 4])
def test_one_thread_is_the_caller(threads: int) -> None:
    seen: list[int] = []
    Workers(threads).share([1], lambda _: seen.append(threading.get_ident()), most=1)
    assert seen == [threading.get_ident()]


@pytest.mark.parametrize(
    ("limit", "most"), [(None, 4), (1, 1), (2, 2), (9, 4), (-1, WORKERS.threads), (-99, 1)]
)
def test_a_caller_may_ask_for_fewer_threads(limit: int | None, most: int) -> None:
    threads: set[int] = set()

    def work(items: Iterator[int]) -> None:
        for _ in items:
            threads.add(threading.get_ident())
            time.sleep(0.002)

    with at_most(limit):
        Workers(4).share(range(50), work, most=4)
    assert 1 <= len(threads) <= most
    if most == 1:
        assert threads == {threading.get_ident()}
    met = Met()
    Workers(4).share(range(50), lambda items: [met.come() for _ in items], most=4)
    assert len(met.threads) > 1


def test_helpers_ask_for_no_more_threads_than_their_caller() -> None:
    workers, threads = Workers(4), set[int]()

    def inner(items: Iterator[int]) -> None:
        for _ in items:
            threads.add(threading.get_ident())
            time.sleep(0.002)

    def outer(items: Iterator[int]) -> None:
        for _ in items:
            workers.share(range(20), inner, most=4)

    with at_most(1):
        workers.share(range(4), outer, most=4)
    assert threads == {threading.get_ident()}
    with at_most(2):
        futures = [workers._executor().submit(lambda: None) for _ in range(3)]  # all threads are up
        assert all(future.result() is None for future in futures)
        workers.share(range(4), outer, most=4)
    assert len(threads) <= 2


def test_after_an_error_nothing_more_is_begun() -> None:
    begun: list[int] = []

    def work(items: Iterator[int]) -> None:
        for item in items:
            begun.append(item)
            if item == 5:
                raise ValueError(item)
            time.sleep(0.5 if item > 5 else 0.002)  # the one that fails may be held up

    with pytest.raises(ValueError, match="5"):
        Workers(3).share(range(1000), work, most=3)
    assert len(begun) < 20


def test_errors_come_back() -> None:
    helped = threading.Event()

    def fail_in_helper(items: Iterator[int]) -> None:
        for _ in items:
            if threading.current_thread() is not threading.main_thread():
                helped.set()
                raise MemoryError("in a helper")
            assert helped.wait(30)

    def fail_in_caller(items: Iterator[int]) -> None:
        list(items)
        raise MemoryError("in the caller")

    for work in (fail_in_helper, fail_in_caller):
        with pytest.raises(MemoryError, match="in "):
            Workers(2).share(range(20), work, most=2)


def test_sharing_within_shared_work_does_not_hang() -> None:
    workers, done = Workers(2), []

    def outer(items: Iterator[int]) -> None:
        for _ in items:
            workers.share(range(4), done.extend, most=2)

    workers.share(range(8), outer, most=2)
    assert sorted(done) == sorted([*range(4)] * 8)


def _searched(index: ExactIndex, answer: multiprocessing.Queue[list[int]]) -> None:
    answer.put(index.search(np.ones((1, 512)), 3).rows[0].tolist())


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system doesn't fork"
)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    index = ExactIndex(512)
    index.append(np.ones((40_000, 512), np.float32))
    index.search(np.ones((1, 512)), 3)
    context = multiprocessing.get_context("fork")
    answer = context.Queue()
    child = context.Process(target=_searched, args=(index, answer))
    child.start()
    assert answer.get(timeout=60) == [0, 1, 2]
    child.join()
