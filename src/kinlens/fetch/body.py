"""Reading an answer's body: the right kind, whole, and within the byte limit."""

from __future__ import annotations

import http.client
import zlib

from kinlens.errors import FetchError, PictureTooLarge, UnsupportedPicture
from kinlens.fetch.target import Target

_CHUNK = 65536
_READ = ("gzip", "x-gzip", "deflate")
_NOT_READ = ("br", "zstd", "compress", "x-compress", "dcb", "dcz")
_NOT_PICTURES = ("text/", "video/", "audio/", "font/", "multipart/")
_NOT_PICTURE_WORDS = ("html", "xml", "svg", "json", "pdf", "javascript")


def check_kind(answer: http.client.HTTPResponse, target: Target) -> None:
    """Refuse what says that it isn't a picture; what says nothing is looked at by the loader.

    Raises
    ------
    UnsupportedPicture : a web page, text, drawing, film or document
    """
    kind = answer.headers.get_content_type() if "Content-Type" in answer.headers else ""
    if kind.startswith(_NOT_PICTURES) or any(word in kind for word in _NOT_PICTURE_WORDS):
        raise UnsupportedPicture(
            f"{target.shown} gives {kind:.60}, not a picture; use the picture's own URL."
        )


def read_body(answer: http.client.HTTPResponse, target: Target, max_bytes: int) -> bytes:
    """Read all of a body, decompressed if it is compressed although it wasn't asked to be.

    Raises
    ------
    PictureTooLarge : it is, or says that it is, over `max_bytes`
    FetchError : it ends early, is empty, or is compressed in a way that isn't read
    """
    if answer.length is not None and answer.length > max_bytes:
        raise _too_large(target, max_bytes, f"{answer.length:,}")
    expected = answer.length
    decoder = _decoder(answer, target)
    body, received = bytearray(), 0
    while chunk := answer.read(_CHUNK):
        received += len(chunk)
        body += chunk if decoder is None else decoder.decompress(chunk, max_bytes + 1 - len(body))
        if max(len(body), received) > max_bytes:
            raise _too_large(target, max_bytes, f"more than {max_bytes:,}")
    if (expected is not None and received < expected) or (decoder and not decoder.eof):
        raise FetchError(
            f"{target.shown} broke off after {received:,} bytes"
            f"{f' of {expected:,}' if expected else ''}; try again."
        )
    if not body:
        raise FetchError(f"{target.shown} gave an empty answer; check the URL.")
    return bytes(body)


def _decoder(answer: http.client.HTTPResponse, target: Target) -> zlib._Decompress | None:
    """What decodes a body; as in browsers, a value that is no coding, such as a charset, is none.

    Raises
    ------
    FetchError : a coding that isn't read, or several
    """
    lines = ",".join(answer.headers.get_all("Content-Encoding", []))
    named = [name.strip().lower() for name in lines.split(",")]
    codings = [name for name in named if name in _READ or name in _NOT_READ]
    if len(codings) == 1 and codings[0] in _READ:
        return _zlib_decoder(answer, codings[0])
    if not codings:
        return None
    raise FetchError(
        f"{target.shown} is sent as {', '.join(codings):.40}, which wasn't asked for and isn't "
        "read. Have the server send the picture as it is, or as gzip."
    )


def _zlib_decoder(answer: http.client.HTTPResponse, coding: str) -> zlib._Decompress:
    """For gzip and zlib, and for "deflate" also the bare stream that some servers send."""
    head = answer.peek(2)[:2] if coding == "deflate" else b""
    is_bare = len(head) == 2 and (head[0] & 15 != 8 or int.from_bytes(head) % 31)
    return zlib.decompressobj(-zlib.MAX_WBITS if is_bare else zlib.MAX_WBITS | 32)


def _too_large(target: Target, max_bytes: int, came: str) -> PictureTooLarge:
    return PictureTooLarge(
        f"A picture may have at most {max_bytes:,} bytes (max_bytes); {target.shown} has {came}. "
        "Use a smaller file or raise the limit."
    )
