"""Files that appear whole or not at all: written as drafts, which nobody keeps that was killed.

A draft is locked as long as its writer lives, however that ends. So a draft whose lock can be had
is abandoned. Where the system has no such locks, drafts are left alone.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PREFIX = "draft-"


def write_whole(target: Path, data: bytes, drafts: Path) -> None:
    """Write a file durably but for its name, which needs its folder synced.

    Parameters
    ----------
    target : in a folder that exists
    drafts : a folder of the same file system; made if need be
    """
    drafts.mkdir(exist_ok=True)
    handle, draft = _begin(drafts)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if fcntl:  # before the lock is let go of with the file
                draft.replace(target)
        if not fcntl:  # where no open file can be renamed
            draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def sweep(drafts: Path) -> None:
    """Delete the drafts of processes that are no more."""
    if not fcntl:
        return
    for draft in drafts.glob(f"{_PREFIX}*"):
        # It may be finished, or someone else's to sweep, or of another user.
        with suppress(OSError), _taken(draft):
            draft.unlink()


@contextmanager
def _taken(draft: Path) -> Iterator[None]:
    """Hold a draft's lock; `OSError` if its writer lives."""
    handle = os.open(draft, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _begin(drafts: Path) -> tuple[int, Path]:
    """A new draft, locked."""
    while True:
        handle, name = tempfile.mkstemp(prefix=_PREFIX, dir=drafts)
        draft = Path(name)
        if _locked(handle, draft):
            return handle, draft
        os.close(handle)


def _locked(handle: int, draft: Path) -> bool:
    """Whether a draft is this process's now; not if it was swept before it was locked."""
    if not fcntl:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:  # no locks on this file system, so nobody else has one
        return True
    return draft.exists()
