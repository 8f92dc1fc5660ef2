"""Programs run in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Run a program; its output is a pipe."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", textwrap.dedent(program), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def run(program: str, *arguments: object) -> str:
    """Run a program to its end; what it printed."""
    process = start(program, *arguments)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return output
