"""Small pictures for a page."""

from __future__ import annotations

import numpy as np
import simplejpeg
from PIL import Image

from kinlens.types import Pixels

SIDE = 320
QUALITY = 82


def encode_thumbnail(pixels: Pixels, side: int = SIDE, quality: int = QUALITY) -> bytes:
    """Scale a picture to fit a square and encode it as JPEG.

    JPEG, since encoding it takes a tenth of the time of WebP.

    Parameters
    ----------
    pixels : uint8 (height, width, 3)
    side : longest side at most, in pixels; a smaller picture keeps its size
    quality : of the JPEG, 1 to 100

    Returns
    -------
    an "image/jpeg"
    """
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.BICUBIC)
    small = np.ascontiguousarray(image)
    encoded: bytes = simplejpeg.encode_jpeg(
        small, quality=quality, colorsubsampling="420", fastdct=False
    )
    return encoded
