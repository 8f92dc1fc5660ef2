"""Limits of BLAS's threads: set from any thread, ended by the last caller, safe beside a fork."""

from __future__ import annotations

import multiprocessing
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from threadpoolctl import ThreadpoolController

from kinlens.neighbors import NearestNeighbors, blas
from kinlens.neighbors.workers import WORKERS

pytestmark = pytest.mark.skipif(
    not blas.can_be_limited(), reason="NumPy's BLAS here can't be told how many threads to use"
)


def counts() -> set[int]:
    """Of what NumPy multiplies with; SciPy and torch may have loaded others since."""
    return {library.get_num_threads() for library in blas._libraries()}


def elsewhere(work: Callable[[], object]) -> object:
    """What it gives in a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        yield


def limited_counts() -> tuple[set[int], set[int]]:
    with blas.limited(1):
        meanwhile = counts()
    return meanwhile, counts()


def test_the_limit_holds_for_a_while() -> None:
    assert counts() == {2}
    with blas.limited(1):
        assert counts() == {1}
        with blas.limited(2):
            assert counts() == {1}
        assert counts() == {1}
    assert counts() == {2}


def test_no_limit_changes_nothing() -> None:
    with blas.limited(None):
        assert counts() == {2}
    with blas.limited(3):
        assert counts() == {2}


def test_any_thread_may_limit() -> None:
    """threadpoolctl 3.8 heeds only the thread that was the first to set a limit."""
    assert limited_counts() == ({1}, {2})
    assert elsewhere(limited_counts) == ({1}, {2})
    assert limited_counts() == ({1}, {2})
    assert elsewhere(limited_counts) == ({1}, {2})


def test_the_last_caller_ends_it_whichever_began() -> None:
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with blas.limited(1):
            entered.set()
            assert leave.wait(60)

    with ThreadPoolExecutor(1) as pool:
        with blas.limited(1):
            done = pool.submit(other)
            assert entered.wait(60)
        assert counts() == {1}
        leave.set()
        done.result()
    assert counts() == {2}


def test_threads_of_others_may_still_limit_afterwards() -> None:
    elsewhere(limited_counts)
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        assert counts() == {1}
    assert counts() == {2}


def test_an_error_ends_it_too() -> None:
    with pytest.raises(ZeroDivisionError), blas.limited(1):
        raise ZeroDivisionError
    assert counts() == {2}


def test_what_others_ask_for_stays() -> None:
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        with blas.limited(1):
            pass
        assert counts() == {1}
    with blas.limited(1):
        ThreadpoolController().limit(limits=2, user_api="blas")
    assert counts() == {2}


@pytest.mark.parametrize("kernel", ["float32", "int8", "sketch", None])
def test_a_search_from_any_thread_leaves_the_limit_as_it_was(kernel: str | None) -> None:
    data = np.random.default_rng(0).standard_normal((3000, 256), dtype=np.float32)

    def search() -> None:
        NearestNeighbors(n_neighbors=3, kernel=kernel, n_jobs=1).fit(data).kneighbors(data[:80])

    search()
    elsewhere(search)
    assert counts() == {2}


@pytest.mark.parametrize("n_jobs", [1, None])
def test_products_of_a_search_use_one_thread_each(
    n_jobs: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As BLAS sees it while NumPy multiplies, called from a thread that isn't the first."""
    seen: list[set[int]] = []
    matmul = np.matmul

    def watched(*args: object, **kwargs: object) -> object:
        seen.append(counts())
        return matmul(*args, **kwargs)

    data = np.random.default_rng(0).standard_normal((3000, 64), dtype=np.float32)
    limited_counts()  # this thread is the first
    monkeypatch.setattr(np, "matmul", watched)
    near = NearestNeighbors(n_neighbors=3, kernel="float32", n_jobs=n_jobs).fit(data)
    elsewhere(lambda: near.kneighbors(data[:80]))
    assert seen
    assert all(count == {1} for count in seen)


class OfAThread:
    """A BLAS of which each thread has a limit of its own, as OpenBLAS with OpenMP has."""

    threading_layer = "openmp"

    def __init__(self) -> None:
        self._local = threading.local()

    def get_num_threads(self) -> int:
        return getattr(self._local, "count", 2)

    def set_num_threads(self, count: int) -> None:
        self._local.count = count


def test_limits_that_belong_to_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    library = OfAThread()
    monkeypatch.setattr(blas, "_per_thread", lambda: (library,))
    with blas.limited(1):
        assert library.get_num_threads() == 1
        assert elsewhere(library.get_num_threads) == 2
        elsewhere(blas.limit_this_thread)
    assert library.get_num_threads() == 2


def in_a_fork(work: Callable[[], None]) -> int | None:
    """The exit status of a child that does the work; None for one that never ends."""
    child = multiprocessing.get_context("fork").Process(target=work)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # this process has threads
        child.start()
    child.join(120)
    if child.exitcode is None:
        child.kill()
    return child.exitcode


def multiply() -> None:
    assert counts() == {2}
    assert limited_counts() == ({1}, {2})


def test_a_child_has_none_of_its_parents_limits() -> None:
    with blas.limited(1):
        assert in_a_fork(multiply) == 0
        assert counts() == {1}
    assert counts() == {2}


@pytest.mark.parametrize("kernel", ["float32", "int8", "sketch"])
def test_forks_beside_searching_threads(kernel: str) -> None:
    """Neither the children nor the threads of the parent hang, and all find the same."""
    data = np.random.default_rng(0).standard_normal((6000, 128), dtype=np.float32)
    near = NearestNeighbors(n_neighbors=5, kernel=kernel).fit(data)
    rows = near.kneighbors(data[:300])[1]
    stop = threading.Event()

    def search_on() -> int:
        times = 0
        while not stop.is_set() or not times:
            assert_array_equal(near.kneighbors(data[:300])[1], rows)
            times += 1
        return times

    def search_once() -> None:
        assert_array_equal(near.kneighbors(data[:50])[1], rows[:50])
        NearestNeighbors(kernel=kernel).fit(data[:500]).kneighbors(data[:80])

    with ThreadPoolExecutor(3) as pool:
        searching = [pool.submit(search_on) for _ in range(3)]
        try:
            codes = [in_a_fork(search_once) for _ in range(6)]
        finally:
            stop.set()
        assert codes == [0] * 6
        assert all(one.result(timeout=120) for one in searching)


def test_our_threads_multiply_where_that_is_possible() -> None:
    assert WORKERS.multiplying == WORKERS.threads
