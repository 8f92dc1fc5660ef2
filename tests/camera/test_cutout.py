from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from kinlens.camera.cutout import Cutout, cut_out
from kinlens.types import Pixels


def studio(color: tuple[int, int, int] = (40, 90, 160), backdrop: int = 243) -> Pixels:
    """A ball in front of a backdrop that falls off a little, with a soft shadow."""
    y, x = np.mgrid[0:200, 0:200]
    light = backdrop * (1 - 0.03 * ((x - 100) ** 2 + (y - 90) ** 2) / 10_000)
    shadow = np.exp(-(((x - 110) / 50) ** 2 + ((y - 165) / 14) ** 2))
    pixels = np.repeat((light * (1 - 0.35 * shadow))[..., None], 3, axis=2)
    pixels[(x - 100) ** 2 + (y - 100) ** 2 < 60**2] = color
    return pixels.astype(np.uint8)


def is_print(cutout: Cutout) -> bool:
    return bool(cutout.alpha.min() == 1)


def test_a_product_is_set_free_from_its_backdrop_and_its_shadow():
    found = cut_out(studio(), 300, 300)
    assert not is_print(found)
    assert max(found.alpha.shape) == 300
    assert abs(found.alpha.shape[0] - found.alpha.shape[1]) < 12
    disc = np.pi / 4
    assert abs(found.alpha.mean() - disc) < 0.05
    assert found.alpha[150, 150] == 1
    assert found.alpha[3, 3] == 0
    inside = found.colors[found.alpha == 1]
    assert np.abs(np.median(inside, axis=0) - (40, 90, 160)).max() < 4


def test_its_shadow_darkens_what_is_behind_and_fades_at_the_cut():
    veil = cut_out(studio(), 300, 300).veil
    assert veil.max() <= 1
    assert veil[280, 30].mean() < 1 or veil[280, 260].mean() < 1
    assert np.all(veil[0] == 1)
    assert np.all(veil[-1] == 1)


def test_a_photograph_becomes_a_print_with_a_white_frame():
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (60, 80, 3), np.uint8)
    found = cut_out(photo, 300, 300)
    assert is_print(found)
    assert found.alpha.shape[1] == 300
    assert np.all(found.colors[:4] > 240)
    assert found.colors[20:-20, 20:-20].std() > 20


def test_a_backdrop_without_a_product_and_a_dark_one_become_prints():
    assert is_print(cut_out(np.full((50, 50, 3), 245, np.uint8), 100, 100))
    assert is_print(cut_out(np.full((50, 50, 3), 20, np.uint8), 100, 100))
    assert is_print(cut_out(np.full((1, 1, 3), 255, np.uint8), 100, 100))


def test_specks_do_not_make_the_box_larger():
    image = Image.fromarray(studio())
    ImageDraw.Draw(image).point([(2, 2), (197, 197)], fill=(0, 0, 0))
    found = cut_out(np.asarray(image), 300, 300)
    assert abs(found.alpha.mean() - np.pi / 4) < 0.05
