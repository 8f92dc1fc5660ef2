"""The only user of threadpoolctl: how many threads BLAS may use while vectors are searched.

BLAS starts and stops its threads at each product, and what happens between products runs in one
thread alone. One product in each thread of `workers` keeps all cores busy instead. It also makes
`os.fork` safe beside a search: OpenBLAS stops its own threads before a fork, and a product that
they compute for another thread would never end.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

from kinlens.neighbors import forking

_TRIES = 3


@functools.cache
def _libraries() -> tuple[Any, ...]:
    """Those that NumPy multiplies with and that can be told how many threads to use."""
    return tuple(ThreadpoolController().select(user_api="blas").lib_controllers)


@functools.cache
def _per_thread() -> tuple[Any, ...]:
    """Those of which each thread has a limit of its own."""
    layers = [(one, getattr(one, "threading_layer", None)) for one in _libraries()]
    return tuple(one for one, layer in layers if layer == "openmp")


@functools.cache
def _per_process() -> tuple[Any, ...]:
    """Those that have one limit for all threads."""
    return tuple(one for one in _libraries() if one not in _per_thread())


def can_be_limited() -> bool:
    """Whether there is a BLAS that can be told how many threads to use."""
    return bool(_libraries())


def limit_this_thread() -> None:
    """From now on, products of this thread of `workers` use no other thread.

    Only for BLAS whose limits belong to a thread (OpenMP): there `limited` reaches the caller
    alone.
    """
    for library in _per_thread():
        library.set_num_threads(1)


@contextmanager
def limited(threads: int | None) -> Iterator[None]:
    """Products use at most so many threads meanwhile. To be called from any thread.

    A limit that belongs to the process (OpenBLAS with POSIX threads, MKL, BLIS) holds until the
    last caller has left; of several the smallest holds. A limit that belongs to a thread (OpenMP)
    is the caller's. Limits that others have set before, or set meanwhile, stay.

    Parameters
    ----------
    threads : from 1 up; None changes nothing
    """
    if threads is None:
        yield
        return
    own = [(library, library.get_num_threads()) for library in _per_thread()]
    for library, before in own:
        library.set_num_threads(min(threads, before))
    caller = _PROCESS.enter(threads)
    try:
        yield
    finally:
        _PROCESS.leave(caller)
        for library, before in own:
            library.set_num_threads(before)


class _ProcessLimits:
    """What callers ask of the libraries that have one limit for the whole process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[object, int] = {}
        self._counts: list[_Count] = []

    def enter(self, threads: int) -> object:
        """Ask for a limit; gives what `leave` takes."""
        caller = object()
        with self._lock:
            if not self._asked:
                self._counts = [_Count(library) for library in _per_process()]
            self._asked[caller] = threads
            self._apply()
        return caller

    def leave(self, caller: object) -> None:
        """End what a caller asked for."""
        with self._lock:
            self._asked.pop(caller, None)  # a forked child has none
            self._apply()

    def before_fork(self) -> None:
        """See `forking.Forkable`."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """See `forking.Forkable`; the threads that asked for limits aren't in the child."""
        if in_child:
            self._asked.clear()
            self._apply()
        self._lock.release()

    def _apply(self) -> None:
        limit = min(self._asked.values(), default=None)
        for count in self._counts:
            count.limit(limit)


class _Count:
    """How many threads one library uses: before, and as it was last told."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._before = self._told = library.get_num_threads()

    def limit(self, threads: int | None) -> None:
        """Tell it, unless someone else has told it otherwise since; None for what was before."""
        wanted = self._before if threads is None else min(threads, self._before)
        if wanted != self._told and self._library.get_num_threads() == self._told:
            _tell(self._library, wanted)
            self._told = wanted


def _tell(library: Any, threads: int) -> None:
    """Set the limit of a process from any thread.

    threadpoolctl from 3.7 on ignores, for OpenBLAS, all threads but the first that sets a limit,
    until that one clears its claim.
    """
    clear = getattr(library, "clear_controlling_thread", None)
    for _ in range(_TRIES):  # another thread may claim it between the calls
        if clear is not None:
            clear(force=True)
        library.set_num_threads(threads)
        if clear is not None:
            clear(force=True)
        if library.get_num_threads() == threads:
            return


_PROCESS = _ProcessLimits()
forking.register(_PROCESS)
