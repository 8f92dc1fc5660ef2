"""Keeps OpenVINO from telling others that it is used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

TELEMETRY = "openvino_telemetry"


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Import OpenVINO in here.

    Importing it sends an event to its maker over the network, from a process of its own, unless
    the user has opted out or the package that does so can't be imported.
    """
    absent = TELEMETRY not in sys.modules
    if absent:
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # Python's way to forbid it
    try:
        yield
    finally:
        if absent:
            del sys.modules[TELEMETRY]
