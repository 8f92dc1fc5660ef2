"""Color modes, transparency, depth and profiles."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from images.samples import chunk, encoded, encoded_scene, pixels_of, png, scene, wide_gamut_profile
from kinlens.images import PictureLoader
from kinlens.images.profiles import is_srgb, needs_conversion

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def values(loader: PictureLoader, data: bytes) -> np.ndarray:
    return loader.load(data).pixels.astype(int)


def with_alpha(mode: str = "RGBA") -> Image.Image:
    """Left half black and transparent, right half red and half opaque."""
    image = Image.new("RGBA", (8, 4), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((4, 0, 8, 4), (200, 0, 0, 128))
    return image.convert(mode)


@pytest.mark.parametrize("format", ["png", "webp", "tiff", "heif", "avif"])
def test_alpha_lies_over_white(loader: PictureLoader, format: str) -> None:
    found = values(loader, encoded(with_alpha(), format))
    assert found[:, 0].min() >= 250
    assert np.abs(found[:, -1] - (227, 127, 127)).max() <= 6


def test_gray_with_alpha(loader: PictureLoader) -> None:
    image = Image.merge("LA", (Image.new("L", (4, 4), 100), Image.new("L", (4, 4), 128)))
    assert np.abs(values(loader, encoded(image, "png")) - 177).max() <= 1


@pytest.mark.parametrize("format", ["png", "gif"])
def test_palette_with_one_transparent_color(loader: PictureLoader, format: str) -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(0, (0, 0, 2, 4))
    found = values(loader, encoded(image, format, transparency=0))
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[0, 3].tolist() == [200, 100, 50]


def test_palette_with_many_transparencies(loader: PictureLoader) -> None:
    image = Image.new("P", (4, 1), 1)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.putpixel((0, 0), 0)
    found = values(loader, encoded(image, "png", transparency=bytes([0, 128])))
    assert found[0, 0].tolist() == [255, 255, 255]
    assert np.abs(found[0, 3] - (227, 127, 127)).max() <= 1


def test_colors_that_stand_for_transparent(loader: PictureLoader) -> None:
    gray = png(2, 1, 8, 0, b"\0\x05\x06", chunk(b"tRNS", struct.pack(">H", 5)))
    assert values(loader, gray)[0].tolist() == [[255] * 3, [6] * 3]
    color = png(2, 1, 8, 2, b"\0\1\2\3\4\5\6", chunk(b"tRNS", struct.pack(">3H", 1, 2, 3)))
    assert values(loader, color)[0].tolist() == [[255] * 3, [4, 5, 6]]


@pytest.mark.parametrize("mode", ["L", "1", "P"])
@pytest.mark.parametrize("format", ["png", "bmp", "tiff", "gif"])
def test_gray_black_and_white_palette(loader: PictureLoader, mode: str, format: str) -> None:
    image = scene().convert(mode)
    save = {"compression": "raw"} if format == "tiff" else {}
    assert np.array_equal(values(loader, encoded(image, format, **save)), pixels_of(image))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_png_keeps_the_upper_byte(loader: PictureLoader, channels: int) -> None:
    levels = np.linspace(0, 65535, 64).astype(int)
    color = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    opaque = channels in (1, 3)
    row = b"\0" + b"".join(
        struct.pack(f">{channels}H", *[level] * channels)
        if opaque
        else struct.pack(f">{channels}H", *[level] * (channels - 1), 65535)
        for level in levels
    )
    found = values(loader, png(64, 1, 16, color, row))
    assert np.array_equal(found[0], np.repeat((levels >> 8)[:, None], 3, axis=1))


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_sixteen_bit_tiff(loader: PictureLoader, mode: str) -> None:
    levels = np.linspace(0, 65535, 64).reshape(8, 8)
    image = Image.fromarray(levels.astype("<u2"))
    stream = io.BytesIO()
    image.save(stream, "tiff", big_endian=mode == "I;16B")
    found = values(loader, stream.getvalue())
    assert np.array_equal(found[..., 0], levels.astype(int) >> 8)


def test_sixteen_bit_tiff_whose_zero_is_white(loader: PictureLoader) -> None:
    data = bytearray(
        encoded(Image.fromarray(np.full((4, 4), 60000, "<u2")), "tiff", compression="raw")
    )
    (start,) = struct.unpack_from("<I", data, 4)
    for at in range(start + 2, start + 2 + 12 * data[start], 12):
        if struct.unpack_from("<H", data, at) == (262,):
            data[at + 8] = 0
    assert np.all(values(loader, bytes(data)) == 255 - (60000 >> 8))


@pytest.mark.parametrize(
    ("low", "high", "middle"),
    [(0.0, 1.0, 128), (0.0, 255.0, 128), (0.0, 65535.0, 128), (-5.0, 5.0, 128), (0, 1e9, 128)],
)
def test_float_tiff(loader: PictureLoader, low: float, high: float, middle: int) -> None:
    levels = np.linspace(low, high, 101, dtype=np.float32)[None]
    found = values(loader, encoded(Image.fromarray(levels), "tiff"))[0, :, 0]
    assert (found[0], found[100]) == (0, 255)
    assert abs(found[50] - middle) <= 1


def test_floats_that_are_no_numbers(loader: PictureLoader) -> None:
    levels = np.array([[np.nan, 0.5, np.inf, -np.inf]], np.float32)
    assert loader.load(encoded(Image.fromarray(levels), "tiff")).pixels.shape == (1, 4, 3)
    flat = np.full((2, 2), 7e8, np.float32)
    assert loader.load(encoded(Image.fromarray(flat), "tiff")).pixels.max() == 0


def test_whole_numbers_of_32_bits(loader: PictureLoader) -> None:
    levels = np.array([[0, 128, 255]], np.int32)
    for scale in (1, 257, 100_000):
        data = encoded(Image.fromarray(levels * scale), "tiff")
        assert np.abs(values(loader, data)[0, :, 0] - (0, 128, 255)).max() <= 1


@pytest.mark.parametrize("mode", ["YCbCr", "CMYK", "LAB"])
def test_tiff_of_other_color_spaces(loader: PictureLoader, mode: str) -> None:
    image = scene()
    if mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        stored = ImageCms.profileToProfile(
            image, ImageCms.createProfile("sRGB"), lab, outputMode="LAB"
        )
    else:
        stored = image.convert(mode)
    found = values(loader, encoded(stored, "tiff", compression="raw"))
    assert np.abs(found - pixels_of(image)).mean() <= 4


def test_cmyk_jpeg(loader: PictureLoader) -> None:
    ink = scene().convert("CMYK")
    found = values(loader, encoded(ink, "jpeg"))
    assert np.abs(found - pixels_of(ink)).mean() <= 3
    assert loader.load(encoded(ink, "jpeg"), min_side=10).pixels.shape == (10, 15, 3)


def test_ycck_jpeg(loader: PictureLoader) -> None:
    """What Photoshop writes: inverted inks, of which YCbCr holds the complement, beside K."""
    inks, black = (200, 90, 30), 20
    colors = Image.new("RGB", (32, 32), inks).convert("YCbCr").split()
    # Pillow inverts all four planes when it saves them.
    stored = [Image.eval(plane, lambda level: 255 - level) for plane in colors]
    planes = Image.merge("CMYK", [*stored, Image.new("L", (32, 32), black)])
    data = bytearray(encoded(planes, "jpeg", quality=100, subsampling=0))
    at = data.index(b"Adobe")
    data[at + 11] = 2  # the transform byte says YCCK
    expected = Image.new("CMYK", (32, 32), (*inks, black)).convert("RGB")
    assert np.abs(values(loader, bytes(data)) - pixels_of(expected)).max() <= 4


def test_a_huge_profile_is_not_kept() -> None:
    before = is_srgb.cache_info().misses
    assert needs_conversion(bytes(1_000_000))
    assert is_srgb.cache_info().misses == before


def test_srgb_is_known_by_its_numbers() -> None:
    assert is_srgb(SRGB)
    assert not needs_conversion(SRGB)
    assert not needs_conversion(b"")
    assert not is_srgb(wide_gamut_profile())
    assert not is_srgb(wide_gamut_profile().replace(b"wide", b"sRGB"))
    for cut in range(0, len(SRGB), 7):
        is_srgb(SRGB[:cut])


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "avif"])
def test_profiles_become_srgb(loader: PictureLoader, format: str) -> None:
    profile = wide_gamut_profile()
    save = {"subsampling": 0} if format == "jpeg" else {}
    data = encoded_scene(format, icc_profile=profile, **save)
    expected = ImageCms.profileToProfile(
        Image.open(io.BytesIO(data)).convert("RGB"),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        outputMode="RGB",
    )
    found = values(loader, data)
    assert np.abs(found - pixels_of(expected)).max() <= 2
    assert np.abs(found - values(loader, encoded_scene(format, **save))).mean() > 5
    shrunk = loader.load(data, min_side=20)
    assert shrunk.pixels.shape == (20, 30, 3)


def test_a_profile_under_transparency(loader: PictureLoader) -> None:
    image = with_alpha()
    found = values(loader, encoded(image, "png", icc_profile=wide_gamut_profile()))
    assert found[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    "profile",
    [
        b"nonsense",
        SRGB[:200],
        bytes(3000),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    ],
)
def test_a_broken_profile_is_ignored(loader: PictureLoader, profile: bytes) -> None:
    for kind in ("jpeg", "png", "tiff"):
        found = values(loader, encoded_scene(kind, icc_profile=profile))
        assert np.array_equal(found, values(loader, encoded_scene(kind)))


def test_an_rgb_profile_on_gray_or_ink_is_ignored(loader: PictureLoader) -> None:
    for mode in ("L", "CMYK"):
        image = scene().convert(mode)
        found = values(loader, encoded(image, "jpeg", icc_profile=wide_gamut_profile()))
        assert np.array_equal(found, values(loader, encoded(image, "jpeg")))
