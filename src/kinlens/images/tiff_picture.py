"""A TIFF as a picture of 8 bits, or the reason why that can't be made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kinlens.errors import UnsupportedPicture
from kinlens.images import tiff
from kinlens.images.levels import Scale, find_scale
from kinlens.images.tiff import Directory
from kinlens.images.tiff_samples import BYTE_CODECS, Layout, read_samples

Array = npt.NDArray[Any]

_FAX_CODECS = frozenset({2, 3, 4})
_PILLOW_CODECS = _FAX_CODECS | {6, 7, 50001}
_CODECS = {
    9: "JBIG", 10: "JBIG", 34661: "JBIG", 34712: "JPEG 2000", 33003: "JPEG 2000",
    33005: "JPEG 2000", 34676: "SGI LogLuv", 34677: "SGI LogLuv", 34713: "Nikon NEF", 34887: "LERC",
    50002: "JPEG XL", 52546: "JPEG XL", 32766: "NeXT", 32809: "ThunderScan",
}  # fmt: skip
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB = 0, 1, 2, 3, 5, 6, 8
_COLORS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _LAB: 3}
_PHOTOMETRICS = {
    4: "a transparency mask", 9: "ICC L*a*b*", 10: "ITU L*a*b*", 32844: "CIE LogL",
    32845: "CIE LogLuv",
}  # fmt: skip
_FORMATS = {1: (1, 2, 4, 8, 10, 12, 14, 16, 32, 64), 2: (8, 16, 32, 64), 3: (16, 32, 64)}
_ASSOCIATED, _UNASSOCIATED = 1, 2


@dataclass(frozen=True, slots=True)
class TiffPicture:
    """Eight bits a channel, as stored.

    Parameters
    ----------
    image : of mode L, LA, RGB, RGBA or CMYK
    profile : the embedded ICC profile, b"" for none
    orientation : 1 to 8
    """

    image: Image.Image
    profile: bytes
    orientation: int


def is_left_to_pillow(directory: Directory) -> bool:
    """Whether Pillow reads it and takes its samples for what they are.

    Raises
    ------
    UnsupportedPicture : nothing here reads it
    """
    codec = directory.number(tiff.COMPRESSION, 1)
    if codec not in BYTE_CODECS | _PILLOW_CODECS:
        raise _unsupported(f"{_CODECS.get(codec, f'number {codec}')} compression")
    layout = Layout.of(directory)
    color = directory.number(tiff.PHOTOMETRIC, _BLACK_IS_ZERO)
    is_plain = layout.format in (1, 4) and set(directory.numbers(tiff.BITS)) <= {8}
    if color in (_YCBCR, _LAB) or codec not in BYTE_CODECS:
        usual = layout.samples == 3 or codec not in BYTE_CODECS
        if (is_plain and usual) or codec in _FAX_CODECS:
            return True
        raise _unsupported(_described(directory, layout))
    if layout.samples == 1 and layout.format in (1, 4) and layout.bits <= 8:
        return color in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _PALETTE) and layout.bits in (1, 2, 4, 8)
    extra = layout.samples - _COLORS.get(color, 0)
    return is_plain and not layout.planar and color in (_RGB, _CMYK) and extra == 0


def read_tiff(data: bytes, directory: Directory) -> TiffPicture:
    """Decode what isn't left to Pillow.

    Raises
    ------
    UnsupportedPicture : bands of which nothing says what they show, or another depth
    BrokenPicture, Exception : damaged
    """
    layout = Layout.of(directory)
    color = directory.number(tiff.PHOTOMETRIC, _BLACK_IS_ZERO)
    channels = _COLORS.get(color)
    if channels is None or color == _LAB or not _is_readable(directory, layout, channels):
        raise _unsupported(_described(directory, layout))
    samples = read_samples(data, directory, layout)
    colors, alpha = samples[..., :channels], _alpha(samples, channels, directory)
    if color == _PALETTE:
        image = _of_palette(colors[..., 0], directory, layout.bits)
    else:
        image = _image(colors, alpha, directory, layout)
    orientation = directory.number(tiff.ORIENTATION, 1)
    return TiffPicture(
        image, directory.bytes(tiff.PROFILE), orientation if 1 <= orientation <= 8 else 1
    )


def _is_readable(directory: Directory, layout: Layout, channels: int) -> bool:
    if layout.bits not in _FORMATS.get(layout.format, ()):
        return False
    if len(set(directory.numbers(tiff.BITS))) > 1 or layout.samples < channels:
        return False
    if directory.number(tiff.INK_SET, 1) != 1:  # inks of other colors than CMYK
        return False
    extra = layout.samples - channels
    # Bands behind red, green and blue are extra; those behind one gray may be anything.
    return extra <= 1 or channels == 3 or bool(_alpha_kind(directory) and extra == 1)


def _alpha_kind(directory: Directory) -> int:
    kind = directory.number(tiff.EXTRA_SAMPLES, 0)
    return kind if kind in (_ASSOCIATED, _UNASSOCIATED) else 0


def _alpha(samples: Array, channels: int, directory: Directory) -> Array | None:
    if samples.shape[2] == channels or not _alpha_kind(directory):
        return None
    return samples[..., channels]


def _image(colors: Array, alpha: Array | None, directory: Directory, layout: Layout) -> Image.Image:
    inverted = directory.number(tiff.PHOTOMETRIC, _BLACK_IS_ZERO) == _WHITE_IS_ZERO
    scale = _scale(colors, directory, layout)
    planes = [_levels(colors[..., n], scale, inverted=inverted) for n in range(colors.shape[2])]
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[len(planes)]
    if alpha is None or mode == "CMYK":
        return Image.fromarray(np.dstack(planes) if len(planes) > 1 else planes[0], mode)
    top = 1.0 if layout.format == 3 else float(2 ** (layout.bits - (layout.format == 2)) - 1)
    opacity = np.clip(alpha.astype(np.float32) * (255 / top), 0, 255)
    opacity = np.rint(np.nan_to_num(opacity)).astype(np.uint8)
    if _alpha_kind(directory) == _ASSOCIATED:
        planes = [_divided(plane, opacity) for plane in planes]
    return Image.fromarray(np.dstack([*planes, opacity]), "LA" if mode == "L" else "RGBA")


def _divided(plane: Array, opacity: Array) -> Array:
    """Undo the multiplication by alpha."""
    ratio = plane.astype(np.float32) * 255 / np.maximum(opacity, 1)
    return np.rint(np.minimum(ratio, 255)).astype(np.uint8)


def _scale(colors: Array, directory: Directory, layout: Layout) -> Scale:
    if layout.format == 1 and layout.bits in (1, 2, 4, 8, 10, 12, 14):
        return Scale(0.0, float(2**layout.bits - 1), ())
    if layout.format == 1 and layout.bits == 16:
        stated = directory.number(tiff.MAX_VALUE, 0)
        if stated in (1023, 4095, 16383):
            return Scale(0.0, float(stated), ())
    return find_scale(colors, _no_data(directory))


def _no_data(directory: Directory) -> float | None:
    """The value that GDAL writes for pixels without one."""
    try:
        return float(directory.bytes(tiff.NO_DATA).split(b"\0")[0])
    except ValueError:
        return None


def _levels(values: Array, scale: Scale, *, inverted: bool) -> Array:
    levels = scale.levels(values)
    return 255 - levels if inverted else levels


def _of_palette(indices: Array, directory: Directory, bits: int) -> Image.Image:
    table = np.array(directory.numbers(tiff.COLOR_MAP), np.uint16)
    if indices.dtype.kind != "u" or bits > 16 or table.size != 3 << bits:
        raise _unsupported("a palette of another size than its indices")
    return Image.fromarray((table.reshape(3, -1).T >> 8).astype(np.uint8)[indices])


def _described(directory: Directory, layout: Layout) -> str:
    kinds = {1: "unsigned", 2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
    bits: Sequence[int] = sorted(set(directory.numbers(tiff.BITS)) or {1})
    depth = " and ".join(map(str, bits[:4]))
    kind = kinds.get(layout.format, "untyped")
    color = directory.number(tiff.PHOTOMETRIC, _BLACK_IS_ZERO)
    shown = _PHOTOMETRICS.get(color)
    what = f"{layout.samples} band{'s' * (layout.samples != 1)} of {depth} bits, {kind}"
    names = {_WHITE_IS_ZERO: "gray", _BLACK_IS_ZERO: "gray", _RGB: "RGB", _PALETTE: "a palette",
             _CMYK: "inks", _YCBCR: "YCbCr", _LAB: "L*a*b*"}  # fmt: skip
    return f"{what}, stated as {shown or names.get(color, f'color space {color}')}"


def _unsupported(what: str) -> UnsupportedPicture:
    return UnsupportedPicture(
        f"This TIFF is unsupported: {what}. Convert it to RGB or gray of 8 or 16 bits, or to PNG."
    )
