"""Chunks as a GPU holds them, from search to search."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np

from kinlens.neighbors.coding import Center, Floats
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.tensors import Device, Tensor
from kinlens.types import Vectors

GROUP = 32
"""Slots come in multiples of this."""
_STEP = 8
"""Tensor cores want lengths in multiples of this."""


def padded(count: int, step: int) -> int:
    """The count, rounded up to a multiple."""
    return -(-count // step) * step


@dataclass(slots=True, eq=False)
class Held:
    """A chunk on the device, up to the slots in use when it was last searched.

    Parameters
    ----------
    center : of the codes
    count : slots that are there
    numbers : float32 (4, slots): square, along and norm of `Codes`, and the scale of a code here
    rows : int64 (slots,)
    vectors : float32 (slots, dim); None where memory doesn't suffice
    codes : float16 (slots, dim padded with zeros); None likewise
    """

    center: Center
    count: int
    numbers: Tensor
    rows: Tensor
    vectors: Tensor | None
    codes: Tensor | None


class Store:
    """What is held; it goes when the vectors go.

    Parameters
    ----------
    device : where
    most_bytes : to take for vectors and codes; None for what is free but for room to work in
    """

    def __init__(self, device: Device, most_bytes: int | None) -> None:
        self.device = device
        self._most_bytes = most_bytes
        self._held: dict[int, tuple[weakref.ref[Vectors], Held]] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of the vectors and codes that are held."""
        return sum(_bytes(held) for _, held in list(self._held.values()))

    def would_hold(self, chunks: tuple[Chunk, ...]) -> bool:
        """Whether there is memory for all of them from search to search."""
        new = 0
        for chunk in chunks:
            entry = self._held.get(id(chunk.vectors))
            if entry is None or entry[1].vectors is None:
                new += _needed(chunk)
        return new == 0 or new <= self._room()

    def get(self, chunk: Chunk) -> Held:
        """The chunk on the device, brought up to date."""
        key = id(chunk.vectors)
        entry = self._held.get(key)
        if entry is None or (entry[1].vectors is None and _needed(chunk) <= self._room()):
            held = self._begun(chunk)
            # The vectors of a chunk are in one array for life, whatever is appended or retired.
            gone = weakref.ref(chunk.vectors, lambda _: self._held.pop(key, None))
            self._held[key] = gone, held
        else:
            held = entry[1]
        if held.center is not chunk.codes.center:
            held.center, held.count = chunk.codes.center, 0
        if held.count < chunk.count:
            self._update(held, chunk)
        return held

    def coded(self, chunk: Chunk, width: int) -> Tensor:
        """float16 (width, dim padded) of the chunk's first slots, anything past those in use."""
        held = self.get(chunk)
        if held.codes is not None:
            return held.codes[:width]
        codes = self._zeros(width, chunk)
        vectors = self.device.put(chunk.vectors[: chunk.count])
        self._code(vectors, held, slice(0, chunk.count), codes)
        return codes

    def taken(self, chunk: Chunk, slots: Tensor) -> Tensor:
        """float32 (n, dim): the vectors of some slots."""
        held = self.get(chunk)
        if held.vectors is not None:
            return held.vectors.index_select(0, slots)
        return self.device.put(chunk.vectors[slots.cpu().numpy()])

    def _room(self) -> int:
        if self._most_bytes is not None:
            return self._most_bytes - self.nbytes
        return self.device.free_bytes - self.device.total_bytes // 4

    def _begun(self, chunk: Chunk) -> Held:
        slots, dim = padded(len(chunk.rows), GROUP), chunk.vectors.shape[1]
        empty, vectors, codes = self.device.empty, None, None
        if _needed(chunk) <= self._room():
            vectors = empty(slots, dim, dtype="float32")
            codes = self._zeros(slots, chunk)
        numbers, rows = empty(4, slots, dtype="float32").zero_(), empty(slots, dtype="int64")
        return Held(chunk.codes.center, 0, numbers, rows, vectors, codes)

    def _zeros(self, slots: int, chunk: Chunk) -> Tensor:
        dim = padded(chunk.vectors.shape[1], _STEP)
        return self.device.empty(slots, dim, dtype="float16").zero_()

    def _update(self, held: Held, chunk: Chunk) -> None:
        new, codes, put = slice(held.count, chunk.count), chunk.codes, self.device.put
        ours = codes.square, codes.along, codes.norm, _scale(codes.scale[new])
        parts = [*(part[new] for part in ours[:3]), ours[3]]
        held.numbers[:, new] = put(np.stack(parts))
        held.rows[new] = put(chunk.rows[new])
        held.count = chunk.count
        if held.vectors is not None and held.codes is not None:
            held.vectors[new] = put(chunk.vectors[new])
            self._code(held.vectors[new], held, new, held.codes)

    def _code(self, vectors: Tensor, held: Held, to: slice, codes: Tensor) -> None:
        centered = vectors - self.device.put(held.center.vector)
        centered /= held.numbers[3, to, None]
        codes[to, : vectors.shape[1]] = centered


def _scale(steps: Floats) -> Floats:
    """Powers of two, at least the largest number of each vector, given the steps of int8 codes."""
    largest = steps * np.float32(127.5)
    scale: Floats = np.ldexp(np.float32(1), np.frexp(largest)[1])
    return np.where(largest > 0, scale, np.float32(1))


def _needed(chunk: Chunk) -> int:
    slots, dim = padded(len(chunk.rows), GROUP), int(chunk.vectors.shape[1])
    return slots * (4 * dim + 2 * padded(dim, _STEP))


def _bytes(held: Held) -> int:
    if held.vectors is None or held.codes is None:
        return 0
    return int(held.vectors.nbytes + held.codes.nbytes)
