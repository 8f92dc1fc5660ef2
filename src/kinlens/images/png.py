"""A PNG reduced to what its pixels need, so that damage elsewhere doesn't matter."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

from kinlens.errors import BrokenPicture
from kinlens.images.exif import exif_orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE = 16_000_000
"""Bytes of a decompressed ICC profile; a larger one is ignored."""

_END = b"\0\0\0\0IEND\xaeB`\x82"
_NAME = re.compile(rb"[A-Za-z]{4}")
_KNOWN = re.compile(rb"PLTE|tRNS|IDAT|IEND")


@dataclass(frozen=True, slots=True)
class PlainPng:
    """What matters of a PNG.

    Parameters
    ----------
    data : a PNG of the critical chunks and tRNS alone
    profile : the embedded ICC profile, b"" for none or a damaged one
    orientation : of Exif, 1 to 8
    """

    data: bytes
    profile: bytes
    orientation: int


def reduce_png(data: bytes) -> PlainPng:
    """Drop texts, times, animation and damaged ancillary chunks.

    Raises
    ------
    BrokenPicture : a critical chunk is damaged or cut off
    """
    parts = [SIGNATURE]
    found: dict[bytes, bytes] = {}
    at, has_end, has_pixels = len(SIGNATURE), False, False
    while at + 8 <= len(data) and not has_end:
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if not _NAME.fullmatch(name) or (name[0] & 32 and not _is_whole(data, at, end)):
            at = _next_known(data, at, end)
            continue
        if name[0] & 32:
            if name == b"tRNS" and _is_transparency(data, length):
                parts.append(data[at:end])
            elif name in (b"iCCP", b"eXIf"):
                found.setdefault(name, data[at + 8 : end - 4])
        elif name == b"IEND":
            has_end = True  # damaged or not, nothing of the picture follows
        else:
            _check(data, name, at, end)
            parts.append(data[at:end])
            has_pixels |= name == b"IDAT"
        at = end
    if not has_pixels:
        raise BrokenPicture("The PNG is truncated or corrupted (it has no IDAT chunk).")
    return PlainPng(
        b"".join([*parts, _END]), _profile(found), exif_orientation(found.get(b"eXIf", b""))
    )


def _is_transparency(data: bytes, length: int) -> bool:
    """Whether a tRNS chunk is of the length that the color type of the PNG asks for."""
    color = data[25]
    return length == {0: 2, 2: 6}.get(color) or (color == 3 and 0 < length <= 256)


def _is_whole(data: bytes, at: int, end: int) -> bool:
    if end > len(data):
        return False
    return data[end - 4 : end] == struct.pack(">I", zlib.crc32(memoryview(data)[at + 4 : end - 4]))


def _check(data: bytes, name: bytes, at: int, end: int) -> None:
    shown = name.decode("ascii")
    if end > len(data):
        raise BrokenPicture(
            f"The PNG is truncated (its {shown} chunk is cut off); get the whole file."
        )
    if not _is_whole(data, at, end):
        raise BrokenPicture(f"The PNG is corrupted (the checksum of its {shown} chunk is wrong).")


def _next_known(data: bytes, at: int, end: int) -> int:
    """Where to read on after a damaged ancillary chunk, whose length may be wrong as well."""
    following = data[end + 4 : end + 8]
    if _NAME.fullmatch(data[at + 4 : at + 8]) and _NAME.fullmatch(following):
        return end
    for match in _KNOWN.finditer(data, at + 8):
        start = match.start() - 4
        stop = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if _is_whole(data, start, stop):
            return start
    return len(data)


def _profile(found: dict[bytes, bytes]) -> bytes:
    _, _, body = found.get(b"iCCP", b"").partition(b"\0")
    if body[:1] != b"\0":  # the only method of compression that exists
        return b""
    try:
        unpacker = zlib.decompressobj()
        profile = unpacker.decompress(body[1:], MAX_PROFILE)
    except zlib.error:
        return b""
    return profile if unpacker.eof else b""
