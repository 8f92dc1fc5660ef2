"""JPEG through libjpeg-turbo: a look at the header, then pixels shrunk while decoding."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import simplejpeg

from kinlens.errors import BrokenPicture, UnsupportedPicture
from kinlens.images.exif import HEAD, exif_orientation

UNUSUAL = "unusual"
"""Space of a JPEG that only Pillow may be able to read, such as one of odd sampling factors."""

MAX_SEGMENTS = 2000
_SOS, _EOI, _APP1, _APP2 = 0xDA, 0xD9, 0xE1, 0xE2
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_SCAN = re.compile(rb"\xff\xda")  # three times as fast as bytes.count for two bytes

# Warnings of libjpeg after which all pixels are still right; every other one means damage.
_HARMLESS = re.compile(
    r"extraneous bytes|Invalid SOS|unknown JFIF|Adobe color transform|bad ICC marker"
)


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What is known of a JPEG before it is decoded.

    Parameters
    ----------
    width, height : as stored, not upright
    orientation : of EXIF, 1 to 8
    space : "RGB", "YCbCr", "Gray", "CMYK", "YCCK" or `UNUSUAL`, of which no size is known
    scans : at least how often a decoder passes over the picture
    profile : the embedded ICC profile, b"" for none
    """

    width: int
    height: int
    orientation: int
    space: str
    scans: int
    profile: bytes


_UNUSUAL_HEADER = JpegHeader(0, 0, 1, UNUSUAL, 0, b"")


def read_header(data: bytes) -> JpegHeader:
    """Look at a JPEG without decoding it.

    Raises
    ------
    BrokenPicture : no picture in it
    UnsupportedPicture : a kind of JPEG that the decoder doesn't have
    """
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except KeyError:  # simplejpeg has no name for what libjpeg found
        return _UNUSUAL_HEADER
    except ValueError as error:
        if "Could not determine" in str(error):
            return _UNUSUAL_HEADER
        raise _translated(error) from error
    orientation, profile = _applications(data)
    scans = len(_SCAN.findall(data))
    return JpegHeader(width, height, orientation, space, scans, profile)


def decode(
    data: bytes, header: JpegHeader, factor: int, space: str = "RGB"
) -> npt.NDArray[np.uint8]:
    """Decode a whole JPEG, shrunk by 1, 2, 4 or 8.

    A JPEG that ends early or whose data is damaged is an error, not half a gray picture.

    Parameters
    ----------
    space : "RGB", "GRAY" or "CMYK" (as stored, which is inverted)

    Returns
    -------
    uint8 (height / factor, width / factor, channels), rounded up

    Raises
    ------
    BrokenPicture : truncated or damaged
    """
    try:
        return _shrunk(data, header, factor, space, strict=True)
    except ValueError as error:
        if not _HARMLESS.search(str(error)) or not _ends(data):
            raise _translated(error) from error
    try:
        return _shrunk(data, header, factor, space, strict=False)
    except ValueError as error:
        raise _translated(error) from error


def _shrunk(
    data: bytes, header: JpegHeader, factor: int, space: str, *, strict: bool
) -> npt.NDArray[np.uint8]:
    # The decoder takes the strongest shrinking that keeps these sides; 0 is for none.
    height, width = (
        (-(-header.height // factor), -(-header.width // factor)) if factor > 1 else (0, 0)
    )
    pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data, space, min_height=height, min_width=width, strict=strict
    )
    return pixels


def _ends(data: bytes) -> bool:
    return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")


def _translated(error: ValueError) -> BrokenPicture | UnsupportedPicture:
    text = str(error)
    if "nsupported" in text or "not supported" in text:
        return UnsupportedPicture(f"This kind of JPEG isn't read ({text}); save it as a plain one.")
    if "Premature end" in text or "premature end" in text:
        return BrokenPicture(f"The JPEG is truncated ({text}); get the whole file.")
    return BrokenPicture(f"The JPEG is corrupted ({text}).")


def _applications(data: bytes) -> tuple[int, bytes]:
    """EXIF orientation and ICC profile, from the segments before the first scan."""
    orientation: int | None = None
    parts: dict[int, bytes] = {}
    at = 2
    for _ in range(MAX_SEGMENTS):
        at = data.find(b"\xff", at)
        if at < 0 or at + 4 > len(data):
            break
        marker = data[at + 1]
        if marker in (0x00, 0xFF) or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (_SOS, _EOI):
            break
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _APP1 and data.startswith(HEAD, at + 4):
            if orientation is None:  # a later one continues the first
                orientation = exif_orientation(data[at + 4 : end])
        elif marker == _APP2 and data[at + 4 : at + 16] == b"ICC_PROFILE\0" and end >= at + 18:
            parts[data[at + 16]] = data[at + 18 : end]
        at = end
    else:
        raise BrokenPicture(f"The JPEG has more than {MAX_SEGMENTS} segments before its picture.")
    return orientation or 1, b"".join(parts[number] for number in sorted(parts))
