"""What the live view runs on, each in a process of its own: servers, matcher, camera, page."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes import KINLENS, free_port, ready


@dataclass(frozen=True, slots=True)
class Parts:
    """What the live view runs on.

    Parameters
    ----------
    broker, store : URLs; "" if they aren't installed
    pids : of the broker and the store
    """

    broker: str = ""
    store: str = ""
    pids: tuple[int, ...] = ()

    @property
    def names(self) -> str:
        """For the report."""
        return "Mosquitto and Redis" if self.broker else "one process"

    @property
    def options(self) -> list[str]:
        """Of `kinlens live`."""
        return ["--broker", self.broker, "--store", self.store] if self.broker else ["--demo"]


@contextmanager
def servers(folder: Path) -> Iterator[Parts]:
    """A broker and a store, where both are installed."""
    paths = os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"
    mosquitto = shutil.which("mosquitto", path=paths)
    redis = shutil.which("redis-server", path=paths)
    if not mosquitto or not redis:
        yield Parts()
        return
    broker, store = free_port(), free_port()
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {broker} 127.0.0.1\nallow_anonymous true\n", encoding="utf-8")
    commands = [
        [mosquitto, "-c", str(settings)],
        [redis, "--port", str(store), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
    ]
    with ExitStack() as stack:
        pids = tuple(stack.enter_context(process(command)).pid for command in commands)
        time.sleep(1)
        yield Parts(f"mqtt://127.0.0.1:{broker}", f"redis://127.0.0.1:{store}/0", pids)


@contextmanager
def process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended."""
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | options
    with subprocess.Popen(command, text=True, **options) as running:
        try:
            yield running
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(30)


@dataclass(frozen=True, slots=True)
class Live:
    """A `kinlens live`."""

    pid: int
    port: int


@contextmanager
def live(data: Path, parts: Parts) -> Iterator[Live]:
    """`kinlens live`, once it is ready."""
    port = free_port()
    command = [*KINLENS, "live", "--data", str(data), "--port", str(port), *parts.options]
    with process(command, env={**os.environ, "KINLENS_RATE_LIMIT": "0"}) as running:
        while not ready(port):
            if running.poll() is not None:
                sys.exit(f"kinlens live ended with {running.returncode}.")
            time.sleep(0.05)
        yield Live(running.pid, port)


@dataclass(slots=True)
class Camera:
    """A `kinlens camera`: when it had each frame that it published, by number."""

    pid: int
    taken: dict[int, float] = field(default_factory=dict)


@contextmanager
def camera(data: Path, parts: Parts, rate: float) -> Iterator[Camera]:
    """A camera on the recorded walk that publishes every frame."""
    command = [
        *KINLENS, "camera", "walk", "--loop", "--json", "--data", str(data), "--device", "walk",
        "--broker", parts.broker, "--rate", str(rate), "--change", "0",
    ]  # fmt: skip
    with process(command, stdout=subprocess.PIPE) as running:
        told = Camera(running.pid)

        def read() -> None:
            assert running.stdout is not None
            for line in running.stdout:
                published = json.loads(line)
                if "sequence" in published:
                    told.taken[published["sequence"]] = published["taken_at"]

        threading.Thread(target=read, daemon=True).start()
        yield told
