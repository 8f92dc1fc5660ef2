"""Orientation as Exif states it; what can't be read states nothing."""

from __future__ import annotations

import struct

HEAD = b"Exif\0\0"
_TAG = 0x0112
_KINDS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
"""Types of TIFF 6.0 that hold whole numbers, as `struct` reads them."""


def exif_orientation(exif: bytes) -> int:
    """Orientation 1 to 8 of a TIFF structure, with or without Exif's own head.

    1 if it is absent, damaged or none of those. Only the first directory is read, so that links
    between directories can't lead in a circle.
    """
    exif = exif.removeprefix(HEAD)
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            (tag,) = struct.unpack_from(order + "H", exif, at)
            if tag == _TAG:
                value = _first_value(exif, order, at)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass  # cut off
    return 1


def _first_value(exif: bytes, order: str, at: int) -> int:
    kind, count = struct.unpack_from(order + "HI", exif, at + 2)
    letter = _KINDS.get(kind)
    if letter is None or count == 0:
        return 1
    place = at + 8
    if count * struct.calcsize("=" + letter) > 4:
        (place,) = struct.unpack_from(order + "I", exif, place)
    value: int = struct.unpack_from(order + letter, exif, place)[0]
    return value
