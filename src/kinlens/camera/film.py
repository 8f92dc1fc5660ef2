"""A walk as files: frames, and films that a browser takes for a camera."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

from kinlens.errors import SourceError
from kinlens.types import Pixels

QUALITY = 88


def to_jpeg(pixels: Pixels, quality: int = QUALITY) -> bytes:
    """Encode uint8 (height, width, 3)."""
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels), quality=quality, colorsubsampling="420"
    )
    return encoded


def write_frames(frames: Iterable[Pixels], folder: Path) -> list[Path]:
    """Write frames as 00000.jpg and on into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, pixels in enumerate(frames):
        path = folder / f"{number:05d}.jpg"
        path.write_bytes(to_jpeg(pixels))
        paths.append(path)
    return paths


def write_mjpeg(frames: Iterable[Pixels], path: Path) -> None:
    """Write frames as one JPEG after another."""
    with path.open("wb") as file:
        for pixels in frames:
            file.write(to_jpeg(pixels))


def write_y4m(frames: Iterable[Pixels], path: Path, fps: float = 15.0) -> None:
    """Write frames as YUV4MPEG2, 4:2:0, for Chromium's --use-file-for-fake-video-capture.

    Raises
    ------
    SourceError : frames of odd width or height
    """
    rate = Fraction(fps).limit_denominator(1001)
    with path.open("wb") as file:
        for number, pixels in enumerate(frames):
            height, width = pixels.shape[:2]
            if height % 2 or width % 2:
                raise SourceError(
                    f"A y4m film has frames of even width and height; got {width} x {height}."
                )
            if number == 0:
                head = f"YUV4MPEG2 W{width} H{height} F{rate.numerator}:{rate.denominator}"
                file.write(f"{head} Ip A1:1 C420mpeg2\n".encode("ascii"))
            file.write(b"FRAME\n")
            for plane in _planes(pixels):
                file.write(plane.tobytes())


def _planes(pixels: Pixels) -> tuple[Image.Image, ...]:
    """Y, and Cb and Cr of half the size, in the ranges of television (BT.601)."""
    y, cb, cr = Image.fromarray(pixels).convert("YCbCr").split()
    levels = np.arange(256)
    light = np.rint(16 + levels * 219 / 255).astype(int).tolist()
    color = np.rint(128 + (levels - 128) * 224 / 255).astype(int).tolist()
    return y.point(light), cb.reduce(2).point(color), cr.reduce(2).point(color)
