"""Threads that run the service's blocking calls, with bounds on the work in flight."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

from kinlens.callers import CALLER
from kinlens.errors import Overloaded

P = ParamSpec("P")
R = TypeVar("R")
_Job = tuple[Callable[[], Any], "Future[Any]"]


class Workers:
    """A pool of threads that takes on a bounded amount of work, and is fair to its callers.

    Who calls is told by `kinlens.callers.CALLER`. Calls that find no free thread wait in a queue
    for each caller, and the callers take turns.

    Parameters
    ----------
    name : of the threads
    threads : calls run at once; searches wait for each other here to share a batch
    limit : calls taken on at once, running or waiting
    share : of the threads, and of the limit, that one caller has at most, in (0, 1]
    """

    def __init__(self, name: str, threads: int, limit: int, share: float = 1.0) -> None:
        self._threads = min(threads, limit)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix=f"kinlens-{name}")
        self._limit = limit
        self._running_each = max(1, int(self._threads * share))
        self._limit_each = max(1, int(limit * share))
        self._queues: dict[str, deque[_Job]] = {}
        self._running: Counter[str] = Counter()
        self._own: Counter[str] = Counter()
        self._closed = False
        self.in_flight = 0

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a blocking call; `Overloaded` if too many are in flight, in all or of its caller."""
        caller = CALLER.get()
        self._check_room(caller)
        self.in_flight += 1
        self._own[caller] += 1
        future: Future[R] = Future()
        work = partial(copy_context().run, partial(call, *args, **kwargs))
        self._queues.setdefault(caller, deque()).append((work, future))
        self._start()
        return await asyncio.wrap_future(future)

    def cancel(self) -> None:
        """Refuse what waits, and what still comes; what runs isn't touched."""
        self._closed = True
        for caller, queue in self._queues.items():
            for _, future in queue:
                if future.set_running_or_notify_cancel():
                    future.set_exception(_closing())
                self._forget(caller)
        self._queues.clear()

    def close(self) -> None:
        """Wait for the calls in flight and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _check_room(self, caller: str) -> None:
        if self._closed:
            raise _closing()
        if self.in_flight >= self._limit:
            raise Overloaded(
                f"{self._limit} requests are being worked on, as many as this server takes on; "
                "try again in a moment. Its setting max_in_flight raises this."
            )
        if self._own[caller] >= self._limit_each:
            raise Overloaded(
                f"{self._limit_each} of your requests of this kind are being worked on, as many "
                "as one key or address may have at once; wait for their answers. The server's "
                "setting max_in_flight raises this."
            )

    def _start(self) -> None:
        """Give free threads to the callers that wait, in turn."""
        while (caller := self._next()) is not None:
            queue = self._queues.pop(caller)
            work, future = queue.popleft()
            if queue:
                self._queues[caller] = queue  # at the end: the others come first
            self._submit(caller, work, future)

    def _next(self) -> str | None:
        if self._running.total() >= self._threads:
            return None
        return next(
            (name for name in self._queues if self._running[name] < self._running_each), None
        )

    def _submit(self, caller: str, work: Callable[[], Any], future: Future[Any]) -> None:
        if not future.set_running_or_notify_cancel():
            self._forget(caller)  # its client has left
            return
        self._running[caller] += 1
        loop = asyncio.get_running_loop()
        done = self._pool.submit(_carry_out, work, future)

        def tell(_: Future[None]) -> None:
            with suppress(RuntimeError):  # the loop has ended, and nobody counts any more
                loop.call_soon_threadsafe(self._done, caller)

        # Counted until the thread is done, even if the client goes away before.
        done.add_done_callback(tell)

    def _done(self, caller: str) -> None:
        self._running[caller] -= 1
        if not self._running[caller]:
            del self._running[caller]
        self._forget(caller)
        self._start()

    def _forget(self, caller: str) -> None:
        self.in_flight -= 1
        self._own[caller] -= 1
        if not self._own[caller]:
            del self._own[caller]


def _carry_out(work: Callable[[], Any], future: Future[Any]) -> None:
    try:
        result = work()
    except BaseException as error:  # raised where the call is awaited
        future.set_exception(error)
    else:
        future.set_result(result)


def _closing() -> Overloaded:
    return Overloaded("This server is shutting down; try again in a moment.")
