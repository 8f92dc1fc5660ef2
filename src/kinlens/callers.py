"""On whose behalf the current thread or task works, so that shared parts can be fair to each."""

from __future__ import annotations

from contextvars import ContextVar

CALLER: ContextVar[str] = ContextVar("kinlens_caller", default="")
"""A key's name or a client's address; "" for this process's own work, which has no budget."""
