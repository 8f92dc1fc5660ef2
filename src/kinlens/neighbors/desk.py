"""Memory that searches work in, used again from one search to the next.

What the system gives anew it has to clear, and that takes longer than to compute in it: half of the
time of a search of a few thousand rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.products import Products
from kinlens.neighbors.workers import WORKERS

Number = TypeVar("Number", bound=np.generic)

_KEPT = 8 << 20
"""Bytes for one purpose that aren't given back when the work is done."""
_ALIGNED = 64


class Desk:
    """Where one thread works."""

    def __init__(self) -> None:
        self.products = Products()
        self._rooms: dict[str, npt.NDArray[np.uint8]] = {}

    def array(
        self, purpose: str, shape: tuple[int, ...], dtype: type[Number]
    ) -> npt.NDArray[Number]:
        """An array with anything in it, in the place of the last one for this purpose."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        room = self._rooms.get(purpose)
        if room is None or len(room) < size:
            room = np.empty(size + _ALIGNED, np.uint8)
            room = room[-room.ctypes.data % _ALIGNED :]
            self._rooms[purpose] = room
        array: npt.NDArray[Any] = room[:size].view(dtype).reshape(shape)
        return array

    def floats(self, height: int, width: int) -> npt.NDArray[np.float32]:
        """float32 (height, width) for estimates."""
        return self.array("estimates", (height, width), np.float32)

    def tidy(self) -> None:
        """Give back what is large."""
        self.products.forget(_KEPT)
        for purpose in [name for name, room in self._rooms.items() if len(room) > _KEPT]:
            del self._rooms[purpose]


_FREE: list[Desk] = []


@contextmanager
def at_desk() -> Iterator[Desk]:
    """A desk nobody else works at meanwhile; nothing that lies on it may be used afterwards."""
    try:
        desk = _FREE.pop()
    except IndexError:
        desk = Desk()
    try:
        yield desk
    finally:
        desk.tidy()
        if len(_FREE) < 2 * WORKERS.threads:
            _FREE.append(desk)
