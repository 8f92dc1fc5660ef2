"""Bytes, files and base64 to pixels: sRGB, upright, within limits, whatever came."""

from kinlens.images.foreign import EXTENSIONS as FOREIGN_EXTENSIONS
from kinlens.images.inputs import decode_base64, read_file
from kinlens.images.limits import Limits
from kinlens.images.loader import Picture, PictureLoader
from kinlens.images.rendition import for_browser, render
from kinlens.images.sniff import MEDIA_TYPES, refusal_by_name, sniff
from kinlens.images.thumbnail import encode_thumbnail

__all__ = [
    "FOREIGN_EXTENSIONS",
    "MEDIA_TYPES",
    "Limits",
    "Picture",
    "PictureLoader",
    "decode_base64",
    "encode_thumbnail",
    "for_browser",
    "read_file",
    "refusal_by_name",
    "render",
    "sniff",
]
