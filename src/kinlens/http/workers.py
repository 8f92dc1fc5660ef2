"""Threads that run the service's blocking calls, with a bound on the work in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from kinlens.errors import Overloaded

P = ParamSpec("P")
R = TypeVar("R")


class Workers:
    """A pool of threads that takes on a bounded amount of work.

    Parameters
    ----------
    name : of the threads
    threads : calls run at once; searches wait for each other here to share a batch
    limit : calls taken on at once, running or waiting
    """

    def __init__(self, name: str, threads: int, limit: int) -> None:
        self._pool = ThreadPoolExecutor(min(threads, limit), thread_name_prefix=f"kinlens-{name}")
        self._limit = limit
        self.in_flight = 0

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a blocking call; `Overloaded` if too many are in flight."""
        if self.in_flight >= self._limit:
            raise Overloaded(
                f"{self._limit} requests are being worked on, as many as this server takes on; "
                "try again in a moment. Its setting max_in_flight raises this."
            )
        self.in_flight += 1
        future = self._pool.submit(partial(call, *args, **kwargs))
        # Counted until the thread is done, even if the client goes away before.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Wait for the calls in flight and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _done(self) -> None:
        self.in_flight -= 1
