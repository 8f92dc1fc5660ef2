"""Width and height from the first bytes of a file, before any decoder sees it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

Size = tuple[int, int]


def stated_size(kind: str, data: bytes) -> Size | None:
    """Width and height that a PNG, GIF, WebP or BMP states; None if only a decoder can tell.

    Parameters
    ----------
    kind : as `picture_format` names it
    data : the encoded picture
    """
    reader = _READERS.get(kind)
    if reader is None:
        return None
    try:
        return reader(data)
    except struct.error:
        return None


def _png(data: bytes) -> Size:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _gif(data: bytes) -> Size:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _bmp(data: bytes) -> Size:
    if data[14:18] == b"\x0c\0\0\0":
        width, height = struct.unpack_from("<HH", data, 18)
        return width, height
    width, height = struct.unpack_from("<ii", data, 18)
    return width, abs(height)  # a negative height says that rows run from the top


def _webp(data: bytes) -> Size | None:
    chunk = data[12:16]
    if chunk == b"VP8X":
        wide, high = data[24:27], data[27:30]
        return int.from_bytes(wide, "little") + 1, int.from_bytes(high, "little") + 1
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


_FULL_BOX = 4
_MAX_BOXES = 10_000


def largest_inside(data: bytes) -> Size | None:
    """Width and height of the largest image that a HEIC or AVIF states, padding and all.

    Follows meta / iprp / ipco / ispe of ISO/IEC 23008-12; None where they aren't found.
    """
    start, end = 0, len(data)
    for name, skipped in ((b"meta", _FULL_BOX), (b"iprp", 0), (b"ipco", 0)):
        found = next((box for box in _boxes(data, start, end) if box[0] == name), None)
        if found is None:
            return None
        start, end = found[1] + skipped, found[2]
    sizes: list[Size] = [
        struct.unpack_from(">II", data, body + _FULL_BOX)
        for name, body, _ in _boxes(data, start, end)
        if name == b"ispe"
    ]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and end of the body of each box."""
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        size, name = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        stop = end if size == 0 else min(start + size, end)
        if stop < start + head:
            return
        yield name, start + head, stop
        start = stop


_READERS = {"png": _png, "gif": _gif, "bmp": _bmp, "webp": _webp}
