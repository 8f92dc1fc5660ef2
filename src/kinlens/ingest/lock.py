"""One indexer at a time for a catalog; readers and a server's additions go on meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from kinlens.errors import CatalogBusy
from kinlens.store import write_error

LOCK_FILE = "index.lock"

# Who has just taken the lock is about to write down who it is.
_LOOKS, _LOOK_SECONDS = 10, 0.03


@contextmanager
def index_lock(data: Path, *, wait: float = 0.0) -> Iterator[None]:
    """Hold a data folder's lock; it is let go of when the process ends, however it ends.

    Parameters
    ----------
    data : the data folder
    wait : seconds to wait for another indexer to end; infinity for as long as it takes

    Raises
    ------
    CatalogBusy : another process indexes this catalog; the message says which
    """
    file = data / LOCK_FILE
    holder = data / "index.pid"
    lock = FileLock(file, timeout=-1 if wait == float("inf") else wait)
    try:
        lock.acquire()
    except Timeout:
        raise CatalogBusy(
            f"{_name(holder)} is indexing into {data} at this moment. Wait until it is done and "
            "run this again; or add --wait, to begin as soon as it is."
        ) from None
    except OSError as error:
        raise write_error(error, file) from error
    try:
        with suppress(OSError):  # only a courtesy to those who find the lock taken
            holder.write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _name(holder: Path) -> str:
    for _ in range(_LOOKS):
        with suppress(OSError, ValueError):
            return f"The process {int(holder.read_text(encoding='ascii'))}"
        time.sleep(_LOOK_SECONDS)
    return "Another process"
