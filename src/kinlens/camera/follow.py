"""Following the largest thing that moves: what differs from a background that is learned."""

from __future__ import annotations

import math

import numpy as np

from kinlens.camera.blobs import Blob, Mask, largest_blob
from kinlens.camera.small import HEIGHT, WIDTH, Gray, difference
from kinlens.types import Crop

MOVED = 16.0
"""Gray levels beyond which a part isn't background."""

SMALLEST, LARGEST = 0.01, 0.7
"""Share of the picture that a thing has; less is noise, more is another place or another light,
of which the background is learned anew."""

MARGIN = 0.12
"""Of the thing's size, left around it on each side."""

SMOOTHING = 0.15
"""Seconds in which the box goes most of the way to where the thing is."""

HOLD = 2.0
"""Seconds for which the box stays when the thing isn't seen."""

LEARN_STILL, LEARN_MOVED = 2.0, 15.0
"""Seconds in which the background takes on what it sees, where nothing and something moves."""

Box = tuple[float, float, float, float]


class Follower:
    """Gives the box of the largest moving thing, smoothed; None while nothing moves.

    A thing that is put down and stays becomes background after a while.
    """

    def __init__(self) -> None:
        self._background: Gray | None = None
        self._box: Box | None = None
        self._seen_at = -math.inf
        self._at = 0.0

    def box(self, small: Gray, now: float) -> Crop | None:
        """Where to look.

        Parameters
        ----------
        small : see `small_gray`; frames come in order
        now : monotonic seconds
        """
        passed, self._at = max(0.0, now - self._at), now
        if self._background is None:
            self._background = small.copy()
            return None
        mask = _grown(difference(small, self._background) > MOVED)
        if mask.mean() > LARGEST:
            self._background, self._box = small.copy(), None
            return None
        self._learn(small, mask, passed)
        blob = largest_blob(mask)
        if blob is not None and blob.area >= SMALLEST * mask.size:
            self._box = _toward(self._box, _framed(blob), passed)
            self._seen_at = now
        elif now - self._seen_at > HOLD:
            self._box = None
        return _crop(self._box) if self._box else None

    def _learn(self, small: Gray, mask: Mask, passed: float) -> None:
        background = self._background
        assert background is not None  # noqa: S101
        still, moved = (1 - math.exp(-passed / each) for each in (LEARN_STILL, LEARN_MOVED))
        background += (small - background) * np.where(mask, moved, still).astype(np.float32)


def _grown(mask: Mask) -> Mask:
    """The mask grown by a pixel, so that the parts of one thing touch."""
    padded = np.pad(mask, 1)
    grown = padded[:-2] | padded[1:-1] | padded[2:]
    return np.asarray(grown[:, :-2] | grown[:, 1:-1] | grown[:, 2:])


def _framed(blob: Blob) -> Box:
    """The box of a blob with a margin, in fractions of the picture."""
    wide, high = (blob.right - blob.left) * MARGIN, (blob.bottom - blob.top) * MARGIN
    return (
        max(0.0, (blob.left - wide) / WIDTH),
        max(0.0, (blob.top - high) / HEIGHT),
        min(1.0, (blob.right + wide) / WIDTH),
        min(1.0, (blob.bottom + high) / HEIGHT),
    )


def _toward(box: Box | None, target: Box, passed: float) -> Box:
    if box is None or not _overlap(box, target):
        return target  # another thing: gliding there would show what lies between
    share = 1 - math.exp(-passed / SMOOTHING)
    left, top, right, bottom = (
        old + (new - old) * share for old, new in zip(box, target, strict=True)
    )
    return left, top, right, bottom


def _overlap(first: Box, second: Box) -> bool:
    return (
        first[0] < second[2]
        and second[0] < first[2]
        and first[1] < second[3]
        and second[1] < first[3]
    )


def _crop(box: Box) -> Crop:
    left, top, right, bottom = box
    return Crop(left, top, right - left, bottom - top)
