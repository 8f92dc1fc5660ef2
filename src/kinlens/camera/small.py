"""A small gray picture of a frame: enough to tell what moves, and cheap."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from kinlens.types import Pixels

Gray: TypeAlias = npt.NDArray[np.float32]
"""float32 (HEIGHT, WIDTH), 0 to 255."""

WIDTH, HEIGHT = 96, 72
_ENOUGH = 4
"""Pixels a side that are averaged for one; of more, only so many are looked at."""


def small_gray(pixels: Pixels) -> Gray:
    """Shrink uint8 (height, width, 3) of any size and shape to float32 (HEIGHT, WIDTH)."""
    rows, columns = (
        max(1, pixels.shape[0] // (_ENOUGH * HEIGHT)),
        max(1, pixels.shape[1] // (_ENOUGH * WIDTH)),
    )
    image = Image.fromarray(np.ascontiguousarray(pixels[::rows, ::columns]))
    gray = image.resize((WIDTH, HEIGHT), Image.Resampling.BOX).convert("L")
    return np.asarray(gray, np.float32)


def difference(first: Gray, second: Gray) -> Gray:
    """How much each part differs, whatever the exposure does to the whole."""
    changed = first - second
    return np.asarray(np.abs(changed - np.median(changed)), np.float32)
