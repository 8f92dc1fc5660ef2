from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import partial
from typing import Any

import pytest

from kinlens.callers import CALLER
from kinlens.errors import Overloaded
from kinlens.http.workers import Workers


def call(workers: Workers, caller: str, work: Callable[[], Any]) -> asyncio.Task[Any]:
    context = copy_context()
    context.run(CALLER.set, caller)
    return asyncio.get_running_loop().create_task(workers.run(work), context=context)


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 120))


def test_callers_take_turns() -> None:
    async def scenario() -> None:
        workers = Workers("test", 1, 100)
        gate = threading.Event()
        order: list[str] = []
        tasks = [call(workers, "x", gate.wait)]
        tasks += [call(workers, name, partial(order.append, name)) for name in "aaabcb"]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*tasks)
        assert order == ["a", "b", "c", "a", "b", "a"]
        await asyncio.sleep(0.01)
        assert workers.in_flight == 0
        workers.close()

    run(scenario)


def test_one_caller_has_its_share() -> None:
    async def scenario() -> None:
        workers = Workers("test", 4, 8, share=0.5)
        gate = threading.Event()
        began = threading.Semaphore(0)

        def work() -> bool:
            began.release()
            return gate.wait(60)

        tasks = [call(workers, "a", work) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="4 of your requests"):
            await call(workers, "a", work)
        other = call(workers, "b", lambda: "b")
        assert await other == "b", "threads are free for it"
        for _ in range(2):
            await asyncio.to_thread(began.acquire)
        assert not began.acquire(blocking=False), "half of the threads"
        gate.set()
        assert await asyncio.gather(*tasks) == [True] * 4
        workers.close()

    run(scenario)


def test_those_who_left_are_passed_over() -> None:
    async def scenario() -> None:
        workers = Workers("test", 1, 8)
        gate = threading.Event()
        ran: list[int] = []
        first = call(workers, "a", gate.wait)
        left, stays = (call(workers, "a", partial(ran.append, n)) for n in range(2))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, stays)
        assert ran == [1]
        await asyncio.sleep(0.01)
        assert workers.in_flight == 0
        workers.close()

    run(scenario)


def test_canceled_work_is_refused() -> None:
    async def scenario() -> None:
        workers = Workers("test", 1, 8)
        gate = threading.Event()
        running = call(workers, "a", gate.wait)
        waiting = call(workers, "b", lambda: None)
        await asyncio.sleep(0)
        workers.cancel()
        with pytest.raises(Overloaded, match="shutting down"):
            await waiting
        with pytest.raises(Overloaded, match="shutting down"):
            await call(workers, "c", lambda: None)
        gate.set()
        assert await running
        workers.close()

    run(scenario)
