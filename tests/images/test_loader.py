"""Size, turn, crop and format: the same pixels whatever way a picture takes."""

from __future__ import annotations

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from images.samples import FORMATS, encoded, encoded_scene, noise, pixels_of, scene
from kinlens.images import PictureLoader, jpeg, sniff
from kinlens.images import loader as loader_module
from kinlens.images.geometry import crop_box, shrink_factor, upright
from kinlens.types import Crop

LOSSLESS = ("png", "bmp", "tiff", "webp")


def difference(pixels: np.ndarray, expected: np.ndarray) -> np.ndarray:
    assert pixels.dtype == np.uint8
    assert pixels.shape == expected.shape
    return np.abs(pixels.astype(int) - expected)


@pytest.mark.parametrize("format", FORMATS)
def test_formats(loader: PictureLoader, format: str) -> None:
    data = encoded_scene(format)
    picture = loader.load(data)
    assert (picture.width, picture.height) == (60, 40)
    assert picture.format == ("heic" if format == "heif" else format)
    assert sniff(data) == f"image/{picture.format}"
    limit = 0 if format in LOSSLESS else 4
    assert difference(picture.pixels, pixels_of(scene())).mean() <= limit
    assert difference(picture.pixels, pixels_of(Image.open(io.BytesIO(data)))).max() <= 2


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(loader: PictureLoader, format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded_scene(format, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    picture = loader.load(data)
    assert (picture.width, picture.height) == expected.size
    assert picture.width == (40 if orientation >= 5 else 60)
    assert difference(picture.pixels, pixels_of(expected)).max() <= 2
    assert picture.pixels.flags.c_contiguous


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\0\0\0\0\0\0\0",
        b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\x09\0\0\0\0\0\0",
        b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\2\0\0\0\4six\0\0\0\0\0",
    ],
)
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_an_orientation_that_does_not_exist_is_upright(
    loader: PictureLoader, kind: str, exif: bytes
) -> None:
    picture = loader.load(encoded_scene(kind, exif=exif))
    assert (picture.width, picture.height) == (60, 40)


@pytest.mark.parametrize("frames", ["gif", "webp", "png"])
def test_the_first_frame_of_an_animation(loader: PictureLoader, frames: str) -> None:
    first, second = scene(), Image.new("RGB", (60, 40), (0, 255, 0))
    data = encoded(first, frames, save_all=True, append_images=[second, second], duration=50)
    assert difference(loader.load(data).pixels, pixels_of(first)).mean() <= 1


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_kinds_of_jpeg(loader: PictureLoader, progressive: bool, subsampling: int) -> None:
    for image in (noise(67, 45), noise(67, 45).convert("L")):
        save = {} if image.mode == "L" else {"subsampling": subsampling}
        data = encoded(image, "jpeg", quality=80, progressive=progressive, **save)
        expected = pixels_of(Image.open(io.BytesIO(data)))
        assert difference(loader.load(data).pixels, expected).max() <= 2


@pytest.mark.parametrize("factors", [(0x31, 0x11, 0x11), (0x11, 0x21, 0x11), (0x41, 0x21, 0x21)])
def test_a_jpeg_of_odd_sampling_is_left_to_pillow(
    loader: PictureLoader, factors: tuple[int, int, int]
) -> None:
    data = bytearray(encoded_scene("jpeg", 64, 48, subsampling=0))
    at = data.index(b"\xff\xc0") + 11
    data[at : at + 9 : 3] = bytes(factors)
    picture = loader.load(bytes(data))
    expected = pixels_of(Image.open(io.BytesIO(data)))
    assert difference(picture.pixels, expected).max() == 0
    assert (picture.width, picture.height, picture.format) == (64, 48, "jpeg")


def test_real_photos_are_the_same_by_both_ways(loader: PictureLoader, shared_data: Path) -> None:
    for path in sorted((shared_data / "clothing" / "test").glob("*/*.jpg"))[:20]:
        data = path.read_bytes()
        original = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        assert difference(loader.load(data).pixels, pixels_of(original)).max() <= 2
        lossless = encoded(original, "bmp")
        for min_side in (224, 100, 40):
            fast = loader.load(data, min_side=min_side)
            slow = loader.load(lossless, min_side=min_side)
            assert min(fast.pixels.shape[:2]) >= min_side
            assert difference(fast.pixels, slow.pixels.astype(int)).mean() < 2


@pytest.mark.parametrize("format", ["jpeg", "png"])
@pytest.mark.parametrize(
    ("min_side", "side"), [(None, 400), (400, 400), (201, 400), (200, 200), (51, 100), (1, 50)]
)
def test_shrinking(loader: PictureLoader, format: str, min_side: int | None, side: int) -> None:
    data = encoded_scene(format, 600, 400)
    picture = loader.load(data, min_side=min_side)
    assert picture.pixels.shape == (side, side * 3 // 2, 3)
    assert (picture.width, picture.height) == (600, 400)


@pytest.mark.parametrize("format", ["jpeg", "png"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_crop_is_of_the_upright_picture(
    loader: PictureLoader, format: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded_scene(format, 600, 400, exif=exif)
    whole = loader.load(data)
    crop = Crop(0.25, 0.5, 0.5, 0.25)
    part = loader.load(data, crop=crop)
    assert (part.width, part.height) == (whole.width, whole.height)
    left, top, right, bottom = crop_box(whole.width, whole.height, crop)
    assert np.array_equal(part.pixels, whole.pixels[top:bottom, left:right])
    shrunk = loader.load(data, crop=crop, min_side=min(bottom - top, right - left) // 2)
    assert shrunk.pixels.shape[:2] == ((bottom - top) // 2, (right - left) // 2)


@given(
    st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 600),
    st.floats(0, 0.999), st.floats(0, 0.999), st.floats(1e-4, 1), st.floats(1e-4, 1),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_a_crop_keeps_its_short_side(
    width: int, height: int, min_side: int, x: float, y: float, w: float, h: float
) -> None:
    crop = Crop(x, y, min(w, 1 - x), min(h, 1 - y))
    factor = shrink_factor(width, height, min_side, crop)
    small = (-(-width // factor), -(-height // factor))
    left, top, right, bottom = crop_box(*small, crop)
    assert 0 <= left < right <= small[0]
    assert 0 <= top < bottom <= small[1]
    if factor > 1:
        assert min(right - left, bottom - top) >= min_side


def test_turning_is_what_pillow_does() -> None:
    pixels = np.asarray(scene(7, 5))
    for orientation in range(1, 9):
        image = Image.fromarray(pixels)
        image.getexif()[0x0112] = orientation
        expected = np.asarray(ImageOps.exif_transpose(image))
        assert np.array_equal(upright(pixels, orientation, None), expected)


def test_large_jpegs_are_decoded_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    real, lock, now, most = jpeg.decode, threading.Lock(), 0, 0
    wanted, met = 3, threading.Event()

    def counted(*arguments: Any) -> Any:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if most == wanted:
                met.set()
        try:
            assert met.wait(30)
            time.sleep(0.01)
            return real(*arguments)
        finally:
            with lock:
                now -= 1

    monkeypatch.setattr(jpeg, "decode", counted)
    data = encoded_scene("JPEG")
    with PictureLoader(workers=2) as loader, ThreadPoolExecutor(8) as pool:
        list(pool.map(loader.load, [data] * 16))
        assert most > 2
        wanted, most = 2, 0
        met.clear()
        monkeypatch.setattr(loader_module, "LARGE", 100)
        list(pool.map(loader.load, [data] * 16))
        assert most == 2


def test_one_pixel(loader: PictureLoader) -> None:
    for kind in FORMATS:
        picture = loader.load(encoded_scene(kind, 1, 1), min_side=1, crop=Crop(0.4, 0.4, 0.1, 0.1))
        assert picture.pixels.shape == (1, 1, 3)
