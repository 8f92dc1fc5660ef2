"""Kinlens as its users run it: the command line in a process of its own, watched from outside."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

KINLENS = (sys.executable, "-c", "from kinlens.cli import main; main()")
MB = 1e6
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
}
"""As where people install it: what was compiled once isn't compiled with each start."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command printed and what it took: seconds of wall clock and processor, peak MB."""

    output: str
    seconds: float
    cpu_seconds: float
    peak_mb: float


def run(*arguments: str) -> Ended:
    """Run a kinlens command to its end."""
    start, cpu = time.perf_counter(), _children_cpu()
    command = [*KINLENS, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, memory(process.pid, "VmHWM"))
            time.sleep(0.02)
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode:
        sys.exit(f"kinlens {' '.join(arguments)} ended with {process.returncode}.")
    return Ended(output, time.perf_counter() - start, _children_cpu() - cpu, peak)


@dataclass(frozen=True, slots=True)
class Running:
    """A server: where it is, and how long it took to get ready."""

    pid: int
    port: int
    ready_seconds: float


@contextmanager
def serving(data: Path) -> Iterator[Running]:
    """`kinlens serve` on a free port of loopback, without a limit on requests."""
    port = free_port()
    command = [*KINLENS, "serve", "--data", str(data), "--port", str(port)]
    environment = {**ENVIRONMENT, "KINLENS_RATE_LIMIT": "0"}
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        try:
            while not ready(port):
                if process.poll() is not None:
                    sys.exit(f"kinlens serve ended with {process.returncode}.")
                time.sleep(0.01)
            yield Running(process.pid, port, time.perf_counter() - start)
        finally:
            process.terminate()
            process.wait(30)


def memory(pid: int, name: str = "VmRSS") -> float:
    """Megabytes that a process holds (VmRSS) or has held at most (VmHWM); 0 where unknown."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024 / MB
    return 0.0


def cpu_seconds(pid: int) -> float:
    """Seconds of processor that a running process has taken, all its threads together; Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of a GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ready(port: int) -> bool:
    """Whether a server is ready."""
    with suppress(OSError, http.client.HTTPException):
        return get(port, "/readyz")[0] == 200
    return False


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system
