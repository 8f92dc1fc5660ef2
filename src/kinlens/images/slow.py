"""Every picture that isn't an ordinary JPEG, through Pillow; runs in a guarded process only."""

from __future__ import annotations

import io
import warnings
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError, features

from kinlens.errors import BrokenPicture, PictureError, UnsupportedPicture
from kinlens.images import jpeg, tiff
from kinlens.images.exif import exif_orientation
from kinlens.images.geometry import crop_box, is_turned, shrink_factor
from kinlens.images.headers import largest_inside
from kinlens.images.levels import find_scale
from kinlens.images.limits import check_pixels
from kinlens.images.png import reduce_png
from kinlens.images.profiles import needs_conversion
from kinlens.images.protocol import Decoded, Request
from kinlens.images.tiff_picture import is_left_to_pillow, read_tiff

_PILLOW_NAMES = {
    "jpeg": "JPEG",
    "png": "PNG",
    "gif": "GIF",
    "webp": "WEBP",
    "bmp": "BMP",
    "tiff": "TIFF",
    "heic": "HEIF",
    "avif": "AVIF",
    "jp2": "JPEG2000",
    "ppm": "PPM",
    "tga": "TGA",
    "ico": "ICO",
    "qoi": "QOI",
}
LARGEST_KEPT = 1_000_000
"""Bytes of a color profile whose transform is kept for the next picture."""

_ALPHA_MODES = {"RGBA": "RGB", "LA": "L"}


def decode(request: Request, data: bytes) -> Decoded:
    """Turn any picture into upright sRGB, shrunk and cropped as asked.

    Raises
    ------
    PictureError : of the kind that fits
    """
    try:
        image, size = (_open_jpeg if request.kind == "jpeg" else _open)(request, data)
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # decoders raise anything
        _blame_size(request, data)
        raise BrokenPicture(_reason(request.kind, error)) from error
    left, top, right, bottom = crop_box(*image.size, request.crop)
    if (right - left, bottom - top) != image.size:
        image = image.crop((left, top, right, bottom))
    return Decoded(image.width, image.height, *size, image.tobytes())


def _blame_size(request: Request, data: bytes) -> None:
    """Name our limit where a library refused a large size by one of its own."""
    if request.kind in ("heic", "avif") and (size := largest_inside(data)):
        check_pixels(*size, request.max_pixels)


def _reason(kind: str, error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # its text holds only an object's address
        return f"The {kind.upper()} can't be read; it is truncated or corrupted."
    detail = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"The {kind.upper()} is truncated or corrupted ({detail:.200})."


def _open_jpeg(request: Request, data: bytes) -> tuple[Image.Image, tuple[int, int]]:
    header = jpeg.read_header(data)
    if header.space == jpeg.UNUSUAL:
        return _open(request, data)
    check_pixels(header.width, header.height, request.max_pixels)
    turned = is_turned(header.orientation)
    size = (header.height, header.width) if turned else (header.width, header.height)
    factor = shrink_factor(*size, request.min_side, request.crop)
    if header.space in ("CMYK", "YCCK"):
        inverted = jpeg.decode(data, header, factor, "CMYK")
        image = Image.fromarray(255 - inverted, "CMYK")
    elif header.space == "Gray":
        image = Image.fromarray(jpeg.decode(data, header, factor, "GRAY")[:, :, 0])
    else:
        image = Image.fromarray(jpeg.decode(data, header, factor))
    return _turned(_to_srgb(image, header.profile), header.orientation), size


def _open(request: Request, data: bytes) -> tuple[Image.Image, tuple[int, int]]:
    _require_decoder(request.kind)
    if request.kind == "tiff":
        return _open_tiff(request, data)
    if request.kind == "png":
        plain = reduce_png(data)
        return _as_asked(_read(request, plain.data), plain.profile, plain.orientation, request)
    image = _read(request, data)
    # A HEIC comes upright already; what its Exif says is of the camera's own picture.
    orientation = 1 if request.kind == "heic" else exif_orientation(image.info.get("exif") or b"")
    return _as_asked(image, image.info.get("icc_profile") or b"", orientation, request)


def _open_tiff(request: Request, data: bytes) -> tuple[Image.Image, tuple[int, int]]:
    directory = tiff.first_directory(data)
    if directory is not None:
        size = directory.number(tiff.WIDTH, 0), directory.number(tiff.HEIGHT, 0)
        check_pixels(*size, request.max_pixels)
        if not is_left_to_pillow(directory):
            found = read_tiff(data, directory)
            return _as_asked(found.image, found.profile, found.orientation, request)
    image = _read(request, data)  # Pillow turns it upright
    return _as_asked(image, image.info.get("icc_profile") or b"", 1, request)


def _read(request: Request, data: bytes) -> Image.Image:
    # Sizes are checked below, with a message that names the limit; Pillow's own check stays on
    # for what only decoding tells, such as the frames of a GIF.
    Image.MAX_IMAGE_PIXELS = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data), formats=[_PILLOW_NAMES[request.kind]])
        check_pixels(*image.size, request.max_pixels)
        Image.MAX_IMAGE_PIXELS = request.max_pixels
        image.info.pop("xmp", None)  # Pillow would turn a picture by it, which browsers don't
        image.load()
    check_pixels(*image.size, request.max_pixels)
    return image


def _as_asked(
    image: Image.Image, profile: bytes, orientation: int, request: Request
) -> tuple[Image.Image, tuple[int, int]]:
    """Upright sRGB, shrunk, and the size before that."""
    size = (image.height, image.width) if is_turned(orientation) else image.size
    plain = _eight_bits(image)
    factor = shrink_factor(*size, request.min_side, request.crop)
    if factor > 1:
        plain = plain.reduce(factor)
    return _turned(_flattened(plain, profile), orientation), size


def _require_decoder(kind: str) -> None:
    if kind == "heic":
        try:
            import pi_heif  # noqa: PLC0415  (heavy, and needed for HEIC alone)
        except ImportError:
            raise UnsupportedPicture(
                "This is HEIC, which needs pi-heif: pip install pi-heif."
            ) from None
        pi_heif.register_heif_opener()
    elif kind == "avif" and not features.check("avif"):
        raise UnsupportedPicture("This is AVIF, which the installed Pillow isn't built to read.")
    elif kind == "jp2" and not features.check("jpg_2000"):
        raise UnsupportedPicture(
            "This is JPEG 2000, which the installed Pillow isn't built to read."
        )


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _eight_bits(image: Image.Image) -> Image.Image:
    """One of the modes L, LA, RGB, RGBA, CMYK, LAB.

    16-bit values keep their upper byte, as Pillow does for 16-bit color. Floats and 32-bit
    integers have no white of their own: see `find_scale`.
    """
    if image.mode.startswith(("I", "F")):
        return _from_wide(image)
    if image.has_transparency_data:
        return image if image.mode == "LA" else image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _from_wide(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if image.mode.startswith("I;16") or (image.format == "PPM" and image.mode == "I"):
        return Image.fromarray((values >> 8).astype(np.uint8))
    return Image.fromarray(find_scale(values).levels(values))


def _flattened(image: Image.Image, profile: bytes) -> Image.Image:
    """To sRGB, then over white."""
    opaque = _ALPHA_MODES.get(image.mode)
    if opaque is None:
        return _to_srgb(image, profile)
    alpha = image.getchannel("A")
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(_to_srgb(image.convert(opaque), profile), mask=alpha)
    return white


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    if image.mode == "LAB":
        return _lab_to_srgb(image)
    if needs_conversion(profile):
        known = _transform if len(profile) <= LARGEST_KEPT else _transform.__wrapped__
        transform = known(profile, image.mode)
        if transform is not None:
            return transform.apply(image)
    return image.convert("RGB")


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None for a profile that is broken or of another kind of picture: it is ignored."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(source, _srgb(), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def _lab_to_srgb(image: Image.Image) -> Image.Image:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return ImageCms.buildTransform(lab, _srgb(), "LAB", "RGB").apply(image)


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
