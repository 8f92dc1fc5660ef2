"""Runs of `write_neighbors` in processes of their own, which may be killed and limited."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_LAUNCHER = """
import json, os, resource, signal, sys
import pyarrow.parquet
from kinlens.errors import KinlensError
from kinlens.ingest.report import Pace
from kinlens.neighbor_table import write_neighbors
from kinlens.neighbors import streaming
from kinlens.wiring import open_search

steps = 0
streaming.KEEP_EVERY = 0.0
Pace.INTERVAL = 0.0

def say(**message):
    print(json.dumps(message), flush=True)

def step(done, kill_at):
    global steps
    say(done=done)
    steps += 1
    if steps == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)

def run(order):
    if order["file_size"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_size"], order["file_size"]))
    try:
        with open_search(order["data"], create=False, lazy=True) as search:
            report = write_neighbors(
                search,
                order["output"],
                progress=lambda p: step(p.done, order["kill_at"]),
                **order["options"],
            )
        say(report=report.to_dict())
    except KinlensError as error:
        say(error=type(error).__name__, message=str(error))

for line in sys.stdin:
    waiting, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(waiting, 1)
        run(json.loads(line))
        os._exit(0)
    say(pid=pid)
    os.write(go, b"!")
    os.waitpid(pid, 0)
    os.close(waiting)
    os.close(go)
    print('\\n{"ended": true}', flush=True)
"""


class Tables:
    """Forks runs off a process that has imported everything already; one at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _LAUNCHER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        data: Path,
        output: Path,
        *,
        kill_after: float | None = None,
        kill_at: int | None = None,
        file_size: int | None = None,
        **options: Any,
    ) -> list[dict[str, Any]]:
        """What a run said. It is killed after some seconds, or kills itself at a step."""
        order = {
            "data": str(data), "output": str(output), "file_size": file_size,
            "kill_at": kill_at, "options": options,
        }  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        messages = self._messages()
        pid = next(messages)["pid"]
        if kill_after is not None:
            time.sleep(kill_after)
            _kill(pid)
        said: list[dict[str, Any]] = []
        for message in messages:
            if "ended" in message:
                return said
            said.append(message)
        raise AssertionError("the launcher has ended")

    def _messages(self) -> Iterator[dict[str, Any]]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                yield json.loads(line)
            except ValueError:  # cut short by the kill
                continue

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it was quicker
        os.kill(pid, signal.SIGKILL)


@contextmanager
def tables() -> Iterator[Tables]:
    opened = Tables()
    try:
        yield opened
    finally:
        opened.close()
