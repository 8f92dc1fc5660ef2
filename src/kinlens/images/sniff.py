"""What some bytes are, by their content alone: names and headers lie."""

from __future__ import annotations

from kinlens.errors import BrokenPicture, UnsupportedPicture

MEDIA_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
    "heic": "image/heic",
    "avif": "image/avif",
}

_PREFIXES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
)
_BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"}

_STRANGERS = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"8BPS", "a Photoshop document"),
    (b"%!PS", "PostScript"),
    (b"\0\0\0\x0cJXL \r\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\1\0", "an icon (ICO)"),
    (b"\x1aE\xdf\xa3", "a video"),
)


def sniff(data: bytes) -> str | None:
    """Media type of a picture that Kinlens reads, such as "image/jpeg"; None for all else."""
    kind = picture_format(data)
    return MEDIA_TYPES[kind] if kind else None


def picture_format(data: bytes) -> str | None:
    """Key of `MEDIA_TYPES` that these bytes begin like, or None."""
    for prefix, kind in _PREFIXES:
        if data.startswith(prefix):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        return _iso_format(data)
    # Two letters prove little, so the size of the second header has to be one of those that exist.
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return "bmp"
    return None


def require_picture(data: bytes) -> str:
    """`picture_format`, or the error that says what came instead.

    Raises
    ------
    BrokenPicture : no bytes
    UnsupportedPicture : anything but a picture of a known format
    """
    if not data:
        raise BrokenPicture("A picture is needed, but no bytes came (0 bytes).")
    kind = picture_format(data)
    if kind is None:
        raise UnsupportedPicture(
            f"This is {describe(data)}, which isn't read; convert it to one of "
            f"{', '.join(name.upper() for name in MEDIA_TYPES)}."
        )
    return kind


def describe(data: bytes) -> str:
    """What bytes that aren't a known picture seem to be, for a message."""
    for prefix, name in _STRANGERS:
        if data.startswith(prefix):
            return name
    if data[4:8] == b"ftyp":
        return "a video"
    return _describe_text(data[:1024]) or "not a picture"


def _describe_text(head: bytes) -> str | None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.replace(b"\0", b"")[2:]
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in text:
        return "an SVG drawing"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page"
    if text.startswith(b"<?xml"):
        return "an XML document"
    if text.startswith((b"{", b"[")):
        return "JSON text"
    if text and all(byte >= 32 or byte in b"\t\n\r\f" for byte in text):
        return "text"
    return None


def _iso_format(data: bytes) -> str | None:
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, size - 3, 4))]
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "avif"
    if any(brand in _HEIC_BRANDS for brand in brands) or brands[0] in (b"mif1", b"msf1"):
        return "heic"
    return None
