"""The process that decodes guarded pictures: reads requests until its parent is gone."""

from __future__ import annotations

import importlib
import os
import signal
from io import FileIO
from pathlib import Path
from typing import cast

from kinlens.errors import BrokenPicture, PictureError
from kinlens.images.protocol import (
    HEAD,
    READY,
    Decode,
    Request,
    Stream,
    answer_of,
    refusal_of,
    send,
    take,
)

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


def main(decoder: str, memory: int) -> None:
    """Serve on standard input and output.

    Parameters
    ----------
    decoder : "module:function"
    memory : bytes of address space to take beyond what the bare process has
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    incoming = cast("Stream", FileIO(0))
    outgoing = cast("Stream", FileIO(os.dup(1), "wb"))
    os.dup2(2, 1)  # what a C library prints must not end up among the messages
    module, _, function = decoder.partition(":")
    decode = cast("Decode", getattr(importlib.import_module(module), function))
    _limit_memory(memory)
    outgoing.write(memoryview(READY))
    try:
        while True:
            _serve(decode, incoming, outgoing)
    except (EOFError, BrokenPipeError):
        os._exit(0)


def _serve(decode: Decode, incoming: Stream, outgoing: Stream) -> None:
    header_size, size = HEAD.unpack(take(incoming, HEAD.size))
    request = Request.from_json(bytes(take(incoming, header_size)))
    data = bytes(take(incoming, size))
    _end_after(2 * request.timeout + 1)
    try:
        decoded = decode(request, data)
    except PictureError as error:
        send(outgoing, refusal_of(error), b"")
    except MemoryError:
        send(outgoing, refusal_of(_too_much(request)), b"")
    else:
        send(outgoing, answer_of(decoded), decoded.pixels)
    _end_after(0)


def _too_much(request: Request) -> PictureError:
    return BrokenPicture(
        f"Decoding this {request.kind.upper()} took more memory than a picture may; scale it down."
    )


def _end_after(seconds: float) -> None:
    """Let the system end this process should it hang when there's no parent left to kill it."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _limit_memory(memory: int) -> None:
    if resource is None:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _address_space() + memory
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (OSError, ValueError):  # macOS knows the limit but doesn't let it be set
        return


def _address_space() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return 1 << 30
    return pages * os.sysconf("SC_PAGE_SIZE")
