"""A pool of decoder processes for what may hang or kill a decoder."""

from __future__ import annotations

import weakref

from kinlens.callers import CALLER
from kinlens.errors import BrokenPicture, KinlensError
from kinlens.images.process import Guarded, Worker, WorkerDied
from kinlens.images.protocol import Request
from kinlens.images.turns import Turns, interrupted

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
        self._memory = memory
        self._decoder = decoder
        self._turns = Turns(size)
        # Last in, first out: a lone thread keeps to one process.
        self._resting: list[Worker] = []
        self._alive: set[Worker] = set()
        self._finalizer = weakref.finalize(self, _end_all, self._alive)

    def decode(self, request: Request, data: bytes) -> Guarded:
        """Decode one picture; blocks while all processes are busy. Thread-safe.

        The callers that `kinlens.callers.CALLER` names take turns.

        Raises
        ------
        PictureError : what the decoder found; `BrokenPicture` if it hung or died
        Overloaded : too many pictures wait, or `cancel` was called
        KinlensError : the pool is closed, or a process can't start
        """
        try:
            return self._attempt(request, data)
        except WorkerDied:  # perhaps for another's sake
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

    def cancel(self) -> None:
        """Kill the processes that decode; who waits for them, or in line, gets `Overloaded`."""
        self._turns.interrupt()
        for worker in list(self._alive - set(self._resting)):
            worker.cancel()

    def close(self) -> None:
        """End all processes; waits for those that decode, which is killed. Idempotent."""
        self._turns.end(KinlensError("The picture loader is closed; open a new one."))
        for worker in list(self._alive):
            worker.kill()
        self._turns.wait_idle()
        while self._resting:
            self._drop(self._resting.pop())

    def _attempt(self, request: Request, data: bytes) -> Guarded:
        with self._turns.turn(CALLER.get()):
            worker = self._usable()
            try:
                return worker.decode(request, data)
            except (KinlensError, WorkerDied):
                if worker.canceled:
                    raise interrupted() from None
                raise
            finally:
                if worker.is_usable():
                    self._resting.append(worker)
                else:
                    self._drop(worker)

    def _usable(self) -> Worker:
        while self._resting:
            worker = self._resting.pop()
            if worker.is_usable():
                return worker
            self._drop(worker)
        worker = self._new()
        self._alive.add(worker)
        if self._turns.ended is not None:  # in the meantime
            worker.kill()
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
