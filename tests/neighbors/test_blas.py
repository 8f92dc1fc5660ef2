"""BLAS keeps to one thread only as long as someone wishes so."""

from __future__ import annotations

import multiprocessing
import warnings

import pytest
from threadpoolctl import ThreadpoolController

from kinlens.neighbors import blas
from kinlens.neighbors.workers import WORKERS


def counts() -> list[int]:
    return [one["num_threads"] for one in ThreadpoolController().select(user_api="blas").info()]


@pytest.fixture(autouse=True)
def two_threads() -> object:
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        yield


def test_products_take_one_thread_each_for_a_while() -> None:
    assert set(counts()) == {2}
    with blas.one_thread_each():
        assert set(counts()) == {1}
        with blas.one_thread_each():
            assert set(counts()) == {1}
        assert set(counts()) == {1}
    assert set(counts()) == {2}


def test_an_error_ends_it_too() -> None:
    with pytest.raises(ZeroDivisionError), blas.one_thread_each():
        raise ZeroDivisionError
    assert set(counts()) == {2}


def test_what_others_ask_for_meanwhile_stays() -> None:
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        with blas.one_thread_each():
            pass
        assert set(counts()) == {1}


def test_our_threads_multiply_where_that_is_possible() -> None:
    assert blas.threads() == (WORKERS.threads if counts() else 1)


def test_a_forked_process_begins_anew() -> None:
    """Though a thread of its parent multiplies, and just now tells BLAS so."""
    with blas.one_thread_each(), blas._RULE._lock:
        child = multiprocessing.get_context("fork").Process(target=multiply)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # this process has threads
            child.start()
    child.join(30)
    assert child.exitcode == 0


def multiply() -> None:
    assert set(counts()) == {2}
    with blas.one_thread_each():
        assert set(counts()) == {1}
    assert set(counts()) == {2}
