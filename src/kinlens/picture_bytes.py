"""Pictures as Python holds them to encoded bytes, which is how all doors take them.

A picture of Pillow or NumPy is encoded without loss, and Pillow is imported only then.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np

from kinlens.errors import BrokenPicture, InvalidInput

ACCEPTED = (
    "bytes, a PIL.Image.Image, a NumPy array of uint8 (height, width, 3), or a file that is open "
    "for reading in binary"
)
_ORIENTATION = 0x0112
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
_TIFF_MODES = frozenset({"CMYK", "LAB", "YCbCr", "I", "I;16B", "F"})
_NEAREST_MODE = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}


def is_picture_object(thing: object) -> bool:
    """Whether it is a picture in memory or an open file: none of these is a text or a path."""
    return (
        isinstance(thing, bytes | bytearray | memoryview | np.ndarray)
        or _is_pillow(thing)
        or hasattr(thing, "read")
    )


def picture_bytes(picture: Any) -> bytes:
    """The encoded bytes of a picture.

    Parameters
    ----------
    picture : one of

        - encoded bytes (JPEG, PNG, ...), also as bytearray or memoryview;
        - a `PIL.Image.Image` of any mode, turned upright by its EXIF orientation;
        - NumPy uint8 (height, width, 3), RGB; also (height, width) gray and (height, width, 4)
          with alpha;
        - a file that is open for reading in binary, which is read from where it stands

    Raises
    ------
    InvalidInput : anything else
    BrokenPicture : a Pillow picture whose file can't be decoded
    """
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, bytearray | memoryview):
        return bytes(picture)
    if isinstance(picture, np.ndarray):
        return _of_array(picture)
    if _is_pillow(picture):
        return _of_pillow(picture)
    if hasattr(picture, "read"):
        return _of_file(picture)
    raise InvalidInput(f"A picture is {ACCEPTED}; got {type(picture).__name__}.")


def _is_pillow(thing: object) -> bool:
    # Nothing is a picture of Pillow as long as nobody has imported it.
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(thing, module.Image)


def _of_file(file: Any) -> bytes:
    try:
        data = file.read()
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"The open file can't be read: {error}. Open it for reading in binary, mode 'rb'."
        ) from error
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InvalidInput(
            f"A picture's file is opened for reading in binary, mode 'rb'; this one gave "
            f"{type(data).__name__}."
        )
    if not data:
        raise InvalidInput(
            "The open file has no bytes left to read; if it has been read before, call its "
            "seek(0) first."
        )
    return bytes(data)


def _of_array(array: np.ndarray[Any, Any]) -> bytes:
    shape = array.shape
    fits = array.ndim in {2, 3} and all(shape) and shape[2:] in {(), (3,), (4,)}
    if array.dtype != np.uint8 or not fits:
        raise InvalidInput(
            "A NumPy picture is uint8 (height, width, 3), RGB from 0 to 255, or (height, width) "
            f"gray; got {array.dtype} {shape}. For numbers from 0 to 1 multiply by 255, round and "
            "use .astype('uint8'); a vector of the encoder is Example(vector=...)."
        )
    if isinstance(array, np.ma.MaskedArray) and np.ma.getmaskarray(array).any():
        raise InvalidInput(
            "A NumPy picture has a value for every pixel, and this one is masked in places; fill "
            "them with .filled(0)."
        )
    from PIL import Image  # noqa: PLC0415 - only where it is needed

    return _encoded(Image.fromarray(np.ascontiguousarray(array)), "PNG")


def _of_pillow(image: Any) -> bytes:
    from PIL import ImageOps  # noqa: PLC0415 - only where it is needed

    if 0 in image.size:
        raise InvalidInput(f"A picture has pixels; got a PIL.Image.Image of {image.size}.")
    try:
        image.load()
        if image.getexif().get(_ORIENTATION, 1) != 1:
            image = ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise BrokenPicture(f"The PIL.Image.Image can't be decoded: {error}.") from error
    if image.mode in _TIFF_MODES:
        return _encoded(image, "TIFF")
    if image.mode not in _PNG_MODES:
        image = image.convert(_NEAREST_MODE.get(image.mode, "RGB"))
    return _encoded(image, "PNG")


def _encoded(image: Any, kind: str) -> bytes:
    encoded = io.BytesIO()
    options: dict[str, Any] = {"icc_profile": image.info.get("icc_profile")}
    if kind == "PNG":
        # Speed counts: it is decoded again at once.
        options["compress_level"] = 1
        if "transparency" in image.info:
            options["transparency"] = image.info["transparency"]
        options["exif"] = b""
    image.save(encoded, kind, **options)
    return encoded.getvalue()
