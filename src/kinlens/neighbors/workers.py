"""A few threads for the whole process, shared by all searches."""

from __future__ import annotations

import contextvars
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from kinlens.config import usable_cores
from kinlens.neighbors import blas, forking

T = TypeVar("T")
_MOST = 8
"""More threads than this gain nothing where memory sets the pace."""


_AT_MOST: contextvars.ContextVar[int] = contextvars.ContextVar("at_most", default=_MOST)


class Workers:
    """Threads that help whoever calls `share`; the caller works too and never waits idle for one.

    Parameters
    ----------
    threads : how many work on one call at most, the caller included
    """

    def __init__(self, threads: int) -> None:
        self.threads = max(1, threads)
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    @property
    def at_hand(self) -> int:
        """How many may work on a call from here."""
        return min(self.threads, _AT_MOST.get())

    def share(self, items: Sequence[T], work: Callable[[Iterator[T]], None], most: int) -> None:
        """Run `work` in up to `most` threads at once, each taking items until none is left.

        Raises what `work` raises, once all threads have stopped; none takes items after that.
        """
        helpers = min(most, self.at_hand, len(items)) - 1
        if helpers < 1:
            work(iter(items))
            return
        turns = itertools.count()  # a shared one: each item is taken by one thread
        failed = threading.Event()

        def run() -> None:
            try:
                work(_taken(items, turns, failed))
            except BaseException:
                failed.set()
                raise

        # Who works beside others asks for no more help; a context can be entered by one thread.
        token = _AT_MOST.set(1)
        contexts = [contextvars.copy_context() for _ in range(helpers)]
        futures = [self._executor().submit(context.run, run) for context in contexts]
        try:
            run()
        finally:
            _AT_MOST.reset(token)
            started = [future for future in futures if not future.cancel()]
            errors = [future.exception() for future in started]
        for error in errors:
            if error is not None:
                raise error

    @property
    def multiplying(self) -> int:
        """How many threads to multiply in: one where BLAS can't be limited to one for each."""
        return self.threads if blas.can_be_limited() else 1

    def before_fork(self) -> None:
        """See `forking.Forkable`."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """See `forking.Forkable`; a child has none of the threads."""
        if in_child:
            self._pool = None
        self._lock.release()

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(
                    self.threads - 1, "kinlens-neighbors", initializer=blas.limit_this_thread
                )
            return self._pool


@contextmanager
def at_most(threads: int | None) -> Iterator[None]:
    """Let this caller's searches use fewer threads, BLAS included; None changes nothing.

    Parameters
    ----------
    threads : from 1 up, or below 0 for all but some: -1 is all, -2 all but one
    """
    if threads is not None and threads < 0:
        threads = max(1, WORKERS.threads + 1 + threads)
    token = _AT_MOST.set(_AT_MOST.get() if threads is None else threads)
    try:
        with blas.limited(threads):
            yield
    finally:
        _AT_MOST.reset(token)


def _taken(items: Sequence[T], turns: Iterator[int], failed: threading.Event) -> Iterator[T]:
    while not failed.is_set() and (turn := next(turns)) < len(items):
        yield items[turn]


WORKERS = Workers(min(usable_cores(), _MOST))
forking.register(WORKERS)
