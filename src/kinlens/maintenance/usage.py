"""Whether processes use the databases of a data folder, and keeping them out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from kinlens.errors import CatalogBusy
from kinlens.ingest.lock import LOCK_FILE
from kinlens.maintenance.folder import DATABASES

# Bytes of a database file that SQLite locks (its file format, "locking"): in WAL mode, every
# connection holds a shared lock on them for as long as it is open, idle or not.
_HOLDER = """
import fcntl, sys
files = []
for name in sys.argv[1:]:
    try:
        files.append(open(name, "rb+"))
    except OSError:
        continue
    try:
        fcntl.lockf(files[-1], fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
    except OSError:
        print(name, flush=True)
        sys.exit()
print("", flush=True)
sys.stdin.read()
"""


def user_of(files: Sequence[Path]) -> Path | None:
    """The first of these databases that a process has open; None if there is none."""
    with _held(files) as used:
        return used


def is_indexing(data: Path) -> bool:
    """Whether a process indexes into a data folder."""
    file = data / LOCK_FILE
    if not file.is_file():
        return False
    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except (Timeout, OSError):
        return True
    lock.release()
    return False


@contextmanager
def alone(data: Path, what: str) -> Iterator[None]:
    """Keep all processes from the databases of a data folder.

    Parameters
    ----------
    data : the data folder; its databases are locked meanwhile for this process as well
    what : is done meanwhile, for the message

    Raises
    ------
    CatalogBusy : a process has one of them open
    """
    with _held([data / name for name in DATABASES]) as used:
        if used is not None:
            raise CatalogBusy(
                f"A process has {used} open, such as `kinlens serve`; stop it, then {what}."
            )
        yield


@contextmanager
def _held(files: Sequence[Path]) -> Iterator[Path | None]:
    """Lock databases in a process of its own; gives the first that is in use, if any.

    POSIX locks belong to a process, and closing any handle of a file drops all that the process has
    on it. A process of its own sees the locks of this one, and drops none of them.
    """
    there = [str(file) for file in files if file.is_file()]
    if not there or sys.platform == "win32":
        yield None
        return
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, *there],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said = holder.stdout.readline().rstrip("\n") if holder.stdout else ""
        yield Path(said) if said else None
    finally:
        with suppress(BrokenPipeError):
            holder.communicate()
