"""Decoder processes are shared fairly, and a caller whose pictures are slow holds up no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from contextvars import copy_context

import pytest

from images.samples import encoded_scene
from kinlens.callers import CALLER
from kinlens.errors import KinlensError, Overloaded
from kinlens.images import Limits, PictureLoader, turns
from kinlens.images.loader import Picture
from kinlens.images.turns import Turns

DECODER = "images.decoders:by_content"
PLAIN = encoded_scene("png") + b"#"
HANGS = encoded_scene("png") + b"#hang"


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(40) as threads:
        yield threads


@pytest.fixture
def loader() -> Iterator[PictureLoader]:
    limits = Limits(timeout=600.0, max_pixels=1_000_000)
    with PictureLoader(limits, workers=2, decoder=DECODER) as opened:
        yield opened


def start(
    pool: ThreadPoolExecutor, loader: PictureLoader, caller: str, data: bytes
) -> Future[Picture]:
    context = copy_context()
    context.run(CALLER.set, caller)
    return pool.submit(context.run, loader.load, data)


def test_pictures_that_hang_leave_a_process_to_other_callers(
    pool: ThreadPoolExecutor, loader: PictureLoader
) -> None:
    held = [start(pool, loader, "key a", HANGS) for _ in range(5)]
    waiting = loader._pool._turns._queues
    until(lambda: len(waiting.get("key a", ())) == 4)
    for caller in ("key b", "", "key c"):
        assert start(pool, loader, caller, PLAIN).result(60).format == "png"
    assert not any(future.done() for future in held)
    loader.cancel()
    for future in held:
        with pytest.raises(Overloaded, match="shutting down"):
            future.result(60)
    assert loader.load(PLAIN).format == "png", "later pictures are decoded"


def test_a_caller_may_have_so_many_waiting(
    pool: ThreadPoolExecutor, loader: PictureLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MOST_WAITING_EACH", 3)
    monkeypatch.setattr(turns, "MOST_WAITING", 4)
    waiting = loader._pool._turns._queues
    for _ in range(4):
        start(pool, loader, "key a", HANGS)
    until(lambda: len(waiting.get("key a", ())) == 3)
    with pytest.raises(Overloaded, match="3 of your pictures"):
        start(pool, loader, "key a", PLAIN).result(60)
    start(pool, loader, "key b", HANGS)
    until(lambda: not loader._pool._turns._free)
    start(pool, loader, "key b", HANGS)
    until(lambda: len(waiting.get("key b", ())) == 1)
    with pytest.raises(Overloaded, match="4 pictures"):
        start(pool, loader, "key c", PLAIN).result(60)
    own = start(pool, loader, "", HANGS)
    until(lambda: len(waiting.get("", ())) == 1)
    assert not own.done(), "this process's own work waits as long as it takes"
    loader.cancel()


def test_callers_take_turns() -> None:
    shared = Turns(1)
    order: list[str] = []

    def take(caller: str) -> None:
        with shared.turn(caller):
            order.append(caller)

    threads = []
    with ExitStack() as stack:
        stack.enter_context(shared.turn("x"))
        for count, caller in enumerate(["a", "a", "a", "b", "c", "b"], 1):
            thread = threading.Thread(target=take, args=(caller,))
            threads.append(thread)
            thread.start()
            until(lambda count=count: sum(map(len, shared._queues.values())) == count)
    for thread in threads:
        thread.join(60)
    assert order == ["a", "b", "c", "a", "b", "a"]
    shared.wait_idle()


def test_one_caller_never_has_all_places() -> None:
    shared = Turns(3)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(shared.turn("a"))

        def take() -> None:
            with suppress(KinlensError), shared.turn("a"):
                pass

        third = threading.Thread(target=take)
        third.start()
        until(lambda: "a" in shared._queues)
        with shared.turn("b"):
            pass
        assert third.is_alive()
        shared.end(KinlensError("closed"))
        with pytest.raises(KinlensError, match="closed"), shared.turn("b"):
            pass
        until(lambda: not third.is_alive())
