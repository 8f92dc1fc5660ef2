"""Pictures that aren't everyday's: read by Pillow, or refused by their kind."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from images.samples import encoded, encoded_scene, pixels_of, scene
from images.tiffs import tiff
from kinlens.errors import BrokenPicture, PictureError, PictureTooLarge, UnsupportedPicture
from kinlens.images import Limits, PictureLoader, read_file, sniff

GRAY = np.zeros((8, 8, 1), np.uint8)
READ = {
    "ppm": ("PPM", {}),
    "tga": ("TGA", {}),
    "qoi": ("QOI", {}),
    "ico": ("ICO", {"sizes": [(60, 40)]}),
    "jp2": ("JPEG2000", {}),
}


@pytest.mark.parametrize("kind", READ)
def test_formats_that_pillow_reads(loader: PictureLoader, kind: str) -> None:
    data = encoded(scene(), READ[kind][0], **READ[kind][1])
    picture = loader.load(data)
    assert picture.format == kind
    assert (sniff(data) or "").startswith("image/")
    assert np.abs(picture.pixels.astype(int) - pixels_of(scene())).max() <= 1
    with pytest.raises(BrokenPicture):
        loader.load(data[: len(data) // 2])


WRITTEN = {
    "PPM": ("1", "L", "RGBA"),
    "TGA": ("1", "L", "LA", "P", "RGBA"),
    "ICO": ("1", "L", "LA", "P", "RGBA"),
    "QOI": ("RGBA",),
    "JPEG2000": ("L", "LA", "RGBA"),
}


@pytest.mark.parametrize(
    ("format", "mode"), [(name, mode) for name, modes in WRITTEN.items() for mode in modes]
)
def test_their_modes(loader: PictureLoader, mode: str, format: str) -> None:
    image = scene().convert("RGBA" if mode == "LA" else "RGB").convert(mode)
    data = encoded(image, format, **({"sizes": [(60, 40)]} if format == "ICO" else {}))
    found = loader.load(data).pixels.astype(int)
    assert np.abs(found - pixels_of(image)).max() <= 1


def test_portable_maps_of_texts_and_sixteen_bits(loader: PictureLoader) -> None:
    assert loader.load(b"P2\n# made by hand\n2 1\n255\n0 255\n").pixels[0, :, 0].tolist() == [
        0,
        255,
    ]
    assert loader.load(b"P1 2 1 0 1").pixels[0, :, 0].tolist() == [255, 0]
    wide = b"P5 2 1 65535\n" + struct.pack(">2H", 200, 51_400)
    assert loader.load(wide).pixels[0, :, 0].tolist() == [0, 200]
    assert sniff(b"P2P is no picture") is None
    assert sniff(b"P3 is no picture") is None


def test_the_first_of_several_in_an_mpo(loader: PictureLoader) -> None:
    data = encoded(scene(), "MPO", save_all=True, append_images=[Image.new("RGB", (60, 40))])
    picture = loader.load(data)
    assert picture.format == "jpeg"
    assert np.abs(picture.pixels.astype(int) - pixels_of(scene())).mean() < 5


def test_limits_hold_for_them_too() -> None:
    with PictureLoader(Limits(max_pixels=1000), workers=1) as small:
        for name, save in READ.values():
            with pytest.raises(PictureTooLarge, match="max_pixels"):
                small.load(encoded(scene(), name, **save))


def raw(make: bytes) -> bytes:
    """A preview of 8 x 8, and a sensor's values in a directory below it."""
    preview = tiff(GRAY, tags={271: (2, make), 330: (4, (10_000,))})
    sensor = struct.pack("<HHHI", 1, 262, 3, 1) + struct.pack("<HHI", 32803, 0, 0)
    return preview.ljust(10_000, b"\0") + sensor


FOREIGN = [
    (b"\xff\x0a" + bytes(20), "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"8BPS\0\1", "Photoshop"),
    (b"%PDF-1.7", "PDF"),
    (b"%!PS-Adobe-3.0 EPSF", "PostScript"),
    (b"DDS |\0\0\0", "DDS"),
    (b"II*\0\x10\0\0\0CR\2\0", "Canon CR2"),
    (b"\0\0\0\x18ftypcrx \0\0\0\1", "Canon CR3"),
    (b"FUJIFILMCCD-RAW 0201", "Fujifilm RAF"),
    (b"IIRO\x08\0\0\0", "Olympus ORF"),
    (b"IIU\0\x18\0\0\0", "Panasonic RW2"),
    (tiff(GRAY, tags={50706: (1 + 3, (1,))}), "DNG"),
    (tiff(GRAY, 32803), "RAW"),
    (raw(b"NIKON CORPORATION\0"), "Nikon NEF"),
    (raw(b"SONY\0"), "Sony ARW"),
]


@pytest.mark.parametrize(("data", "name"), FOREIGN)
def test_what_is_not_read_is_told_by_its_kind(
    loader: PictureLoader, tmp_path: Path, data: bytes, name: str
) -> None:
    with pytest.raises(UnsupportedPicture, match=r"isn't read; export it as JPEG") as caught:
        loader.load(data)
    assert name in str(caught.value)
    large = tmp_path / "large"
    large.write_bytes(data.ljust(20_000, b"\0"))
    with pytest.raises(UnsupportedPicture, match=name):  # a smaller one wouldn't help
        read_file(large, Limits(max_bytes=19_000))


def test_a_tiff_of_no_camera_is_read(loader: PictureLoader) -> None:
    camera = tiff(GRAY, tags={271: (2, b"Canon\0"), 330: (4, (9_999_999,))})
    assert loader.load(camera).width == 8
    assert loader.load(encoded_scene("tiff")).width == 60


@pytest.mark.parametrize("kind", READ)
def test_random_damage(loader: PictureLoader, kind: str) -> None:
    data = encoded(scene(), READ[kind][0], **READ[kind][1])
    random = np.random.default_rng(0)
    for _ in range(30):
        broken = bytearray(data)
        for at in random.integers(0, len(data), 4):
            broken[at] = random.integers(0, 256)
        with suppress(PictureError):
            assert loader.load(bytes(broken)).pixels.ndim == 3
