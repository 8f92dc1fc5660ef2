"""A recorded walk past a shelf: what a camera held in a hand would see, the same each time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from kinlens.camera.base import Frame
from kinlens.camera.shelf import HEIGHT, PITCH, Shelf
from kinlens.types import Crop, Pixels

AIM = Crop(0.19, 0.1, 0.62, 0.8)
"""The part of a frame where the thing is at which the camera pauses."""

EYE_LEVEL = 326.0
"""Row of the shelf on which the camera looks."""

SHUTTER = 1 / 60
"""Seconds for which a frame is exposed: what moves meanwhile is blurred."""

GRAIN = 3.0
"""Standard deviation of a sensor's noise, in levels."""

_SHIFTS = 8


@dataclass(frozen=True, slots=True)
class Shot:
    """What a frame shows, known beforehand.

    Parameters
    ----------
    number : of the frame
    at : seconds since the walk began
    item : id of the thing nearest to the middle
    pausing : whether the camera has stopped before it
    column : of the shelf, where the camera looks
    speed : columns a second
    """

    number: int
    at: float
    item: str
    pausing: bool
    column: float
    speed: float


class Walk:
    """Frames of a camera that goes along a shelf and pauses before each thing, for ever.

    Each frame depends on its number alone.

    Parameters
    ----------
    shelf : see `build_shelf`
    seed : of the hand's unrest, the light and the noise
    fps : frames a second
    size : width and height of a frame, in pixels
    stride, pause : seconds from one thing to the next, and before each
    """

    def __init__(
        self,
        shelf: Shelf,
        seed: int = 0,
        *,
        fps: float = 15.0,
        size: tuple[int, int] = (640, 480),
        stride: float = 1.2,
        pause: float = 1.6,
    ) -> None:
        self.shelf = shelf
        self.fps = fps
        self.size = size
        self._stride, self._pause = stride, pause
        rng = np.random.default_rng((13, seed))
        self._phases = rng.uniform(0, 2 * math.pi, 32).tolist()
        self._grain = _grain(size, rng)

    @property
    def count(self) -> int:
        """Frames until the camera is back at the first thing."""
        return round(len(self.shelf.ids) * (self._stride + self._pause) * self.fps)

    def shot(self, number: int) -> Shot:
        """What a frame shows."""
        at = number / self.fps
        place, within = divmod(at, self._stride + self._pause)
        moving = max(0.0, within - self._pause) / self._stride
        column = (place + 0.5 + _eased(moving)) * PITCH
        speed = _eased_speed(moving) * PITCH / self._stride if moving else 0.0
        nearest = int(column / PITCH) % len(self.shelf.ids)
        return Shot(number, at, self.shelf.ids[nearest], moving == 0, column, speed)

    def frame(self, number: int) -> Pixels:
        """One frame, uint8 (height, width, 3)."""
        shot = self.shot(number)
        width, height = self.size
        blur = abs(shot.speed) * SHUTTER / 2
        # What is blurred needs fewer columns, and takes half the time.
        drawn = width // 2 if blur > 2 else width
        image = self.shelf.picture.transform(
            (drawn, height), Image.Transform.QUAD, self._corners(shot), Image.Resampling.BILINEAR
        )
        if drawn < width:
            image = image.filter(ImageFilter.BoxBlur((blur / 2, 0)))
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.array(image.point(self._light(shot.at)))
        return self._noisy(pixels, number)

    def _corners(self, shot: Shot) -> tuple[float, ...]:
        """Where the frame's corners lie on the shelf: top left, bottom left, and on."""
        at = shot.at
        unrest = 1.0 + min(1.0, abs(shot.speed) / 300)
        x = shot.column % self.shelf.length + self.shelf.margin + 5 * unrest * self._sway(at, 0)
        y = EYE_LEVEL + 6 * unrest * self._sway(at, 4)
        zoom = 1.0 + 0.03 * self._sway(at / 2, 8) + 0.05 * min(1.0, abs(shot.speed) / 400)
        turn = math.radians(0.7) * self._sway(at, 12)
        lean = 0.05 * math.tanh(shot.speed / 400) + 0.012 * self._sway(at / 2, 16)
        half_width, half_height = zoom * self.size[0] / 2, zoom * self.size[1] / 2
        room = HEIGHT - 2.0
        corners: list[float] = []
        for side, level in ((-1, -1), (-1, 1), (1, 1), (1, -1)):
            across = side * half_width
            down = level * half_height * (1 + side * lean)
            corners.append(x + across * math.cos(turn) - down * math.sin(turn))
            corners.append(min(max(y + across * math.sin(turn) + down * math.cos(turn), 1.0), room))
        return tuple(corners)

    def _sway(self, at: float, first: int) -> float:
        """A hand's unrest at a time: slow and fast sines that never meet again, within -1 to 1."""
        speeds, shares = (0.31, 0.83, 2.1, 4.7), (0.4, 0.3, 0.2, 0.1)
        return sum(
            share * math.sin(2 * math.pi * speed * at + self._phases[first + n])
            for n, (speed, share) in enumerate(zip(speeds, shares, strict=True))
        )

    def _light(self, at: float) -> list[int]:
        """Exposure and white balance as they drift: a table of 256 levels for each channel."""
        exposure = 1 + 0.10 * self._sway(at / 4, 20)
        warmth = 0.035 * self._sway(at / 6, 24)
        levels = np.arange(256)
        gains = (exposure * (1 + warmth), exposure, exposure * (1 - warmth))
        return [int(level) for gain in gains for level in np.clip(levels * gain, 0, 255)]

    def _noisy(self, pixels: Pixels, number: int) -> Pixels:
        rng = np.random.default_rng((17, number))
        top, left = rng.integers(0, _SHIFTS * 8, 2)
        height, width = pixels.shape[:2]
        grain = self._grain[top : top + height, left : left + width]
        noisy = pixels.astype(np.int16)
        noisy += grain
        np.clip(noisy, 0, 255, out=noisy)
        return noisy.astype(np.uint8)


class WalkFrames:
    """A walk as a camera.

    Parameters
    ----------
    walk : its frames' names are their numbers
    frames : how many; None for no end
    """

    def __init__(self, walk: Walk, frames: int | None = None) -> None:
        self.walk = walk
        self.name = "the recorded walk"
        self.endless = frames is None
        self._count = frames
        self._closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`."""
        start, number = time.monotonic(), 0
        while self._count is None or number < self._count:
            frame = self.walk.frame(number)
            wait = start + number / self.walk.fps - time.monotonic()
            if self._closed.wait(max(0.0, wait)):
                return
            yield Frame(frame, name=str(number))
            # A machine that is too slow leaves frames out rather than falling behind.
            number = max(number + 1, int((time.monotonic() - start) * self.walk.fps))

    def close(self) -> None:
        """See `Source.close`."""
        self._closed.set()


def _eased(share: float) -> float:
    """From 0 to 1 with a gentle start and stop."""
    return share * share * share * (share * (6 * share - 15) + 10)


def _eased_speed(share: float) -> float:
    return 30 * share * share * (share * (share - 2) + 1)


def _grain(size: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.int16]:
    shape = (size[1] + _SHIFTS * 8, size[0] + _SHIFTS * 8, 3)
    brightness = rng.normal(0, GRAIN, (*shape[:2], 1))
    return np.rint(brightness + rng.normal(0, GRAIN / 2, shape)).astype(np.int16)
