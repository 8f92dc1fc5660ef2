"""Decoders that misbehave, for a guarded process to run."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

import numpy as np

from kinlens.errors import UnsupportedPicture
from kinlens.images.protocol import Decoded, Request
from kinlens.images.slow import decode


def by_content(request: Request, data: bytes) -> Decoded:
    """Does what the picture's last bytes say, and decodes when they say nothing."""
    command, _, rest = data[-100:].rpartition(b"#")[2].partition(b" ")
    match command:
        case b"hang":
            time.sleep(60)
        case b"die":
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"exit":
            os._exit(3)
        case b"die-once":
            marker = Path(os.fsdecode(rest))
            if not marker.exists():
                marker.touch()
                os._exit(1)
        case b"gobble":
            held = [np.empty(64 << 20, np.uint8) for _ in range(1000)]
            return Decoded(1, 1, 1, 1, held[0][:3].tobytes())
        case b"lie":
            return Decoded(10, 10, 10, 10, b"too few")
        case b"print":
            os.write(1, b"noise of a C library")
            ctypes.CDLL(None).puts(b"and more")
        case b"refuse":
            raise UnsupportedPicture("It can't be.")
        case b"crash":
            raise RuntimeError("a mistake of ours")
    return decode(request, data)
