"""Encoded pictures from files, data URLs and base64, never more than the byte limit."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path
from urllib.parse import unquote_to_bytes

from kinlens.errors import InvalidInput, PictureUnreadable, SourceError, UnsupportedPicture
from kinlens.images.foreign import foreign_picture, not_read
from kinlens.images.limits import DEFAULT_LIMITS, Limits, check_bytes

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_WHITESPACE = b" \t\r\n\f\v"
_HEAD = 262_144
"""Bytes in which a kind of picture is looked for; some TIFFs have a thumbnail first."""


def read_file(path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Read a regular file.

    Raises
    ------
    PictureTooLarge : over `limits.max_bytes`; no more than that is read
    UnsupportedPicture : also over it, and of a kind that isn't read, such as a RAW photo
    SourceError : missing, unreadable, or not a regular file (a folder, pipe or device)
    """
    # Without O_NONBLOCK, opening a pipe would wait for someone to write to it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SourceError(f"{Path(path)} isn't a regular file; name a picture file.")
            if status.st_size > limits.max_bytes:
                _refuse_foreign(_read(descriptor, min(_HEAD, limits.max_bytes)))
            check_bytes(status.st_size, limits)
            # Asking for the limit at once would make a buffer of that size for every picture.
            data = _read(descriptor, status.st_size + 1)
            if len(data) > status.st_size:  # it grew meanwhile
                data += _read(descriptor, limits.max_bytes + 1 - len(data))
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        gone = isinstance(error, FileNotFoundError | NotADirectoryError | ValueError)
        kind = SourceError if gone else PictureUnreadable
        raise kind(f"The file {os.fspath(path)!r} can't be read: {reason}.") from error
    check_bytes(len(data), limits, at_least=True)
    return data


def _read(descriptor: int, most: int) -> bytes:
    """Up to so many bytes; without a file object, which takes longer to make than a read."""
    parts = []
    while most > 0 and (part := os.read(descriptor, most)):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _refuse_foreign(head: bytes) -> None:
    """A smaller file wouldn't help where the kind isn't read."""
    name = foreign_picture(head)
    if name:
        raise UnsupportedPicture(not_read(name))


def decode_base64(text: str, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Decode a data URL, or raw base64 in the standard or the URL-safe alphabet.

    White space and missing padding are tolerated.

    Raises
    ------
    InvalidInput : not base64
    PictureTooLarge : over `limits.max_bytes`
    """
    body, encoded = _body(text)
    # Percent escapes take three characters a byte, base64 and line breaks far less.
    if len(body) > 3 * limits.max_bytes + 1000:
        check_bytes(len(body) // 3, limits, at_least=True)
    try:
        raw = body.encode("ascii")
    except UnicodeEncodeError:
        raise InvalidInput(_needed("a character that isn't ASCII")) from None
    if b"%" in raw:
        raw = unquote_to_bytes(raw)
    data = _decoded(raw) if encoded else raw
    check_bytes(len(data), limits)
    return data


def _body(text: str) -> tuple[str, bool]:
    """What follows a data URL's comma and whether it is base64."""
    text = text.strip()
    if text[:5].lower() != "data:":
        return text, True
    head, comma, body = text.partition(",")
    if not comma:
        raise InvalidInput("A data URL is data:image/...;base64,<data>; this one has no comma.")
    return body, head.rstrip().lower().endswith(";base64")


def _decoded(raw: bytes) -> bytes:
    digits = raw.translate(_TO_STANDARD, _WHITESPACE).rstrip(b"=")
    try:
        return base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
    except binascii.Error as error:
        raise InvalidInput(_needed(str(error))) from None


def _needed(came: str) -> str:
    return f"A data URL or base64 of a picture is needed; what came isn't base64 ({came})."
