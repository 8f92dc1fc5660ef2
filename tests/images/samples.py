"""Pictures, good and hostile, made on the spot."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pillow_heif
from PIL import Image

Array = npt.NDArray[Any]

pillow_heif.register_heif_opener()

FORMATS = {
    "jpeg": {"quality": 95},
    "png": {},
    "gif": {},
    "webp": {"lossless": True},
    "bmp": {},
    "tiff": {"compression": "tiff_lzw"},
    "heif": {"quality": 95},
    "avif": {"quality": 95},
}


def scene(width: int = 60, height: int = 40) -> Image.Image:
    """Four quarters of different colors under a gradient: every turn and flip shows."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.zeros((height, width, 3))
    pixels[..., 0] = 200 * (x < width / 2) + 40 * y / height
    pixels[..., 1] = 200 * (y < height / 2) + 40 * x / width
    pixels[..., 2] = 120 * ((x < width / 2) & (y < height / 2)) + 40 * x / width
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image, format: str, **save: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **{**FORMATS.get(format, {}), **save})
    return stream.getvalue()


def encoded_scene(format: str, width: int = 60, height: int = 40, **save: Any) -> bytes:
    return encoded(scene(width, height), format, **save)


def pixels_of(image: Image.Image) -> Array:
    return np.asarray(image.convert("RGB")).astype(int)


def noise(width: int, height: int) -> Image.Image:
    """What compresses badly and takes a decoder long."""
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, depth: int, color: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG by hand: color 0 gray, 2 RGB, 4 gray and alpha, 6 RGBA; rows begin with a filter."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(extra)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def zeros(count: int) -> bytes:
    """Zlib stream of that many zeros, in a thousandth of them."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    parts = [packer.compress(block) for _ in range(count >> 20)]
    return b"".join(parts) + packer.flush()


def png_bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zeros(100 << 20)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def jpeg_with_size(width: int, height: int) -> bytes:
    data = bytearray(encoded_scene("jpeg"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def gif_bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    """A small screen with a frame of that size."""
    data = bytearray(encoded_scene("gif"))
    at = data.index(b"\x2c", 13 + 3 * 2 ** ((data[10] & 7) + 1))
    data[at + 5 : at + 9] = struct.pack("<HH", width, height)
    return bytes(data)


def gif_with_size(width: int, height: int) -> bytes:
    data = bytearray(encoded_scene("gif"))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def bmp_with_size(width: int, height: int) -> bytes:
    data = bytearray(encoded_scene("bmp"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def tiff_with_size(width: int, height: int) -> bytes:
    data = bytearray(encoded_scene("tiff", compression="raw"))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from("<HH", data, at)
        if tag in (256, 257):
            value = width if tag == 256 else height
            data[at + 8 : at + 12] = struct.pack(
                "<I" if kind == 4 else "<HH", *((value,) if kind == 4 else (value, 0))
            )
    return bytes(data)


def webp_with_size(width: int, height: int) -> bytes:
    """An extended WebP whose canvas is that large."""
    data = bytearray(encoded(scene().convert("RGBA"), "webp", exif=b"Exif\0\0II*\0"))
    assert data[12:16] == b"VP8X"
    data[24:27] = (width - 1).to_bytes(3, "little")
    data[27:30] = (height - 1).to_bytes(3, "little")
    return bytes(data)


def ispe_with_size(format: str, width: int, height: int) -> bytes:
    """A HEIC or AVIF whose stated size is changed."""
    data = bytearray(encoded_scene(format))
    at = data.index(b"ispe")
    data[at + 8 : at + 16] = struct.pack(">II", width, height)
    return bytes(data)


def scan_bomb(scans: int, side: int = 2000) -> bytes:
    """A progressive JPEG that repeats its last scan: small to send, long to decode."""
    data = encoded(Image.new("L", (side, side), 90), "jpeg", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def wide_gamut_profile() -> bytes:
    """An RGB profile with the colorants of Display P3 and a gamma of 1.8, made by hand."""
    colorants = {
        b"rXYZ": (0.5151, 0.2412, -0.0011),
        b"gXYZ": (0.2920, 0.6922, 0.0419),
        b"bXYZ": (0.1571, 0.0666, 0.7841),
    }
    fixed = lambda value: struct.pack(">i", round(value * 65536))  # noqa: E731
    white = b"XYZ \0\0\0\0" + b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    tags = {name: b"XYZ \0\0\0\0" + b"".join(map(fixed, xyz)) for name, xyz in colorants.items()}
    tags[b"wtpt"] = white
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(1.8 * 256)) + b"\0\0"
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    tags[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"wide\0" + bytes(78 + 1)
    tags[b"cprt"] = b"text\0\0\0\0none"
    table, body = b"", b""
    for name, value in tags.items():
        offset = 132 + 12 * len(tags) + len(body)
        table += name + struct.pack(">II", offset, len(value))
        body += value + bytes(-len(value) % 4)
    size = 132 + len(table) + len(body)
    head = struct.pack(">I4xI4s4s4s", size, 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
