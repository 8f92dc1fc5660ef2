"""How much each device may send, and how many devices there may be."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

NEW_DEVICES = 20.0
"""Devices not heard of before that are let in a second, after a burst of as many as there may be:
a flood of invented ids drives out those that are in use only slowly, so that they are heard again
before their turn comes."""


@dataclass(slots=True)
class Bucket:
    """Tokens that come back at a rate up to a burst.

    Parameters
    ----------
    rate : tokens a second
    burst : at most
    left : now
    at : monotonic seconds, when `left` held
    """

    rate: float
    burst: float
    left: float
    at: float

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Admission:
    """Lets devices in at their rate, and no more of them than are bounded. Thread-safe.

    Parameters
    ----------
    rate : messages a second that a device may send; twice as many in a burst
    devices : that are known at once; beyond it the one not heard of for the longest is forgotten
    """

    def __init__(self, rate: float, devices: int) -> None:
        self._rate = rate
        self._devices = devices
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._new = Bucket(NEW_DEVICES, devices, devices, time.monotonic())

    def admit(self, device: str) -> bool:
        """Whether a device may send one more message now."""
        now = time.monotonic()
        with self._lock:
            bucket = self._buckets.get(device)
            if bucket is None:
                if not self._new.take(now):
                    return False
                burst = max(1.0, 2 * self._rate)
                bucket = self._buckets[device] = Bucket(self._rate, burst, burst, now)
                if len(self._buckets) > self._devices:
                    self._buckets.popitem(last=False)
            self._buckets.move_to_end(device)
            return bucket.take(now)
