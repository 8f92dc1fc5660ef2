"""What a frame costs on this machine: tells how many a second it can do."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from PIL import Image

from kinlens.camera.base import Frame
from kinlens.camera.eye import Eye
from kinlens.camera.film import to_jpeg
from kinlens.live.types import Sighting
from kinlens.live.wire import pack

WARM_UP = 5
SENSOR_NOISE = 4.0
"""Levels; without noise a JPEG decodes faster than any camera's."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over some frames.

    Parameters
    ----------
    frames : measured
    width, height : of the first, in pixels
    decode, encode, picture, pack : milliseconds of each step
    total : milliseconds of all
    cpu : milliseconds of processor time of all threads
    bytes : of a packed sighting
    """

    frames: int
    width: int
    height: int
    decode: float
    encode: float
    picture: float
    pack: float
    total: float
    cpu: float
    bytes: int

    @property
    def frames_per_second(self) -> float:
        """How many frames a second this machine can do, one after another."""
        return 1000 / self.total


def measure(eye: Eye, frames: Iterable[Frame], count: int = 100) -> Figures:
    """Do with frames what a device does, but for publishing them.

    Parameters
    ----------
    eye : as the device has it
    frames : at least one more than `WARM_UP`
    count : how many to measure at most
    """
    rows = []
    size = (0, 0)
    for number, frame in enumerate(islice(frames, count + WARM_UP)):
        start, cpu = time.perf_counter(), time.process_time()
        glance = eye.glance(frame)
        look = eye.look(glance, time.monotonic())
        packing = time.perf_counter()
        fingerprint = eye.encoder.identity.fingerprint
        sighting = Sighting("measure", number, frame.at, fingerprint, look.vector, look.picture)
        payload = pack(sighting, "0" * 64)
        end = time.perf_counter()
        size = (glance.width, glance.height)
        took = glance.took
        rows.append((
            took.decode, took.encode, took.picture, (end - packing) * 1000,
            (end - start) * 1000, (time.process_time() - cpu) * 1000, len(payload),
        ))  # fmt: skip
    measured = rows[WARM_UP:] or rows
    decode, encode, picture, pack_, total, cpu, size_ = (
        statistics.median(column) for column in zip(*measured, strict=True)
    )
    return Figures(len(measured), *size, decode, encode, picture, pack_, total, cpu, round(size_))


def made_frames(width: int = 640, height: int = 480, kinds: int = 8) -> Iterable[Frame]:
    """JPEG frames without end, with about as much in them as a camera's."""
    rng = np.random.default_rng(0)
    jpegs = []
    for _ in range(kinds):
        coarse = rng.integers(0, 256, (height // 32 + 1, width // 32 + 1, 3), np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((width, height)), np.float32)
        noisy = smooth + rng.normal(0, SENSOR_NOISE, smooth.shape)
        jpegs.append(to_jpeg(np.clip(noisy, 0, 255).astype(np.uint8)))
    number = 0
    while True:
        yield Frame(jpegs[number % kinds])
        number += 1
