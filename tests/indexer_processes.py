"""Indexers in processes of their own, which may be interrupted, limited and killed."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_LAUNCHER = """
import json, os, resource, signal, sys
import kinlens.encoders.openvino
from kinlens.ingest import index
from kinlens.ingest.report import Pace
from kinlens.errors import KinlensError
from kinlens.wiring import open_search

def run(order):
    # Each child answers on its own pipe; this one's standard output belongs to the launcher.
    def say(**message):
        os.write(order["answers"], (json.dumps(message) + "\\n").encode())
    Pace.INTERVAL = 0.0
    if order.get("file_size"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_size"], order["file_size"]))
    try:
        with open_search(order["data"], order.get("encoder")) as search:
            say(ready=True)
            report = index(
                search, order["source"], progress=lambda p: say(done=p.done), **order["options"]
            )
        say(report=report.to_dict())
    except KinlensError as error:
        say(error=type(error).__name__, message=str(error))
    os._exit(0)

print("up", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    order["answers"] = os.open(order["fifo"], os.O_WRONLY)
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run(order)
    os.close(order["answers"])
    print(pid, flush=True)
"""


class Indexer:
    """One run of `index`, in a process of its own."""

    def __init__(self, pid: int, answers: int, fifo: Path) -> None:
        self.pid = pid
        self._file = os.fdopen(answers, "rb")
        self._fifo = fifo

    def messages(self) -> Iterator[dict[str, Any]]:
        """What it says, until it ends."""
        for line in self._file:
            if line.endswith(b"\n"):
                yield json.loads(line)
        self._file.close()
        self._fifo.unlink()

    def wait_ready(self) -> None:
        """Until the catalog is open and indexing begins, or it has failed."""
        self._file.readline()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)


class Launcher:
    """Forks indexers off a process that has imported everything already."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _LAUNCHER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"up\n"

    def start(
        self, source: Path, data: Path, encoder: Path | None = None, **options: Any
    ) -> Indexer:
        """Start indexing; `file_size` limits the files it may write, in bytes.

        With `closely` it gets no further than some messages ahead of who reads them.
        """
        self._count += 1
        fifo = self._folder / f"answers{self._count}"
        os.mkfifo(fifo)
        reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        if options.pop("closely", False):
            fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, 4096)
        order = {
            "source": str(source),
            "data": str(data),
            "encoder": str(encoder) if encoder else None,
            "fifo": str(fifo),
            "file_size": options.pop("file_size", None),
            "options": options,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write((json.dumps(order) + "\n").encode())
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        os.set_blocking(reading, True)
        return Indexer(pid, reading, fifo)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


@contextmanager
def launcher(folder: Path) -> Iterator[Launcher]:
    opened = Launcher(folder)
    try:
        yield opened
    finally:
        opened.close()
