"""Unix time for expiries that a clock which is set back or forward neither ends nor prolongs."""

from __future__ import annotations

import math
import time

STEP = 2.0
"""Seconds by which the system's clock and the monotonic one must part to count as set."""


class SteadyClock:
    """The system's clock, and for a while after it was set also the one that it was before.

    What was given out by the earlier clock ends when it was to end. What is given out later goes by
    the clock that other processes, and this one after a restart, see as well.

    Parameters
    ----------
    keep : seconds for which an earlier clock goes on
    """

    def __init__(self, keep: float) -> None:
        self._keep = keep
        # Offsets to the monotonic clock, newest first, and the monotonic time when each ends.
        self._offsets: tuple[tuple[float, float], ...] = (
            (time.time() - time.monotonic(), math.inf),
        )

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.times()[0]

    def times(self) -> list[float]:
        """The same by each clock that still goes, the system's own first."""
        monotonic = time.monotonic()
        offset = time.time() - monotonic
        known = self._offsets
        if abs(offset - known[0][0]) > STEP:
            ends = monotonic + self._keep
            known = ((offset, math.inf), *((one, min(end, ends)) for one, end in known))
        known = tuple(entry for entry in known if entry[1] > monotonic)
        self._offsets = known
        return [one + monotonic for one, _ in known]
