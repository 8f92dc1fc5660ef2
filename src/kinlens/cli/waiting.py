"""How long a person has waited for a command, what it loads included."""

from __future__ import annotations

import time

_began = time.perf_counter()


def begin(at: float) -> None:
    """Count from this moment of `time.perf_counter`, when the process began."""
    global _began  # noqa: PLW0603 - a process runs one command
    _began = at


def waited() -> float:
    """Milliseconds since the command began."""
    return (time.perf_counter() - _began) * 1000
