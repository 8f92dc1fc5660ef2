"""Which frames are worth a look: those that differ, and now and then one that doesn't."""

from __future__ import annotations

import numpy as np

from kinlens.camera.small import Gray, difference

NOISE = 12.0
"""Gray levels that a small picture of a still scene stays within."""


class ChangeGate:
    """Compares each frame with the last that passed, so that slow changes add up.

    Parameters
    ----------
    share : of the picture that has to change, 0 to 1; 0 lets every frame pass
    heartbeat : seconds after which a frame passes although nothing has changed
    """

    def __init__(self, share: float = 0.01, heartbeat: float = 2.0) -> None:
        self._share = share
        self._heartbeat = heartbeat
        self._last: tuple[Gray, float] | None = None

    def is_due(self, small: Gray, now: float) -> bool:
        """Whether a frame should pass.

        Parameters
        ----------
        small : see `small_gray`
        now : monotonic seconds
        """
        if self._last is None or self._share == 0 or now - self._last[1] >= self._heartbeat:
            return True
        return change(self._last[0], small) >= self._share

    def passed(self, small: Gray, now: float) -> None:
        """Remember the frame that went through."""
        self._last = (small, now)


def change(first: Gray, second: Gray) -> float:
    """Share of the picture that differs by more than noise."""
    return float(np.mean(difference(first, second) > NOISE))
