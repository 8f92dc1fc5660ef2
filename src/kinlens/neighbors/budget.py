"""How much memory may be used, and how large blocks may be for that."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kinlens.errors import InvalidInput

_SHARE = 0.5
_UNKNOWN = 1 << 30
_LEAST = 64
_MOST_QUERIES = 2048
_FOR_VECTORS = 0.65
_FOR_QUERIES = 0.2
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Blocks:
    """Sizes of the blocks that are in memory at once.

    Parameters
    ----------
    vectors : that are searched at once
    queries : that are answered at once
    """

    vectors: int
    queries: int


def blocks_for(memory: int | None, dim: int, k: int, vectors: int, queries: int) -> Blocks:
    """The largest blocks that a number of bytes allows; never fewer than 64 of each.

    Parameters
    ----------
    memory : bytes; None for half of what is free
    dim : length of the vectors
    k : neighbors of a query that are held at once
    vectors, queries : how many there are
    """
    if memory is not None and (not isinstance(memory, int | float) or memory < 1):
        raise InvalidInput(f"memory is a number of bytes above 0; got {memory!r}.")
    budget = _SHARE * free_memory() if memory is None else memory
    # The index keeps up to twice a vector's float32, and has what it was made from beside it.
    most = max(_LEAST, int(_FOR_VECTORS * budget / (10 * dim + 64)))
    passes = max(1, -(-vectors // most))
    part = max(_LEAST, int(_FOR_QUERIES * budget / (12 * dim + 128 * (k + 1))))
    return Blocks(max(1, -(-vectors // passes)), min(part, _MOST_QUERIES, max(1, queries)))


def free_memory() -> int:
    """Bytes of memory that this process may still take, by the system and by its container."""
    found = [_UNKNOWN]
    with suppress(OSError, ValueError, StopIteration):
        found = [_number_of("MemAvailable:", Path("/proc/meminfo")) * 1024]
    with suppress(OSError, ValueError, StopIteration):
        limit = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        files = _number_of("file", _CGROUP / "memory.stat")  # given back when it is needed
        found.append(max(0, limit - used + files))
    return min(found)


def _number_of(name: str, path: Path) -> int:
    lines = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return next(int(words[1]) for words in lines if words[0] == name)
