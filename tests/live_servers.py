"""Real servers for tests: Mosquitto and Redis on loopback, that can be killed and come back."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import pytest

PATIENCE = 30.0
"""Seconds after which something that is waited for isn't going to happen, on a busy machine too."""


def wait_for(happened: Callable[[], object], what: str = "it", patience: float = PATIENCE) -> None:
    """Until something is so; fails if it isn't for too long."""
    deadline = time.monotonic() + patience
    while not happened():
        if time.monotonic() > deadline:
            pytest.fail(f"Waited {patience:.0f} s in vain for {what}")
        time.sleep(0.01)


def require(program: str) -> str:
    """The path of a server's program; skips without it, and fails in CI."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is missing; `make test` installs it")
        pytest.skip(f"{program} isn't installed; `make test` installs it")
    return path


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A server process on a port that stays the same; a context manager that ends it."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.port = port
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_for(self._answers, f"{self._command[0]}: {self._log.read_text()}")

    def kill(self) -> None:
        """As if the plug were pulled."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()


def mosquitto(folder: Path, *lines: str, listener: str = "") -> Server:
    """A broker that lets everyone in, unless further lines of configuration say otherwise."""
    program, port = require("mosquitto"), free_port()
    config = folder / "mosquitto.conf"
    settings = [f"listener {port} 127.0.0.1", listener, *(lines or ("allow_anonymous true",))]
    config.write_text("\n".join(settings) + "\n")
    if os.geteuid() == 0:
        config.write_text("user root\n" + config.read_text())
    return Server([program, "-c", str(config)], port, folder / "mosquitto.log")


def redis_server(folder: Path) -> Server:
    """A Redis that keeps nothing on the disk."""
    program, port = require("redis-server"), free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    return Server([*command, "--dir", str(folder)], port, folder / "redis.log")


def kinlens(*arguments: str, log: Path) -> subprocess.Popen[bytes]:
    """`kinlens` as a process of its own."""
    command = [sys.executable, "-c", "from kinlens.cli import main; main()", *arguments]
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output)
