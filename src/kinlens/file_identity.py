"""Whether the file at a path is still the one that was opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

Identity: TypeAlias = tuple[int, int]
"""Device and inode. No other file has the same for as long as the file is open."""


def identity_of(path: Path) -> Identity | None:
    """The file that is at the path now; None if there is none that this process can reach."""
    try:
        found = os.stat(path)  # noqa: PTH116  # half the time of Path.stat, before each transaction
    except OSError:
        return None
    return found.st_dev, found.st_ino
