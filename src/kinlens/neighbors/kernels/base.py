"""The seam for kernels: each narrows the rows down to a few that float64 then decides on."""

from __future__ import annotations

from typing import Protocol

from kinlens.neighbors.task import Shortlist, Task

PASS = 64
"""Queries that share a pass over the vectors; more would push each other out of a CPU's cache."""


class Kernel(Protocol):
    """A way to make a shortlist."""

    @property
    def name(self) -> str:
        """As users name it and results report it."""

    @property
    def queries_per_pass(self) -> int:
        """How many queries it takes at once; a task holds no more."""

    def missing(self) -> str:
        """What this machine lacks for it, to be read after "needs"; empty if nothing."""

    def is_usable_for(self, task: Task) -> bool:
        """Whether nothing is missing, the bound holds for these numbers, and it is worth it."""

    def shortlist(self, task: Task) -> Shortlist:
        """The candidates, for a task it is usable for. Safe to call from many threads."""
