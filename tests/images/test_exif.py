"""Orientation: the first Exif counts, and what is damaged turns nothing."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from images.samples import chunk, encoded, encoded_scene, scene
from kinlens.images import PictureLoader
from kinlens.images.exif import exif_orientation

XMP = b"""<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf=
'http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description
xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>"""


PNG = encoded_scene("png")


def exif(value: int, kind: int = 3, order: str = "<", count: int = 1, at: int = 8) -> bytes:
    """A TIFF structure that states an orientation and nothing else."""
    mark = b"II" if order == "<" else b"MM"
    letter = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}.get(kind, "H")
    packed = struct.pack(order + letter, value) * count
    place = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack(order + "I", at + 18)
    entry = struct.pack(order + "HHI", 0x0112, kind, count) + place
    return mark + struct.pack(order + "HIH", 42, at, 1) + entry + bytes(4) + packed


def segment(body: bytes, marker: int = 0xE1) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg_with(*segments: bytes) -> bytes:
    data = encoded_scene("jpeg")
    return data[:2] + b"".join(segments) + data[2:]


def is_turned(loader: PictureLoader, data: bytes) -> bool:
    picture = loader.load(data)
    assert {picture.width, picture.height} == {60, 40}
    assert picture.pixels.shape[:2] == (picture.height, picture.width)
    return picture.height == 60


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 3, 4, 6, 8, 9])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_orientation_of_every_kind_of_number(order: str, kind: int, count: int) -> None:
    for head in (b"", b"Exif\0\0"):
        for value in range(1, 9):
            assert exif_orientation(head + exif(value, kind, order, count)) == value
        for value in (0, 9, 100):
            assert exif_orientation(head + exif(value, kind, order, count)) == 1


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"II",
        exif(6)[:15],
        exif(6, kind=2),
        exif(6, kind=5),
        exif(6, count=0),
        exif(6, count=1)[:14] + struct.pack("<I", 0xFFFFFFFF) + exif(6)[18:],
        b"II*\0\xff\xff\xff\xff" + exif(6)[8:],
        b"II*\0\0\0\0\0" + exif(6)[8:],
        b"II*\0\x08\0\0\0\xff\xff" + bytes(30),
        b"XX" + exif(6)[2:],
    ],
)
def test_damaged_exif_turns_nothing_and_fails_nothing(
    loader: PictureLoader, damaged: bytes
) -> None:
    assert exif_orientation(damaged) == 1
    assert not is_turned(loader, jpeg_with(segment(b"Exif\0\0" + damaged)))
    assert not is_turned(loader, PNG[:33] + chunk(b"eXIf", damaged) + PNG[33:])


@pytest.mark.parametrize("kind", ["webp", "avif", "heif"])
@pytest.mark.parametrize(
    "damage",
    [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x08\0\0\0\xff\xff", b"\x08\0\0\0\1\0\x12\1\7\0\xff\xff"],
)
def test_damaged_exif_in_other_formats(loader: PictureLoader, kind: str, damage: bytes) -> None:
    stated = Image.Exif()
    stated[0x0131] = "a program"
    data = encoded_scene(kind, exif=stated)
    at = max(data.rfind(b"II*\0"), data.rfind(b"MM\0*")) + 4
    damaged = data[:at] + damage + data[at + len(damage) :]
    assert at > 4
    assert damaged != data
    assert not is_turned(loader, damaged)


@given(st.binary(max_size=200))
def test_no_bytes_are_too_much(data: bytes) -> None:
    for head in (b"", b"II*\0\x08\0\0\0", b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12"):
        assert 1 <= exif_orientation(head + data) <= 8


def test_two_segments_of_one_camera(loader: PictureLoader) -> None:
    picture = loader.load((Path(__file__).parent / "exif_two_segments.jpg").read_bytes())
    assert (picture.width, picture.height) == (72, 96)
    assert picture.pixels.shape == (96, 72, 3)


def test_the_first_exif_segment_of_a_jpeg_counts(loader: PictureLoader) -> None:
    turned, upright = (segment(b"Exif\0\0" + exif(value)) for value in (6, 1))
    nothing = segment(b"Exif\0\0" + b"the rest of a maker's note")
    assert is_turned(loader, jpeg_with(turned, upright))
    assert is_turned(loader, jpeg_with(turned, nothing))
    assert not is_turned(loader, jpeg_with(upright, turned))
    others = [segment(b"JFIF\0", 0xE0), segment(b"MPF\0", 0xE2), segment(b"Adobe", 0xED)]
    comment = segment(b"a comment", 0xFE)
    assert is_turned(loader, jpeg_with(*others, comment, turned, upright))


def test_xmp_turns_nothing(loader: PictureLoader) -> None:
    head = b"http://ns.adobe.com/xap/1.0/\0"
    assert not is_turned(loader, jpeg_with(segment(head + XMP)))
    for kind in ("png", "webp", "avif"):
        assert not is_turned(loader, encoded_scene(kind, xmp=XMP))
    assert not is_turned(loader, encoded_scene("tiff", tiffinfo={700: XMP}))
    assert not is_turned(loader, encoded(scene().convert("CMYK"), "jpeg", xmp=XMP))


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_turns_once_in_every_format(loader: PictureLoader, kind: str, order: str) -> None:
    data = encoded_scene(kind, exif=b"Exif\0\0" + exif(6, order=order))
    assert is_turned(loader, data)
    expected = np.asarray(scene().transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert np.abs(loader.load(data).pixels.astype(int) - expected).mean() < 5


def test_a_heic_is_turned_by_its_own_property_alone(loader: PictureLoader) -> None:
    """Its writer makes a rotation of what Exif said; what Exif says then is not heeded again."""
    data = encoded_scene("heif", exif=exif(6))
    expected = np.asarray(scene().transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert is_turned(loader, data)
    assert np.abs(loader.load(data).pixels.astype(int) - expected).mean() < 5


def test_orientation_of_a_tiff_is_its_own_tag(loader: PictureLoader) -> None:
    assert is_turned(loader, encoded_scene("tiff", tiffinfo={274: 6}))
    assert not is_turned(loader, encoded_scene("tiff", tiffinfo={274: 3}))
