"""Products of catalog pictures set free from their backdrop, as far as that is safe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from kinlens.camera.blobs import outside
from kinlens.types import Pixels

Plane: TypeAlias = npt.NDArray[np.float32]
Colors: TypeAlias = npt.NDArray[np.float32]

BORDER = 0.03
"""Share of a picture's side that is its border."""

EVEN = 20.0
"""Levels from the backdrop's color within which a pixel may be backdrop."""

SHADOW, TINT, EDGE = 0.66, 9.0, 7.0
"""A backdrop in shadow keeps at least this share of its light, is within so many levels of its
hue, and rises or falls by less than this from one pixel to the next: where it is steeper, a thing
begins."""

BRIGHT = 175.0
"""A studio's backdrop has at least this level."""

FADE = 16
"""Pixels over which a picture's own shadows fade at its cut."""

SPECK = 0.008
"""Share of a row or column that a thing takes at least."""

FRAME = 0.03
"""Share of a picture's side that is the white frame of a print."""


@dataclass(frozen=True, slots=True)
class Cutout:
    """A thing to put on a shelf.

    Parameters
    ----------
    colors : float32 (height, width, 3), 0 to 255
    alpha : float32 (height, width), 1 where the thing is
    veil : float32 (height, width, 3), what the thing's own shadow leaves of the light behind it
    """

    colors: Colors
    alpha: Plane
    veil: Colors


def cut_out(pixels: Pixels, width: int, height: int) -> Cutout:
    """Fit a picture into a box and cut its product out; a print of it where there is no backdrop.

    Parameters
    ----------
    pixels : uint8 (h, w, 3)
    width, height : of the box, in pixels; the result touches it on two sides
    """
    backdrop = _backdrop(pixels)
    if backdrop is None:
        return _print(pixels, width, height)
    thing = _smoothed(~outside(_is_backdrop(pixels.astype(np.float32), backdrop)))
    rows, columns = (np.flatnonzero(thing.mean(axis=axis) > SPECK) for axis in (1, 0))
    if not 0.04 < thing.mean() < 0.9 or not len(rows) or not len(columns):
        return _print(pixels, width, height)
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    small = _fitted(pixels[window], width, height)
    mask = Image.fromarray(thing[window].astype(np.uint8) * 255)
    alpha = mask.resize(small.size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(0.8))
    colors = np.asarray(small, np.float32)
    return Cutout(colors, np.asarray(alpha, np.float32) / np.float32(255), _veil(colors, backdrop))


def _backdrop(pixels: Pixels) -> npt.NDArray[np.float32] | None:
    """Color of an even, bright backdrop, float32 (3,); None where the border isn't one."""
    if min(pixels.shape[:2]) < 8:
        return None
    wide = max(1, round(min(pixels.shape[:2]) * BORDER))
    edges = (pixels[:wide], pixels[-wide:], pixels[:, :wide], pixels[:, -wide:])
    border = np.concatenate([edge.reshape(-1, 3) for edge in edges]).astype(np.float32)
    color = np.median(border, axis=0)
    even = np.mean(np.abs(border - color).max(axis=1) < EVEN)
    return np.asarray(color, np.float32) if even > 0.9 and color.min() > BRIGHT else None


def _is_backdrop(colors: Colors, backdrop: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Where the backdrop may be, in light or in a soft shadow."""
    even = np.abs(colors - backdrop).max(axis=2) < EVEN
    light = colors @ backdrop / (backdrop @ backdrop)
    off = np.abs(colors - light[..., None] * backdrop).max(axis=2)
    steep = np.hypot(*np.gradient(light * backdrop.mean()))
    return np.asarray(even | ((light > SHADOW) & (light < 1.1) & (off < TINT) & (steep < EDGE)))


def _smoothed(thing: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Without specks, and without the fringe that the backdrop leaves around a thing."""
    image = Image.fromarray(thing.astype(np.uint8) * 255)
    image = image.filter(ImageFilter.MedianFilter(5)).filter(ImageFilter.MinFilter(3))
    return np.asarray(image) > 127


def _veil(colors: Colors, backdrop: npt.NDArray[np.float32]) -> Colors:
    """What shadows leave of the light, fading to all of it where the picture is cut off."""
    height, width = colors.shape[:2]
    down, across = (
        np.clip(np.minimum(np.arange(size), np.arange(size)[::-1]) / FADE, 0, 1)
        for size in (height, width)
    )
    inside = np.minimum(down[:, None], across)[..., None]
    return np.asarray(1 - (1 - np.clip(colors / backdrop, 0, 1)) * inside, np.float32)


def _print(pixels: Pixels, width: int, height: int) -> Cutout:
    """The whole picture with a white frame, as a print that stands there."""
    frame = max(2, round(width * FRAME))
    small = np.asarray(_fitted(pixels, width - 2 * frame, height - 2 * frame), np.float32)
    colors = np.full((small.shape[0] + 2 * frame, small.shape[1] + 2 * frame, 3), 246, np.float32)
    colors[frame:-frame, frame:-frame] = small
    whole = np.ones(colors.shape[:2], np.float32)
    return Cutout(colors, whole, np.ones_like(colors))


def _fitted(pixels: Pixels, width: int, height: int) -> Image.Image:
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BICUBIC)
