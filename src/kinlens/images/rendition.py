"""Pictures as browsers show them: the bytes themselves, or a JPEG in their place."""

from __future__ import annotations

from kinlens.images import jpeg
from kinlens.images.loader import PictureLoader
from kinlens.images.sniff import picture_format, sniff
from kinlens.images.thumbnail import encode_thumbnail

SIDE = 2048
"""Pixels of the longest side of a JPEG that stands for a picture, at most."""

_MIN_SIDE = 1536
_QUALITY = 88
_SHOWN = {"png", "gif", "webp", "bmp", "avif"}
_UNEVEN_SPACES = ("CMYK", "YCCK", jpeg.UNUSUAL)
"""Of JPEGs that browsers show in other colors than Kinlens reads, or don't show."""


def is_shown(data: bytes) -> bool:
    """Whether today's browsers show these bytes, in the colors that Kinlens reads."""
    kind = picture_format(data)
    if kind == "jpeg":
        return jpeg.read_header(data).space not in _UNEVEN_SPACES
    return kind in _SHOWN


def for_browser(data: bytes, loader: PictureLoader) -> tuple[bytes, str]:
    """A picture for a page, and its media type.

    Parameters
    ----------
    data : an encoded picture of any format that is read

    Returns
    -------
    the bytes as they are where browsers show them; else what `render` gives

    Raises
    ------
    UnsupportedPicture, BrokenPicture, PictureTooLarge : see `PictureLoader.load`
    """
    if is_shown(data):
        return data, sniff(data) or "image/jpeg"
    return render(data, loader), "image/jpeg"


def render(data: bytes, loader: PictureLoader) -> bytes:
    """A JPEG of a picture: sRGB, upright, on white, at most `SIDE` pixels a side.

    Raises
    ------
    UnsupportedPicture, BrokenPicture, PictureTooLarge : see `PictureLoader.load`
    """
    picture = loader.load(data, min_side=_MIN_SIDE)
    return encode_thumbnail(picture.pixels, SIDE, _QUALITY)
