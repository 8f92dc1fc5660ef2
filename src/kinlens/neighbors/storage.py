"""Vectors in chunks whose slots are written once, so that readers need no lock.

A row number is the caller's name for a vector; a slot is where it lies. Replacing a row writes a
new slot and retires the old one, deleting only retires it, and a chunk that has mostly retired
slots is given up after its live ones were moved. A `Snapshot` never changes, so a search that holds
one sees every row whole, whatever a writer does meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.coding import Center, Codes
from kinlens.neighbors.products import PACK
from kinlens.neighbors.result import Mask, Rows
from kinlens.neighbors.sketches import LEAST, Axes, Sketches
from kinlens.neighbors.workers import WORKERS
from kinlens.types import Vectors

_CHUNK_BYTES = 32 << 20
_CHUNK_PACKS = 8
_PART = 1024
_REGROWTH = 4
_LEARN_AGAIN = 8
"""Of chunks whose like don't suit sketches, one in so many tries again: a try takes 80 ms."""


def chunk_slots(dim: int) -> int:
    """Slots of a chunk: at most 16,384, fewer for long vectors, about 32 MB of float32."""
    return PACK * max(1, min(_CHUNK_PACKS, _CHUNK_BYTES // (4 * dim * PACK)))


@dataclass(frozen=True, slots=True)
class Peaks:
    """Extremes over the slots in use; a retired slot may keep them wide.

    Parameters
    ----------
    residual, square : the largest of `Codes`
    least, most : norm
    """

    residual: float = 0.0
    square: float = 0.0
    least: float = np.inf
    most: float = 0.0

    @staticmethod
    def of(codes: Codes, slots: slice) -> Peaks:
        """The extremes of these slots."""
        return Peaks(
            float(codes.residual[slots].max()),
            float(codes.square[slots].max()),
            float(codes.norm[slots].min()),
            float(codes.norm[slots].max()),
        )

    def joined(self, other: Peaks) -> Peaks:
        """The extremes of both."""
        return Peaks(
            max(self.residual, other.residual),
            max(self.square, other.square),
            min(self.least, other.least),
            max(self.most, other.most),
        )


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
    codes : of the vectors
    sketches : of the vectors; None while they are too few to learn axes from, or where sketches
        wouldn't pay
    learns : whether to try to learn axes; where the chunk before found none, most don't
    basis : of how many vectors the center was found to suit
    peaks : of the codes
    count : slots in use
    living : of these, how many are alive
    consecutive : whether the rows of the slots in use follow one another
    """

    key: int
    vectors: Vectors
    rows: Rows
    alive: Mask
    codes: Codes
    sketches: Sketches | None
    learns: bool
    basis: int
    peaks: Peaks = Peaks()
    count: int = 0
    living: int = 0
    consecutive: bool = True

    @staticmethod
    def begun(key: int, vectors: Vectors, before: Chunk | None) -> Chunk:
        """An empty chunk, ready for vectors like these; its memory is taken as it fills.

        The center of the chunk before is kept if it does as well, so that queries are coded once;
        its axes are kept until there are vectors enough to tell.
        """
        slots, dim = chunk_slots(vectors.shape[1]), vectors.shape[1]
        center = Center.of(vectors[:slots])
        if before is not None and before.codes.center.suits(center, vectors[:slots]):
            center = before.codes.center
        return Chunk(
            key=key,
            vectors=np.empty((slots, dim), np.float32),
            rows=np.empty(slots, np.int64),
            alive=np.zeros(slots, np.bool_),
            codes=Codes.empty(center, slots),
            sketches=_sketches_like(before, slots),
            learns=before is None or before.sketches is not None or key % _LEARN_AGAIN == 0,
            basis=len(vectors),
        )

    @property
    def room(self) -> int:
        """Slots still unused."""
        return len(self.rows) - self.count

    @property
    def vector_bytes(self) -> int:
        """Bytes of the vectors of the slots in use."""
        return self.vectors[: self.count].nbytes

    @property
    def screen_bytes(self) -> int:
        """Bytes of all else that belongs to the slots in use."""
        codes, sketches = self.codes, self.sketches
        slot = codes.slot_bytes + self.rows.itemsize + self.alive.itemsize
        if sketches is None:
            return self.count * slot + codes.packed.nbytes
        slot += sketches.slot_bytes
        return self.count * slot + codes.packed.nbytes + sketches.packed.nbytes

    def appended(self, rows: Rows, vectors: Vectors) -> Chunk:
        """The chunk with these written behind its last used slot."""
        part = slice(self.count, self.count + len(rows))
        self.vectors[part] = vectors
        self.rows[part] = rows
        alive = self.alive.copy()
        alive[part] = True
        follows = bool((np.diff(self.rows[max(0, part.start - 1) : part.stop]) == 1).all())
        basis, better = self.basis, None
        if part.stop >= _REGROWTH * basis:
            basis, better = part.stop, self._better_center(part.stop)
        if better is None:
            codes = self.codes
            _in_parts(codes.write, part.start, vectors)
            peaks = self.peaks.joined(Peaks.of(codes, part))
        else:
            codes = Codes.empty(better, len(self.rows))
            _in_parts(codes.write, 0, self.vectors[: part.stop])
            peaks = Peaks.of(codes, slice(0, part.stop))
        return replace(
            self,
            alive=alive,
            codes=codes,
            sketches=self._sketched(part),
            basis=basis,
            peaks=peaks,
            count=part.stop,
            living=self.living + len(rows),
            consecutive=self.consecutive and follows,
        )

    def _sketched(self, part: slice) -> Sketches | None:
        """The sketches with these slots, along other axes if those they began with don't suit."""
        sketches, start = self.sketches, part.start
        enough = min(LEAST, len(self.rows))
        if self.learns and part.start < enough <= part.stop:
            vectors = self.vectors[: part.stop]
            before = None if sketches is None else sketches.axes
            axes = Axes.learned(vectors) if before is None else before.or_better(vectors)
            if axes is None:
                sketches = None
            elif axes is not before:
                sketches, start = Sketches.empty(axes, len(self.rows)), 0
        if sketches is not None:
            _in_parts(sketches.write, start, self.vectors[start : part.stop])
        return sketches

    def _better_center(self, count: int) -> Center | None:
        """A center made of few vectors may fit badly once there are many."""
        vectors = self.vectors[:count]
        center = Center.of(vectors)
        return None if self.codes.center.suits(center, vectors) else center

    def retired(self, slots: npt.NDArray[np.intp]) -> Chunk:
        """The chunk without these living slots."""
        alive = self.alive.copy()
        alive[slots] = False
        return replace(self, alive=alive, living=self.living - len(slots))

    @staticmethod
    def gathered(parts: list[tuple[Chunk, npt.NDArray[np.intp]]]) -> Chunk:
        """One of copies of some slots of chunks that share a center, without room for more."""
        first = parts[0][0]
        count = sum(len(slots) for _, slots in parts)
        return replace(
            first,
            vectors=np.concatenate([chunk.vectors[slots] for chunk, slots in parts]),
            rows=np.concatenate([chunk.rows[slots] for chunk, slots in parts]),
            alive=np.ones(count, np.bool_),
            codes=Codes.gathered([(chunk.codes, slots) for chunk, slots in parts]),
            sketches=None,
            peaks=reduce(Peaks.joined, [chunk.peaks for chunk, _ in parts]),
            count=count,
            living=count,
            consecutive=False,
        )

    def passing(self, mask: Mask | None) -> Mask:
        """Bool (count,): slots that are alive and whose row the mask lets through."""
        alive = self.alive[: self.count]
        if mask is None:
            return alive
        rows = self.rows[: self.count]
        if self.consecutive and rows[-1] < len(mask):
            passing: Mask = mask[rows[0] : rows[-1] + 1]
            # A copy, for nobody knows what the caller does with his mask meanwhile.
            return passing.copy() if self.living == self.count else alive & passing
        inside = rows < len(mask)
        passing = alive & inside
        passing[inside] &= mask[rows[inside]]
        return passing


def _sketches_like(before: Chunk | None, slots: int) -> Sketches | None:
    if before is None or before.sketches is None:
        return None
    return Sketches.empty(before.sketches.axes, slots)


def _in_parts(write: Callable[[int, Vectors], None], start: int, vectors: Vectors) -> None:
    def work(parts: Iterator[int]) -> None:
        for first in parts:
            write(start + first, vectors[first : first + _PART])

    parts = range(0, len(vectors), _PART)
    WORKERS.share(parts, work, most=len(parts))


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
