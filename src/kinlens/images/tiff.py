"""The first directory of a TIFF, read without decoding anything."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

Values = tuple[int, ...] | bytes

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
MAKE, STRIP_OFFSETS, ORIENTATION, SAMPLES, STRIP_ROWS, STRIP_SIZES = 271, 273, 274, 277, 278, 279
MAX_VALUE, PLANAR, PREDICTOR, COLOR_MAP = 281, 284, 317, 320
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES, SUB_DIRECTORIES = 322, 323, 324, 325, 330
INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT, PROFILE, NO_DATA = 332, 338, 339, 34675, 42113
DNG_VERSION = 50706
_LAYOUT = frozenset({
    WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIP_OFFSETS, ORIENTATION, SAMPLES,
    STRIP_ROWS, STRIP_SIZES, MAX_VALUE, PLANAR, PREDICTOR, COLOR_MAP, TILE_WIDTH, TILE_HEIGHT,
    TILE_OFFSETS, TILE_SIZES, INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT, PROFILE, NO_DATA,
})  # fmt: skip
_ORIGIN = frozenset({PHOTOMETRIC, MAKE, SUB_DIRECTORIES, DNG_VERSION})

_LETTERS = {
    1: "B", 2: "s", 3: "H", 4: "I", 6: "b", 7: "s", 8: "h", 9: "i", 13: "I",
    16: "Q", 17: "q", 18: "Q",
}  # fmt: skip
_MAX_ENTRIES = 4096
_MAX_SUB_DIRECTORIES = 8
_SENSOR = {32803, 34892}
"""Photometric interpretations of a sensor's own values: a color filter array, linear raw."""

_MAKERS = {
    b"NIKON": "Nikon NEF",
    b"SONY": "Sony ARW",
    b"PENTAX": "Pentax PEF",
    b"SAMSUNG": "Samsung SRW",
    b"Hasselblad": "Hasselblad 3FR",
}


@dataclass(frozen=True, slots=True)
class Directory:
    """Tags of one picture of a TIFF.

    Parameters
    ----------
    order : "<" or ">", as `struct` names byte orders
    tags : values by tag; bytes for texts and profiles. What can't be read is left out
    """

    order: str
    tags: Mapping[int, Values]

    def numbers(self, tag: int) -> tuple[int, ...]:
        """All whole numbers of a tag."""
        values = self.tags.get(tag, ())
        return tuple(values)

    def number(self, tag: int, default: int) -> int:
        """The first number of a tag."""
        values = self.tags.get(tag)
        return values[0] if values else default

    def bytes(self, tag: int) -> bytes:
        """A text or a profile."""
        values = self.tags.get(tag, b"")
        return values if isinstance(values, bytes) else bytes(value & 255 for value in values)


def first_directory(data: bytes, wanted: frozenset[int] = _LAYOUT) -> Directory | None:
    """The wanted tags of the first directory of a TIFF or BigTIFF; None if it can't be read."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return None
    try:
        (version,) = struct.unpack_from(order + "H", data, 2)
        big = version == 43
        (start,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        return _directory(data, order, start, wanted, big=big)
    except struct.error:
        return None


def raw_photo(data: bytes) -> str | None:
    """Name of the RAW format that lies in these bytes of a TIFF, or None."""
    first = first_directory(data, _ORIGIN)
    if first is None:
        return None
    if DNG_VERSION in first.tags:
        return "DNG"
    big = data[2:4] in (b"+\0", b"\0+")
    directories = [first]
    for start in first.numbers(SUB_DIRECTORIES)[:_MAX_SUB_DIRECTORIES]:
        try:
            directories.append(_directory(data, first.order, start, _ORIGIN, big=big))
        except struct.error:
            continue
    if not any(each.number(PHOTOMETRIC, 0) in _SENSOR for each in directories):
        return None
    make = first.bytes(MAKE)
    return next((name for maker, name in _MAKERS.items() if make.startswith(maker)), "TIFF-based")


def _directory(
    data: bytes, order: str, start: int, wanted: frozenset[int], *, big: bool
) -> Directory:
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
    first, step = (start + 8, 20) if big else (start + 2, 12)
    tags: dict[int, Values] = {}
    for at in range(first, first + step * min(count, _MAX_ENTRIES), step):
        (tag,) = struct.unpack_from(order + "H", data, at)
        if tag in wanted and tag not in tags:
            values = _values(data, order, at, big=big)
            if values:
                tags[tag] = values
    return Directory(order, tags)


def _values(data: bytes, order: str, at: int, *, big: bool) -> Values | None:
    kind, count = struct.unpack_from(order + ("HQ" if big else "HI"), data, at + 2)
    letter = _LETTERS.get(kind)
    if letter is None:
        return None
    place, room = (at + 12, 8) if big else (at + 8, 4)
    size = count * struct.calcsize("=" + letter)
    if size > room:
        (place,) = struct.unpack_from(order + ("Q" if big else "I"), data, place)
    if place + size > len(data):
        return None
    if letter == "s":
        return data[place : place + size]
    return struct.unpack_from(f"{order}{count}{letter}", data, place)
