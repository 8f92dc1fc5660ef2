"""PNG: damage matters where pixels are, and nowhere else."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from images import samples
from images.samples import chunk, encoded, encoded_scene, noise, pixels_of, scene
from kinlens.errors import BrokenPicture
from kinlens.images import PictureLoader

PNG = encoded_scene("png")
HEADER_END = 33
EXPECTED = pixels_of(scene())


def with_chunks(*chunks: bytes) -> bytes:
    return PNG[:HEADER_END] + b"".join(chunks) + PNG[HEADER_END:]


def bad_crc(name: bytes, body: bytes) -> bytes:
    return chunk(name, body)[:-4] + b"\0\1\2\3"


@pytest.mark.parametrize(
    "damaged",
    [
        chunk(b"zTXt", b"Comment\0\0" + samples.zeros(100 << 20)),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + samples.zeros(100 << 20)),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2 << 20))) * 70,
        chunk(b"tEXt", b"x" * (2 << 20)),
        chunk(b"zTXt", b"Comment\0\0not zlib"),
        chunk(b"zTXt", b"Comment\0\7method unknown"),
        chunk(b"zTXt", b""),
        chunk(b"iTXt", b"\0\1"),
        chunk(b"tIME", b"\0"),
        chunk(b"pHYs", b"\0\0"),
        chunk(b"gAMA", b""),
        chunk(b"cHRM", b"\0"),
        chunk(b"sRGB", b""),
        chunk(b"iCCP", b"x"),
        chunk(b"iCCP", b"x\0\0not zlib"),
        chunk(b"iCCP", b"x\0\0" + samples.zeros(100 << 20)),
        chunk(b"iCCP", b"x\0\0" + zlib.compress(b"no profile")),
        chunk(b"eXIf", b"II*\0\xff\xff\xff\xff"),
        chunk(b"acTL", b"\0"),
        chunk(b"fcTL", b"\0\0"),
        chunk(b"tRNS", b""),
        *(bad_crc(name, b"damaged") for name in (b"tEXt", b"iCCP", b"eXIf", b"tRNS", b"tIME")),
        struct.pack(">I", 0xFFFFFFF0) + b"tEXtno such length",
        struct.pack(">I", 3) + b"tEXtlonger than that",
        b"\0\0\0\0\0\0\0\0",
    ],
)
def test_damage_beside_the_pixels_does_not_matter(loader: PictureLoader, damaged: bytes) -> None:
    for data in (with_chunks(damaged), PNG[:-12] + damaged + PNG[-12:], PNG + damaged):
        assert np.array_equal(loader.load(data).pixels, EXPECTED)


@pytest.mark.parametrize("cut", range(1, 13))
def test_a_missing_end_does_not_matter(loader: PictureLoader, cut: int) -> None:
    assert np.array_equal(loader.load(PNG[:-cut]).pixels, EXPECTED)


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT", b"PLTE"])
def test_a_wrong_checksum_of_what_makes_pixels_is_told(loader: PictureLoader, name: bytes) -> None:
    data = encoded(scene().quantize(16), "png")
    at = data.index(name)
    end = at + 4 + int.from_bytes(data[at - 4 : at], "big")
    broken = data[:end] + bytes(4) + data[end + 4 :]
    with pytest.raises(BrokenPicture, match=f"checksum of its {name.decode()} chunk"):
        loader.load(broken)


@pytest.mark.parametrize("cut", [13, 14, 17, 30, 1000])
def test_cut_off_pixels_are_told(loader: PictureLoader, cut: int) -> None:
    data = encoded(noise(60, 40), "png")
    with pytest.raises(BrokenPicture, match="truncated"):
        loader.load(data[:-cut])


def test_no_pixels_are_told(loader: PictureLoader) -> None:
    with pytest.raises(BrokenPicture, match="no IDAT"):
        loader.load(PNG[:HEADER_END] + PNG[-12:])
