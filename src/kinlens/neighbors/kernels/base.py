"""The seam for kernels: each narrows the rows down to a few that float64 then decides on."""

from __future__ import annotations

from typing import Protocol

from kinlens.neighbors.task import Shortlist, Task


class Kernel(Protocol):
    """A way to make a shortlist."""

    @property
    def name(self) -> str:
        """As users name it and results report it."""

    def is_usable_for(self, task: Task) -> bool:
        """Whether this machine has what it takes, and the bound holds for these numbers."""

    def shortlist(self, task: Task) -> Shortlist:
        """The candidates, for a task it is usable for. Safe to call from many threads."""
