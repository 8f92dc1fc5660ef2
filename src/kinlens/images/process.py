"""One decoder process as its parent sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

from kinlens.errors import BrokenPicture, KinlensError, PictureError
from kinlens.images.protocol import (
    HEAD,
    MAX_JSON,
    READY,
    Request,
    Stream,
    error_of,
    fill,
    send,
    take,
)
from kinlens.types import Pixels

START_TIMEOUT = 60.0
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "LANG")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Guarded:
    """Upright pixels as asked for, and the size of the upright original."""

    pixels: Pixels
    width: int
    height: int


class WorkerDied(Exception):
    """The process ended without an answer."""


class Worker:
    """A decoder process; used by one thread at a time."""

    def __init__(self, decoder: str, memory: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _program(decoder, memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=_environment(),
            # In a group of its own, so that Ctrl-C ends none of them while it is still starting.
            process_group=0 if os.name == "posix" else None,
        )
        self._in = cast("Stream", self._process.stdin)
        self._out = cast("Stream", self._process.stdout)
        self._started = False
        self._usable = True
        self.canceled = False

    @property
    def pid(self) -> int:
        """The system's number for it."""
        return self._process.pid

    def is_usable(self) -> bool:
        """Whether it lives and waits for a request."""
        return self._usable and self._process.poll() is None

    def decode(self, request: Request, data: bytes) -> Guarded:
        """Have one picture decoded.

        Raises
        ------
        PictureError : what the decoder found; `BrokenPicture` if it took too long
        WorkerDied : the process is gone
        """
        if not self._started:
            self._await_start()
        answer = self._within(request.timeout, lambda: self._ask(request, data))
        if isinstance(answer, PictureError):
            raise answer
        return answer

    def kill(self) -> None:
        """End the process; a thread that waits for it gets `WorkerDied`."""
        self._process.kill()

    def cancel(self) -> None:
        """The same, where the picture isn't to blame, nor to be tried again."""
        self.canceled = True
        self.kill()

    def end(self) -> None:
        """End the process and let go of its pipes; no thread may be waiting for it."""
        self._usable = False
        self._process.kill()
        self._in.close()
        self._out.close()
        self._process.wait()

    def _await_start(self) -> None:
        """A worker that can't even start is this installation's fault, not the picture's."""
        try:
            self._within(START_TIMEOUT, lambda: take(self._out, len(READY)))
        except (WorkerDied, BrokenPicture) as error:
            raise KinlensError(
                f"The process that decodes pictures can't start ({error}); check that "
                "`python -c 'import kinlens.images.slow'` works."
            ) from None
        self._started = True

    def _ask(self, request: Request, data: bytes) -> Guarded | PictureError:
        send(self._in, request.to_json(), data)
        header_size, size = HEAD.unpack(take(self._out, HEAD.size))
        if header_size > MAX_JSON or size > 3 * request.max_pixels:
            raise ValueError("an answer out of bounds")
        answer = json.loads(bytes(take(self._out, header_size)))
        if "error" in answer:
            return error_of(answer)
        return self._receive(answer, size)

    def _receive(self, answer: dict[str, Any], size: int) -> Guarded:
        width, height = (int(side) for side in answer["size"])
        original_width, original_height = (int(side) for side in answer["original"])
        if min(width, height) < 1 or 3 * width * height != size:
            raise ValueError("an answer out of shape")
        pixels = np.empty((height, width, 3), np.uint8)
        fill(self._out, pixels.reshape(-1).data)
        return Guarded(pixels, original_width, original_height)

    def _within(self, seconds: float, work: Callable[[], T]) -> T:
        """Run `work`; kill the process if it takes longer, which ends all waiting on its pipes."""
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._process.kill()

        timer = threading.Timer(seconds, expire)
        timer.daemon = True
        self._usable = False  # until the answer has been read to its end
        timer.start()
        try:
            result = work()
        except (EOFError, OSError, ValueError, KeyError) as error:
            if expired.is_set():
                raise BrokenPicture(
                    f"Decoding took longer than {seconds:g} s (decode_timeout) and was stopped: "
                    "the picture is made to be slow, or the machine is."
                ) from None
            raise WorkerDied(self._fate()) from error
        finally:
            timer.cancel()
        self._usable = not expired.is_set()
        return result

    def _fate(self) -> str:
        self._process.kill()
        status = self._process.wait()
        if status >= 0:
            return f"exit status {status}"
        return signal.Signals(-status).name if -status in set(signal.Signals) else f"{status}"


def _program(decoder: str, memory: int) -> str:
    # The parent's search path, so that the worker finds the same Kinlens however it is installed.
    path = [entry for entry in sys.path if isinstance(entry, str)]
    return (
        f"import sys; sys.path[:] = {path!r}; "
        f"from kinlens.images.worker import main; main({decoder!r}, {memory:d})"
    )


def _environment() -> dict[str, str]:
    """Without the parent's secrets, and without thread pools that a picture has no use for."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
