"""What has locks and outlives an `os.fork`: a child starts with none of them held."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forkable(Protocol):
    """An object whose locks other threads may hold while the process forks."""

    def before_fork(self) -> None:
        """Wait until no other thread changes its state; the locks for that are held briefly."""

    def after_fork(self, *, in_child: bool) -> None:
        """Release what `before_fork` acquired; in a child, also what its parent's threads hold."""


class _Registry:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: weakref.WeakSet[Forkable] = weakref.WeakSet()
        self._held: list[Forkable] = []

    def add(self, one: Forkable) -> None:
        with self._lock:
            self._known.add(one)

    def before(self) -> None:
        self._lock.acquire()
        self._held = list(self._known)
        for one in self._held:
            one.before_fork()

    def after(self, *, in_child: bool) -> None:
        for one in self._held:
            one.after_fork(in_child=in_child)
        self._held = []
        self._lock.release()


_REGISTRY = _Registry()
register = _REGISTRY.add
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_REGISTRY.before,
        after_in_parent=lambda: _REGISTRY.after(in_child=False),
        after_in_child=lambda: _REGISTRY.after(in_child=True),
    )
