"""The only user of threadpoolctl: lets BLAS multiply in our threads instead of threads of its own.

BLAS starts and stops its threads at each product, and what happens between products runs in one
thread alone. With one product in each of our threads nobody waits for anybody.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

from kinlens.neighbors.workers import WORKERS


@functools.cache
def _libraries() -> tuple[Any, ...]:
    """Those that NumPy multiplies with and that can be told how many threads to use."""
    return tuple(ThreadpoolController().select(user_api="blas").lib_controllers)


def threads() -> int:
    """In how many of our threads to multiply: in one where BLAS can't be told to keep to it."""
    return WORKERS.threads if _libraries() else 1


class _Rule:
    """One thread for each product while anyone wishes so; then what was before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wishes = 0
        self._before: list[tuple[Any, int]] = []

    def begin(self) -> None:
        with self._lock:
            self._wishes += 1
            if self._wishes == 1:
                found = [(one, one.get_num_threads()) for one in _libraries()]
                # Who else has asked for one thread ends that himself.
                self._before = [(one, count) for one, count in found if count != 1]
                for library, _ in self._before:
                    library.set_num_threads(1)

    def end(self) -> None:
        with self._lock:
            self._wishes -= 1
            if self._wishes == 0:
                for library, count in self._before:
                    library.set_num_threads(count)

    def forget(self) -> None:
        """End what threads began that a fork left behind in the parent."""
        self._lock = threading.Lock()
        if self._wishes:
            self._wishes = 1
            self.end()


_RULE = _Rule()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_RULE.forget)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Products that are begun meanwhile, anywhere in the process, take one thread each."""
    _RULE.begin()
    try:
        yield
    finally:
        _RULE.end()
