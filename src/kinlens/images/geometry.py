"""Turning, cropping and shrinking: one rule for every decoder."""

from __future__ import annotations

import math

import numpy as np

from kinlens.types import Crop, Pixels

FACTORS = (8, 4, 2)
"""Shrinking by these is what a JPEG decoder does fast; by others it is slower than not at all."""


def is_turned(orientation: int) -> bool:
    """Whether an EXIF orientation swaps width and height."""
    return orientation >= 5


def shrink_factor(width: int, height: int, min_side: int | None, crop: Crop | None) -> int:
    """By how much a picture may be shrunk: 1, 2, 4 or 8.

    Parameters
    ----------
    width, height : of the upright picture
    min_side : what the short side of the crop must keep, in pixels; None for no shrinking
    crop : None for the whole picture
    """
    if min_side is None:
        return 1
    part = (crop.width * width, crop.height * height) if crop else (width, height)
    for factor in FACTORS:
        if min(part) >= factor * min_side:
            return factor
    return 1


def crop_box(width: int, height: int, crop: Crop | None) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in pixels, rounded outward, at least one pixel."""
    if crop is None:
        return 0, 0, width, height
    left, right = _span(crop.x, crop.width, width)
    top, bottom = _span(crop.y, crop.height, height)
    return left, top, right, bottom


def _span(start: float, length: float, size: int) -> tuple[int, int]:
    # A fraction such as 1/3 of 300 must not round outward by its last bit.
    first = min(math.floor(start * size + 1e-6), size - 1)
    last = max(math.ceil((start + length) * size - 1e-6), first + 1)
    return first, min(last, size)


def upright(pixels: Pixels, orientation: int, crop: Crop | None) -> Pixels:
    """Turn by EXIF orientation 1 to 8, then crop; C-contiguous.

    Parameters
    ----------
    pixels : uint8 (height, width, 3), as stored
    orientation : 1 for upright
    crop : of the upright picture
    """
    if is_turned(orientation):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    left, top, right, bottom = crop_box(pixels.shape[1], pixels.shape[0], crop)
    return np.ascontiguousarray(pixels[top:bottom, left:right])
