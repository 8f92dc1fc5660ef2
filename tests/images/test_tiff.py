"""TIFFs of every depth and layout: right, or refused with what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from images.samples import encoded, encoded_scene, pixels_of, scene
from images.tiffs import Array, tiff
from kinlens.errors import BrokenPicture, PictureTooLarge, UnsupportedPicture
from kinlens.images import Limits, PictureLoader

HERE = Path(__file__).parent
RGB = pixels_of(scene(60, 40)).astype(np.uint8)
GRAY = RGB[..., :1]
WIDE = (RGB.astype(np.uint16) << 8) | 77


def shown(loader: PictureLoader, data: bytes) -> Array:
    picture = loader.load(data)
    assert picture.format == "tiff"
    return picture.pixels.astype(int)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "layout",
    [
        {"rows": 7},
        {"tile": 16},
        {"rows": 7, "deflated": True, "predictor": 2},
        {"tile": 16, "deflated": True, "predictor": 2},
        {"rows": 7, "big": True},
        {"tile": 32, "deflated": True, "big": True},
    ],
)
def test_sixteen_bits_in_every_layout(
    loader: PictureLoader, layout: dict[str, int], order: str, planar: bool
) -> None:
    data = tiff(WIDE, 2, order=order, planar=planar, **layout)
    assert np.array_equal(shown(loader, data), RGB)
    gray = tiff(WIDE[..., :1], 1, order=order, **layout)
    assert np.array_equal(shown(loader, gray)[..., 0], GRAY[..., 0])


def test_planar_sixteen_bits(loader: PictureLoader) -> None:
    found = shown(loader, (HERE / "planar_rgb16.tif").read_bytes())
    assert np.abs(found.mean((0, 1)) - (118, 118, 136)).max() < 1


def test_no_data_leaves_the_contrast_to_the_others(loader: PictureLoader) -> None:
    found = shown(loader, (HERE / "f32_nodata.tif").read_bytes())[..., 0]
    assert found.min() == 0
    assert len(np.unique(found)) > 50
    assert 90 < np.median(found[found < 255]) < 166


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("absent", [np.inf, -np.inf, np.nan, -9999.0, 3e38, -3.4028234663852886e38])
def test_floats_beside_what_is_none(
    loader: PictureLoader, kind: type[np.floating], absent: float
) -> None:
    ramp = np.linspace(2, 30, 64 * 48).reshape(48, 64, 1)
    ramp[:20, :20] = absent
    with np.errstate(over="ignore"):
        found = shown(loader, tiff(ramp.astype(kind)))[..., 0]
    assert (found[:20, :20] == 255).all()
    expected = (ramp[20:, :, 0] - ramp[0, 20, 0]) * 255 / (30 - ramp[0, 20, 0])
    assert np.abs(found[20:] - expected).max() <= 1


@pytest.mark.parametrize("absent", [-32768, -9999])
def test_no_data_of_signed_numbers(loader: PictureLoader, absent: int) -> None:
    heights = np.linspace(300, 1200, 64 * 48).astype(np.int16).reshape(48, 64, 1)
    heights[:10] = absent
    for tags in ({42113: (2, f"{absent}\0".encode())}, {}):
        found = shown(loader, tiff(heights, tags=tags))[..., 0]
        assert (found[:10] == 255).all()
        assert found[10, 0] == 0
        assert 120 < np.median(found[10:]) < 136


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.uint32, np.int64, np.uint64])
def test_whole_numbers_of_any_size(loader: PictureLoader, kind: type[np.integer]) -> None:
    levels = np.array([0, 63, 127], kind).reshape(1, 3, 1)
    if np.iinfo(kind).min < 0:
        found = shown(loader, tiff(levels - kind(64)))[0, :, 0]
        assert np.abs(found - (0, 126, 255)).max() <= 1
    assert shown(loader, tiff(levels))[0, :, 0].tolist() == [0, 63, 127]
    if np.iinfo(kind).bits >= 32:
        large = shown(loader, tiff(levels * kind(10_000_000)))[0, :, 0]
        assert np.abs(large - (0, 126, 255)).max() <= 1


@pytest.mark.parametrize("bits", [1, 2, 4, 10, 12, 14])
@pytest.mark.parametrize("layout", [{"rows": 7}, {"tile": 16, "deflated": True}])
def test_packed_bits(loader: PictureLoader, bits: int, layout: dict[str, int]) -> None:
    top = 2**bits - 1
    for photometric, levels in ((1, GRAY), (2, RGB), (0, GRAY)):
        stored = np.rint(levels.astype(float) * top / 255).astype(np.uint16)
        found = shown(loader, tiff(stored, photometric, bits=bits, **layout))
        expected = np.rint(stored * 255.0 / top)
        expected = 255 - expected if photometric == 0 else expected
        assert np.abs(found - expected).max() <= 1


def test_twelve_bits_in_sixteen_are_not_black(loader: PictureLoader) -> None:
    found = shown(loader, tiff(WIDE >> 4, 2))
    assert np.abs(found - RGB).max() <= 1


def test_alpha_of_sixteen_bits_lies_over_white(loader: PictureLoader) -> None:
    alpha = np.full((40, 60, 1), 0x8000, np.uint16)
    expected = (RGB.astype(int) + 255) / 2
    for kind, colors in ((2, WIDE), (1, WIDE // 2)):
        data = tiff(np.dstack([colors, alpha]), 2, tags={338: (3, (kind,))})
        assert np.abs(shown(loader, data) - expected).max() <= 2


def test_bands_behind_the_colors_are_passed_over(loader: PictureLoader) -> None:
    for values in (WIDE, RGB):
        more = np.dstack([values, values[..., :2] // 3])
        for planar in (False, True):
            data = tiff(more, 2, planar=planar, tags={338: (3, (0, 0))})
            assert np.array_equal(shown(loader, data), RGB)


def test_cmyk_of_sixteen_bits(loader: PictureLoader) -> None:
    inks = np.asarray(scene().convert("CMYK"))
    found = shown(loader, tiff(inks.astype(np.uint16) * 257, 5))
    assert np.abs(found - pixels_of(Image.fromarray(inks, "CMYK"))).max() <= 1


def test_a_palette_of_sixteen_bits(loader: PictureLoader) -> None:
    table = np.random.default_rng(0).integers(0, 65536, (3, 65536)).astype(np.uint16)
    indices = np.arange(2400, dtype=np.uint16).reshape(40, 60, 1)
    colors = (3, tuple(table.ravel().tolist()))
    found = shown(loader, tiff(indices, 3, tags={320: colors}))
    assert np.array_equal(found, table[:, indices[..., 0]].transpose(1, 2, 0) >> 8)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressions_and_predictors_as_libtiff_writes_them(
    loader: PictureLoader, compression: str
) -> None:
    wide, floats = WIDE[..., 0], (GRAY[..., 0] / 255).astype(np.float32)
    for values, predictor in ((wide, 1), (wide, 2), (floats, 1), (floats, 3)):
        if compression == "packbits" and predictor > 1:
            continue
        info = {317: predictor}
        data = encoded(Image.fromarray(values), "tiff", compression=compression, tiffinfo=info)
        assert np.abs(shown(loader, data)[..., 0] - GRAY[..., 0]).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_what_pillow_does_not_decode(
    loader: PictureLoader, orientation: int
) -> None:
    tags = {274: (3, (orientation,))}
    turned = loader.load(tiff(WIDE, 2, planar=True, tags=tags))
    plain = loader.load(tiff(RGB, 2, tags=tags))
    assert np.array_equal(turned.pixels, plain.pixels)
    assert (turned.width, turned.height) == (plain.width, plain.height)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (tiff(np.zeros((4, 4, 5), np.uint8)), "5 bands of 8 bits"),
        (tiff(np.zeros((4, 4, 13), np.uint16)), "13 bands of 16 bits"),
        (tiff(np.zeros((4, 4, 3), np.uint16)), "3 bands"),
        (tiff(np.zeros((4, 4, 1), np.complex64)), "complex"),
        (tiff(RGB, 2, tags={258: (3, (5, 6, 5))}), "5 and 6 bits"),
        (tiff(RGB, 2, tags={259: (3, (34887,))}), "LERC"),
        (tiff(RGB, 2, tags={259: (3, (61234,))}), "number 61234"),
        (tiff(RGB, 6, tags={258: (3, (16,) * 3)}), "YCbCr"),
        (tiff(RGB, 32845), "CIE LogLuv"),
        (tiff(GRAY, 12345), "color space 12345"),
        (tiff(GRAY, 1, tags={258: (3, (24,))}), "24 bits"),
    ],
)
def test_what_is_not_read_is_named(loader: PictureLoader, data: bytes, what: str) -> None:
    with pytest.raises(UnsupportedPicture, match=r"unsupported: .*[Cc]onvert it to") as caught:
        loader.load(data)
    assert what in str(caught.value)
    assert "corrupted" not in str(caught.value)


@pytest.mark.parametrize("layout", [{}, {"planar": True}, {"tile": 16, "deflated": True}])
def test_damage_is_told_from_what_is_not_read(
    loader: PictureLoader, layout: dict[str, Any]
) -> None:
    whole = tiff(WIDE, 2, **layout)
    assert loader.load(whole).width == 60
    beyond = tiff(WIDE, 2, **layout, shift=10_000_000)
    zeros = whole[:8] + bytes(292) + whole[300:]
    for broken in [whole[:-40], beyond, *([zeros] if layout.get("deflated") else [])]:
        with pytest.raises(BrokenPicture):
            loader.load(broken)


def test_size_is_checked_before_anything_is_decoded() -> None:
    with PictureLoader(Limits(max_pixels=1000), workers=1) as small:
        with pytest.raises(PictureTooLarge, match=r"60 x 40"):
            small.load(tiff(WIDE, 2, planar=True))
        assert small.load(tiff(WIDE[:20, :20], 2, planar=True)).width == 20


def test_the_first_page_counts(loader: PictureLoader) -> None:
    pages = [Image.new("RGB", (60, 40), (0, 255, 0))]
    data = encoded(scene(), "tiff", save_all=True, append_images=pages)
    assert np.array_equal(shown(loader, data), RGB)
    assert np.array_equal(shown(loader, encoded_scene("tiff")), RGB)
