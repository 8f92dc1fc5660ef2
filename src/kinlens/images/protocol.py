"""What a guarded decoder process and its parent say to each other.

Each message is two lengths (`HEAD`), JSON, then raw bytes. Nothing is unpickled: a worker that a
hostile picture has taken over can send wrong pixels, but not code.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from kinlens.errors import BrokenPicture, PictureError, PictureTooLarge, UnsupportedPicture
from kinlens.types import Crop

HEAD = struct.Struct(">IQ")
READY = b"R"
MAX_JSON = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """What to make of the bytes that follow.

    Parameters
    ----------
    kind : as `picture_format` names it
    max_pixels : largest picture, width x height
    timeout : seconds
    min_side, crop : as for `PictureLoader.load`
    """

    kind: str
    max_pixels: int
    timeout: float
    min_side: int | None = None
    crop: Crop | None = None

    def to_json(self) -> bytes:
        """Inverse of `from_json`."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Request:
        """Inverse of `to_json`."""
        values = json.loads(text)
        crop = values.pop("crop")
        return cls(**values, crop=Crop(**crop) if crop else None)


@dataclass(frozen=True, slots=True)
class Decoded:
    """RGB bytes, width x height, and the size of the whole upright original."""

    width: int
    height: int
    original_width: int
    original_height: int
    pixels: bytes


class Decode(Protocol):
    """What a worker runs; raises a `PictureError`."""

    def __call__(self, request: Request, data: bytes) -> Decoded:
        """Decode one picture."""


class Stream(Protocol):
    """A raw pipe."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read at most what fits; 0 at the end."""

    def write(self, data: memoryview, /) -> int | None:
        """Write at least a part; how much."""

    def close(self) -> None:
        """Let go of it."""


def send(stream: Stream, header: bytes, payload: bytes) -> None:
    """Write one message."""
    for part in (HEAD.pack(len(header), len(payload)) + header, payload):
        rest = memoryview(part)
        while rest:
            rest = rest[stream.write(rest) or 0 :]


def fill(stream: Stream, buffer: memoryview) -> None:
    """Read until the buffer is full.

    Raises
    ------
    EOFError : the other side is gone
    """
    while buffer:
        count = stream.readinto(buffer)
        if not count:
            raise EOFError("the pipe was closed")
        buffer = buffer[count:]


def take(stream: Stream, count: int) -> bytearray:
    """Read exactly `count` bytes."""
    buffer = bytearray(count)
    fill(stream, memoryview(buffer))
    return buffer


def answer_of(decoded: Decoded) -> bytes:
    """The JSON that goes before the pixels."""
    size = (decoded.width, decoded.height)
    return json.dumps(
        {"size": size, "original": (decoded.original_width, decoded.original_height)}
    ).encode()


def refusal_of(error: PictureError) -> bytes:
    """The JSON of an error."""
    return json.dumps({"error": type(error).__name__, "message": str(error)[:2000]}).encode()


def error_of(answer: dict[str, Any]) -> PictureError:
    """Inverse of `refusal_of`."""
    kind = _ERRORS.get(answer["error"], BrokenPicture)
    return kind(str(answer.get("message", "")))


_ERRORS = {kind.__name__: kind for kind in (BrokenPicture, PictureTooLarge, UnsupportedPicture)}
