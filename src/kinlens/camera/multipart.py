"""Parts of a multipart/x-mixed-replace stream, as cheap cameras send it, within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email.message import Message

from kinlens.errors import FetchError, PictureTooLarge

MAX_HEAD = 8192
"""Bytes of a part's header lines at most."""

_BLANK_LINES = (b"\r\n\r\n", b"\n\n")


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type names, without dashes before it.

    Many cameras name it with the two dashes that only the stream should have.

    Raises
    ------
    FetchError : it names none
    """
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_param("boundary")
    name = boundary.strip().lstrip("-") if isinstance(boundary, str) else ""
    if not name or len(name) > 200 or not name.isascii():
        raise FetchError(
            f"A stream of pictures names the boundary between them; this one says "
            f"{content_type!r:.80}."
        )
    return name.encode("ascii")


class PartReader:
    """Reads a stream part by part, holding one part and one read at most.

    Parameters
    ----------
    read : gives some bytes as they come; b"" at the end
    boundary : see `boundary_of`
    max_bytes : of a part, and of what lies between parts
    """

    def __init__(self, read: Callable[[], bytes], boundary: bytes, max_bytes: int) -> None:
        self._read = read
        self._delimiter = b"--" + boundary
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def parts(self) -> Iterator[bytes]:
        """The body of each part, in turn, until the stream ends.

        Raises
        ------
        PictureTooLarge : a part over the limit
        FetchError : the stream isn't what it should be
        """
        while self._skip_delimiter():
            head = self._head()
            if head is None:
                return
            length = _length(head)
            body = self._counted(length) if length is not None else self._delimited()
            if body is None:
                return
            if body:
                yield body

    def _skip_delimiter(self) -> bool:
        """Drop everything up to and with the next delimiter; False at the end of the stream."""
        dropped = 0
        while (at := self._buffer.find(self._delimiter)) < 0:
            surplus = max(0, len(self._buffer) - len(self._delimiter))
            dropped += surplus
            del self._buffer[:surplus]
            if dropped > self._max_bytes:
                raise FetchError(
                    f"The stream has {dropped:,} bytes without the boundary that it names."
                )
            if not self._more():
                return False
        del self._buffer[: at + len(self._delimiter)]
        while len(self._buffer) < 2 and self._more():
            pass
        return not self._buffer.startswith(b"--")

    def _head(self) -> bytes | None:
        """Header lines, empty if there are none; None at the end of the stream."""
        while True:
            # A part without header lines has a blank one at once.
            ends = [(self._buffer.find(blank), len(blank)) for blank in _BLANK_LINES]
            found = [(at, size) for at, size in ends if at >= 0]
            at, size = min(found, default=(MAX_HEAD, 0))
            if at < MAX_HEAD:
                head = bytes(self._buffer[:at])
                del self._buffer[: at + size]
                return head
            if len(self._buffer) >= MAX_HEAD:
                raise FetchError(f"A part of the stream has more than {MAX_HEAD} bytes of headers.")
            if not self._more():
                return None

    def _counted(self, length: int) -> bytes | None:
        self._check(length)
        while len(self._buffer) < length:
            if not self._more():
                return None
        return self._taken(length)

    def _delimited(self) -> bytes | None:
        searched = 0
        while (at := self._buffer.find(self._delimiter, searched)) < 0:
            searched = max(0, len(self._buffer) - len(self._delimiter))
            self._check(searched)
            if not self._more():
                return None
        self._check(at)
        # The line break belongs to the delimiter; no picture ends in one, or in a dash.
        return self._taken(at).rstrip(b"\r\n-")

    def _taken(self, length: int) -> bytes:
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise PictureTooLarge(
                f"A picture may have at most {self._max_bytes:,} bytes (max_bytes); the stream "
                f"sends one of {size:,} or more."
            )

    def _more(self) -> bool:
        chunk = self._read()
        self._buffer += chunk
        return bool(chunk)


def _length(head: bytes) -> int | None:
    for line in head.splitlines():
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value.strip()[:18])
    return None
