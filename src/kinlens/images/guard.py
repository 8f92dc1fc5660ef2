"""A pool of decoder processes for what may hang or kill a decoder."""

from __future__ import annotations

import queue
import threading
import weakref

from kinlens.errors import BrokenPicture, KinlensError
from kinlens.images.process import Guarded, Worker, WorkerDied
from kinlens.images.protocol import Request

DECODER = "kinlens.images.slow:decode"


class GuardedPool:
    """At most `size` decoder processes, started when first needed and then reused.

    A process that takes longer than the request's timeout is killed. One that dies is replaced
    and the picture tried once more, since it may have been killed for another's sake (a system
    out of memory); a picture on which two processes die is broken. The processes end when this
    one does, however it ends.

    Parameters
    ----------
    size : processes at most, from 1 up
    memory : bytes that decoding one picture may take, where the system can limit it
    decoder : "module:function" of a `kinlens.images.protocol.Decode`
    """

    def __init__(self, size: int, memory: int, decoder: str = DECODER) -> None:
        self._size = size
        self._memory = memory
        self._decoder = decoder
        # Last in, first out: a lone thread keeps to one process.
        self._slots: queue.LifoQueue[Worker | None] = queue.LifoQueue()
        for _ in range(size):
            self._slots.put(None)
        self._alive: set[Worker] = set()
        self._closed = threading.Event()
        self._finalizer = weakref.finalize(self, _end_all, self._alive)

    def decode(self, request: Request, data: bytes) -> Guarded:
        """Decode one picture; blocks while all processes are busy. Thread-safe.

        Raises
        ------
        PictureError : what the decoder found; `BrokenPicture` if it hung or died
        KinlensError : the pool is closed, or a process can't start
        """
        try:
            return self._attempt(request, data)
        except WorkerDied:
            pass
        try:
            return self._attempt(request, data)
        except WorkerDied as death:
            raise BrokenPicture(
                f"The decoder died twice on this {request.kind.upper()} ({death})."
            ) from None

    def processes(self) -> list[int]:
        """Ids of the processes that run now."""
        return [worker.pid for worker in list(self._alive)]

    def close(self) -> None:
        """End all processes; waits for those that decode, which is killed. Idempotent."""
        self._closed.set()
        for worker in list(self._alive):
            worker.kill()
        slots = [self._slots.get() for _ in range(self._size)]
        for slot in slots:
            if slot is not None:
                self._drop(slot)
            self._slots.put(None)

    def _attempt(self, request: Request, data: bytes) -> Guarded:
        slot = self._slots.get()
        try:
            worker = slot = self._usable(slot)
            return worker.decode(request, data)
        finally:
            if slot is not None and not slot.is_usable():
                self._drop(slot)
                slot = None
            self._slots.put(slot)

    def _usable(self, worker: Worker | None) -> Worker:
        if worker is not None and not worker.is_usable():
            self._drop(worker)
            worker = None
        if self._closed.is_set():
            raise KinlensError("The picture loader is closed; open a new one.")
        if worker is None:
            worker = self._new()
            self._alive.add(worker)
        return worker

    def _new(self) -> Worker:
        try:
            return Worker(self._decoder, self._memory)
        except OSError as error:
            raise KinlensError(
                f"No process can be started to decode pictures ({error.strerror}); free memory, or "
                "raise this user's limits on processes and open files."
            ) from error

    def _drop(self, worker: Worker) -> None:
        worker.end()
        self._alive.discard(worker)


def _end_all(workers: set[Worker]) -> None:
    while workers:
        workers.pop().end()
