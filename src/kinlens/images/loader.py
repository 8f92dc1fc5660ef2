"""The one way from encoded bytes to pixels, for every door."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass

from kinlens.config import usable_cores
from kinlens.images import jpeg
from kinlens.images.geometry import is_turned, shrink_factor, upright
from kinlens.images.guard import DECODER, GuardedPool
from kinlens.images.headers import stated_size
from kinlens.images.limits import DEFAULT_LIMITS, Limits, check_bytes, check_pixels
from kinlens.images.profiles import needs_conversion
from kinlens.images.protocol import Request
from kinlens.images.sniff import require_picture
from kinlens.types import Crop, Pixels

MAX_WORK = 200_000_000
"""Pixels times scans that a JPEG may cost in this process; beyond it, a killable one decodes."""

LARGE = 24_000_000
"""Bytes that decoding a JPEG in this process may take for any number of threads at once."""

_BASE_MEMORY = 600_000_000
_MEMORY_PER_PIXEL = 24


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    Parameters
    ----------
    pixels : uint8 (h, w, 3), sRGB, upright, C-contiguous; cropped and shrunk as asked
    width, height : of the whole upright original
    format : a key of `kinlens.images.MEDIA_TYPES`, such as "jpeg"
    """

    pixels: Pixels
    width: int
    height: int
    format: str


class PictureLoader:
    """Turns encoded pictures into upright sRGB pixels, safely and from many threads.

    EXIF orientation is applied, transparency laid over white, an embedded color profile converted
    to sRGB (a broken one is ignored), and of an animation or of pages the first taken. 16-bit
    values keep their upper byte; of a TIFF whose largest is below 4096, the upper 8 of 12 bits.

    An ordinary JPEG is decoded in this process by libjpeg-turbo, which shrinks it by 2, 4 or 8
    while decoding. All else is decoded in guarded processes, which are killed and replaced when
    they hang or die, and is shrunk by averaging. At full size the two ways differ by at most 2 of
    255 in any value from what Pillow decodes; shrunk, they differ from one another by less than
    2 of 255 on average.

    Parameters
    ----------
    limits : on bytes, pixels and the time of a guarded decoder
    workers : guarded processes at most, and large JPEGs decoded at once; None for one a core
    decoder : "module:function" that they run
    """

    def __init__(
        self, limits: Limits = DEFAULT_LIMITS, workers: int | None = None, *, decoder: str = DECODER
    ) -> None:
        self._limits = limits
        memory = _BASE_MEMORY + _MEMORY_PER_PIXEL * limits.max_pixels
        workers = workers or usable_cores()
        self._pool = GuardedPool(workers, memory, decoder)
        # Without it, each of a server's many threads could hold a picture of 50 megapixels.
        self._room_for_large = threading.BoundedSemaphore(workers)

    def load(
        self, data: bytes, *, min_side: int | None = None, crop: Crop | None = None
    ) -> Picture:
        """Decode one picture.

        Parameters
        ----------
        data : the encoded picture, of any format that is read, whatever it was called
        min_side : the short side of what is returned may shrink down to this, in pixels; it is
            not shrunk to exactly this, nor ever enlarged. None for full size
        crop : the part to return, of the upright picture

        Raises
        ------
        UnsupportedPicture : not a picture, or of a format that isn't read
        BrokenPicture : empty, truncated, corrupted, or a decoder hung or died on it
        PictureTooLarge : over a limit; known before it is decoded
        """
        check_bytes(len(data), self._limits)
        kind = require_picture(data)
        if kind == "jpeg":
            return self._load_jpeg(data, min_side, crop)
        size = stated_size(kind, data)
        if size is not None:
            check_pixels(*size, self._limits.max_pixels)
        return self._guarded(kind, data, min_side, crop)

    def processes(self) -> list[int]:
        """Ids of the guarded processes that run now."""
        return self._pool.processes()

    def cancel(self) -> None:
        """Give up the pictures that guarded processes decode; their callers get `Overloaded`."""
        self._pool.cancel()

    def close(self) -> None:
        """End the guarded processes."""
        self._pool.close()

    def __enter__(self) -> PictureLoader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _load_jpeg(self, data: bytes, min_side: int | None, crop: Crop | None) -> Picture:
        header = jpeg.read_header(data)
        if header.space == jpeg.UNUSUAL:
            return self._guarded("jpeg", data, min_side, crop)
        width, height = header.width, header.height
        check_pixels(width, height, self._limits.max_pixels)
        if (
            header.space in ("CMYK", "YCCK")
            or width * height * header.scans > MAX_WORK
            or needs_conversion(header.profile)
        ):
            return self._guarded("jpeg", data, min_side, crop)
        if is_turned(header.orientation):
            width, height = height, width
        factor = shrink_factor(width, height, min_side, crop)
        large = _cost(header, factor) > LARGE
        with self._room_for_large if large else nullcontext():
            pixels = upright(jpeg.decode(data, header, factor), header.orientation, crop)
        return Picture(pixels, width, height, "jpeg")

    def _guarded(self, kind: str, data: bytes, min_side: int | None, crop: Crop | None) -> Picture:
        limits = self._limits
        request = Request(kind, limits.max_pixels, limits.timeout, min_side, crop)
        found = self._pool.decode(request, data)
        return Picture(found.pixels, found.width, found.height, kind)


def _cost(header: jpeg.JpegHeader, factor: int) -> int:
    """Bytes that decoding a JPEG takes: its pixels, and before those the coefficients of scans."""
    area = header.width * header.height
    coefficients = 6 * area if header.scans > 1 else 0
    return 3 * area // factor**2 + coefficients
