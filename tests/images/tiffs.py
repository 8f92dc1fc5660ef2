"""TIFFs of layouts that Pillow doesn't write, byte by byte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_FORMATS = {"u": 1, "i": 2, "f": 3, "c": 6}
_LETTERS = {2: "s", 3: "H", 4: "I", 7: "s", 16: "Q"}
Tag = tuple[int, tuple[int, ...] | bytes]


def tiff(
    values: Array,
    photometric: int = 1,
    *,
    order: str = "<",
    planar: bool = False,
    tile: int = 0,
    rows: int = 0,
    deflated: bool = False,
    predictor: int = 1,
    bits: int = 0,
    big: bool = False,
    shift: int = 0,
    tags: Mapping[int, Tag] | None = None,
) -> bytes:
    """A TIFF of values, (height, width, samples).

    Parameters
    ----------
    tile : side of square tiles, or 0 for strips of `rows` rows
    bits : a sample, packed, where that isn't the size of the dtype
    shift : by how much the places of strips and tiles are wrong
    tags : more tags, or others: type and values by tag
    """
    high, wide, depth = values.shape
    planes = [values[..., [n]] for n in range(depth)] if planar else [values]
    chunks = [
        _packed(chunk, order, bits, deflated=deflated, predictor=predictor)
        for plane in planes
        for chunk in _chunks(plane, tile, rows or high)
    ]
    found: dict[int, Tag] = {
        256: (3, (wide,)),
        257: (3, (high,)),
        258: (3, (bits or values.dtype.itemsize * 8,) * depth),
        259: (3, (8 if deflated else 1,)),
        262: (3, (photometric,)),
        277: (3, (depth,)),
        284: (3, (2 if planar else 1,)),
        317: (3, (predictor,)),
        339: (3, (_FORMATS[values.dtype.kind],) * depth),
    }
    found |= {322: (3, (tile,)), 323: (3, (tile,))} if tile else {278: (3, (rows or high,))}
    return _file(chunks, {**found, **(tags or {})}, order, shift, big=big, is_tiled=bool(tile))


def _chunks(plane: Array, tile: int, rows: int) -> list[Array]:
    high, wide, depth = plane.shape
    if not tile:
        return [plane[start : start + rows] for start in range(0, high, rows)]
    full = np.zeros((-(-high // tile) * tile, -(-wide // tile) * tile, depth), plane.dtype)
    full[:high, :wide] = plane
    return [
        full[top : top + tile, left : left + tile]
        for top in range(0, high, tile)
        for left in range(0, wide, tile)
    ]


def _packed(chunk: Array, order: str, bits: int, *, deflated: bool, predictor: int) -> bytes:
    if bits:
        rows = chunk.reshape(chunk.shape[0], -1).astype(np.uint32)
        single = rows[..., None] >> np.arange(bits - 1, -1, -1, dtype=np.uint32) & 1
        body = np.packbits(single.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()
    else:
        whole = chunk
        if predictor == 2:
            whole = chunk.copy()
            whole[:, 1:] -= chunk[:, :-1]
        body = whole.astype(whole.dtype.newbyteorder(order)).tobytes()
    return zlib.compress(body) if deflated else body


def _file(
    chunks: list[bytes],
    tags: Mapping[int, Tag],
    order: str,
    shift: int,
    *,
    big: bool,
    is_tiled: bool,
) -> bytes:
    head, room = (16, 8) if big else (8, 4)
    offsets = tuple(shift + head + sum(map(len, chunks[:n])) for n in range(len(chunks)))
    kind = 16 if big else 4
    places = {324: offsets, 325: tuple(map(len, chunks))}
    if not is_tiled:
        places = {273: places[324], 279: places[325]}
    every = {**tags, **{tag: (kind, values) for tag, values in places.items()}}
    body = b"".join(chunks)
    start = head + len(body)
    behind = start + (8 if big else 2) + (20 if big else 12) * len(every) + room
    entries, arrays = b"", b""
    for tag, (kind, values) in sorted(every.items()):
        packed = (
            values
            if isinstance(values, bytes)
            else struct.pack(f"{order}{len(values)}{_LETTERS[kind]}", *values)
        )
        place = packed.ljust(room, b"\0")
        if len(packed) > room:
            place = struct.pack(order + "IQ"[big], behind + len(arrays))
            arrays += packed
        entries += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, len(values)) + place
    mark = b"II" if order == "<" else b"MM"
    first = (
        struct.pack(order + "HHHQ", 43, 8, 0, start)
        if big
        else struct.pack(order + "HI", 42, start)
    )
    count = struct.pack(order + "HQ"[big], len(every))
    return mark + first + body + count + entries + bytes(room) + arrays
