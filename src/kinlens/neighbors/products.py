"""The only user of NumKong: products of int8 vectors, and their arrangement for them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int8]
PACK = 2048
"""Slots packed together: the products of 64 queries with them still fit a level 2 cache."""


@functools.cache
def library() -> Any:
    """NumKong, or None where it isn't installed or doesn't load."""
    try:
        import numkong  # noqa: PLC0415  (only where it is used)
    except ImportError:
        return None
    return numkong


@functools.cache
def is_fast() -> bool:
    """Whether NumKong is there and has code for this CPU's vector instructions."""
    numkong = library()
    if numkong is None:
        return False
    return any(has for name, has in numkong.get_capabilities().items() if name != "serial")


def missing() -> str:
    """What isn't there for it to be fast; empty if nothing."""
    return "" if is_fast() else "NumKong with code for this CPU's vector instructions"


def pairs(left: Ints, right: Ints) -> npt.NDArray[np.float64]:
    """float64 (n,): exact products of rows, int8 (n, dim) and (n, dim), or (1, dim) for all."""
    if len(right) == 0:
        return np.empty(0)
    alone = len(left) == 1
    found = library().cdist(left, right, "dot") if alone else library().dot(left, right)
    products: npt.NDArray[np.float64] = np.array(found)
    return products.ravel()


class Products:
    """Products of a few int8 queries with int8 vectors, into memory that is used again.

    One thread uses one of these. What a call returns is overwritten by the next.
    """

    def __init__(self) -> None:
        self._rooms: dict[tuple[int, int, str], Any] = {}

    def single(self, query: Ints, codes: Ints) -> npt.NDArray[np.float32]:
        """float32 (1, n) for int8 (1, dim) and (n, dim): exact up to 2^24, else rounded once."""
        tensor, array = self._room(1, len(codes), "float32")
        library().cdist(query, codes, "dot", out=tensor)
        products: npt.NDArray[np.float32] = array
        return products

    def many(self, queries: Ints, packed: Any) -> npt.NDArray[np.int32]:
        """int32 (q, n) for int8 (q, dim) and n packed, exact."""
        tensor, array = self._room(len(queries), packed.width, "int32")
        library().dots_packed(queries, packed, out=tensor)
        products: npt.NDArray[np.int32] = array
        return products

    def forget(self, most: int) -> None:
        """Give the memory back if it is more than so many bytes."""
        if sum(array.nbytes for _, array in self._rooms.values()) > most:
            self._rooms.clear()

    def _room(self, height: int, width: int, dtype: str) -> Any:
        key = height, width, dtype
        if key not in self._rooms:
            tensor = library().zeros((height, width), dtype=dtype)
            self._rooms[key] = tensor, np.asarray(tensor)
        return self._rooms[key]


class PackedBlocks:
    """Packed copies of runs of slots, made when first asked for.

    Threads may ask at once: at worst one packs in vain.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, tuple[int, Any]] = {}

    def get(self, codes: Ints, start: int, stop: int) -> Any:
        """The slots from start to stop, packed; runs that start alike replace one another."""
        width, packed = self._blocks.get(start, (0, None))
        if width != stop - start:
            packed = library().dots_pack(codes[start:stop])
            self._blocks[start] = stop - start, packed
        return packed

    @property
    def nbytes(self) -> int:
        """Bytes the copies take."""
        return sum(packed.nbytes for _, packed in list(self._blocks.values()))
