"""Vectors in chunks whose slots are written once, so that readers need no lock.

A row number is the caller's name for a vector; a slot is where it lies. Replacing a row writes a
new slot and retires the old one, deleting only retires it, and a chunk that has mostly retired
slots is given up after its live ones were moved. A `Snapshot` never changes, so a search that holds
one sees every row whole, whatever a writer does meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.result import Mask, Rows
from kinlens.types import Vectors

BLOCK = 1024
_CHUNK_BYTES = 32 << 20
_CHUNK_BLOCKS = 16


def chunk_slots(dim: int) -> int:
    """Slots of a chunk: at most 16 blocks, fewer for long vectors, about 32 MB of float32."""
    return BLOCK * max(1, min(_CHUNK_BLOCKS, _CHUNK_BYTES // (4 * dim * BLOCK)))


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Slots with their vectors.

    Versions of a chunk share their arrays; each looks only at its first `count` slots, which no
    later version writes to. `alive` is copied where it changes.

    Parameters
    ----------
    key : tells chunks of an index apart, for as long as it lives
    vectors : float32 (slots, dim)
    rows : int64 (slots,), the row each slot was written for
    alive : bool (slots,), False for retired and unused slots
    count : slots in use
    living : of these, how many are alive
    """

    key: int
    vectors: Vectors
    rows: Rows
    alive: Mask
    count: int
    living: int

    @staticmethod
    def empty(key: int, dim: int) -> Chunk:
        """A chunk without rows; its memory is taken as it fills."""
        slots = chunk_slots(dim)
        return Chunk(
            key=key,
            vectors=np.empty((slots, dim), np.float32),
            rows=np.empty(slots, np.int64),
            alive=np.zeros(slots, np.bool_),
            count=0,
            living=0,
        )

    @property
    def room(self) -> int:
        """Slots still unused."""
        return len(self.rows) - self.count

    def appended(self, rows: Rows, vectors: Vectors) -> Chunk:
        """The chunk with these written behind its last used slot."""
        part = slice(self.count, self.count + len(rows))
        self.vectors[part] = vectors
        self.rows[part] = rows
        alive = self.alive.copy()
        alive[part] = True
        return replace(self, alive=alive, count=part.stop, living=self.living + len(rows))

    def retired(self, slots: npt.NDArray[np.intp]) -> Chunk:
        """The chunk without these living slots."""
        alive = self.alive.copy()
        alive[slots] = False
        return replace(self, alive=alive, living=self.living - len(slots))

    def passing(self, mask: Mask | None) -> Mask:
        """Bool (count,): slots that are alive and whose row the mask lets through."""
        alive = self.alive[: self.count]
        if mask is None:
            return alive
        rows = self.rows[: self.count]
        if len(mask) <= rows.max(initial=-1):
            inside = rows < len(mask)
            return alive & inside & mask[np.where(inside, rows, 0)] if len(mask) else alive & inside
        return alive & mask[rows]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What an index holds at one moment.

    Parameters
    ----------
    chunks : in the order they were begun
    capacity : row numbers given out so far
    living : rows that can be found
    """

    chunks: tuple[Chunk, ...] = ()
    capacity: int = 0
    living: int = 0
