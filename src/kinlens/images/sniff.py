"""What some bytes are, by their content alone: names and headers lie."""

from __future__ import annotations

import re

from kinlens.errors import BrokenPicture, UnsupportedPicture
from kinlens.images.foreign import OTHERS, foreign_name, foreign_picture, not_read

MEDIA_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
    "heic": "image/heic",
    "avif": "image/avif",
    "jp2": "image/jp2",
    "ppm": "image/x-portable-anymap",
    "tga": "image/x-tga",
    "ico": "image/x-icon",
    "qoi": "image/qoi",
}

_PREFIXES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\0\0\0\x0cjP  \r\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\0\0\1\0", "ico"),
    (b"qoif", "qoi"),
)
_PORTABLE_MAP = re.compile(rb"(?:P[1-6]|Pf)\s(?:\s|#[^\r\n]*[\r\n])*[0-9]")
_BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)
_COLORS, _GRAYS = (15, 16, 24, 32), (1, 8, 16)
_TARGA_DEPTHS = {1: (8,), 9: (8,), 2: _COLORS, 10: _COLORS, 3: _GRAYS, 11: _GRAYS}
"""Bits of a pixel by the type of a Targa picture."""

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"}


def sniff(data: bytes) -> str | None:
    """Media type of a picture that Kinlens reads, such as "image/jpeg"; None for all else."""
    kind = picture_format(data)
    return MEDIA_TYPES[kind] if kind else None


def picture_format(data: bytes) -> str | None:
    """Key of `MEDIA_TYPES` that these bytes begin like, or None."""
    if data[8:10] == b"CR" and data[:2] in (b"II", b"MM"):
        return None  # a RAW photo, though it begins like a TIFF
    for prefix, kind in _PREFIXES:
        if data.startswith(prefix):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        return _iso_format(data)
    return _unsigned_format(data)


def _unsigned_format(data: bytes) -> str | None:
    """Formats that are known by a header of plausible numbers."""
    # Two letters prove little, so the size of the second header has to be one of those that exist.
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return "bmp"
    if _PORTABLE_MAP.match(data):
        return "ppm"
    return "tga" if _is_targa(data) else None


def _is_targa(data: bytes) -> bool:
    """Whether the 18 bytes of a header agree with one another, since a Targa has no signature."""
    if len(data) < 18:
        return False
    color_map, kind, entry_size = data[1], data[2], data[7]
    width, height = (int.from_bytes(data[at : at + 2], "little") for at in (12, 14))
    has_map = kind in (1, 9)
    if color_map != has_map or kind not in _TARGA_DEPTHS or data[17] & 0xC0:
        return False
    is_map = entry_size in _COLORS if has_map else not any(data[3:8])
    return is_map and data[16] in _TARGA_DEPTHS[kind] and width > 0 and height > 0


def require_picture(data: bytes) -> str:
    """`picture_format`, or the error that says what came instead.

    Raises
    ------
    BrokenPicture : no bytes
    UnsupportedPicture : anything but a picture of a known format
    """
    if not data:
        raise BrokenPicture("A picture is needed, but no bytes came (0 bytes).")
    kind = picture_format(data)
    refused = foreign_picture(data) if kind in (None, "tiff") else None
    if refused:
        raise UnsupportedPicture(not_read(refused))
    if kind is None:
        raise UnsupportedPicture(
            f"This is {describe(data)}, which isn't read; convert it to one of "
            f"{', '.join(name.upper() for name in MEDIA_TYPES)}."
        )
    return kind


def refusal_by_name(extension: str, head: bytes) -> str:
    """Why a file isn't read, from its extension and its first 64 bytes; "" if it may be."""
    name = foreign_name(extension, picture_format(head))
    return not_read(name) if name else ""


def describe(data: bytes) -> str:
    """What bytes that aren't a known picture seem to be, for a message."""
    foreign = foreign_picture(data)
    if foreign:
        return foreign
    for prefix, name in OTHERS:
        if data.startswith(prefix):
            return name
    if data[4:8] == b"ftyp":
        return "a video"
    return _describe_text(data[:1024]) or "not a picture"


def _describe_text(head: bytes) -> str | None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.replace(b"\0", b"")[2:]
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in text:
        return "an SVG drawing"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page"
    if text.startswith(b"<?xml"):
        return "an XML document"
    if text.startswith((b"{", b"[")):
        return "JSON text"
    if text and all(byte >= 32 or byte in b"\t\n\r\f" for byte in text):
        return "text"
    return None


def _iso_format(data: bytes) -> str | None:
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, size - 3, 4))]
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "avif"
    if any(brand in _HEIC_BRANDS for brand in brands) or brands[0] in (b"mif1", b"msf1"):
        return "heic"
    return None
