"""Which devices are shown as refused: who forgot a key is told, and who lies shows nothing."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

TRUST = 60.0
"""Seconds since a device last signed for which what is sent in its name by others isn't shown."""

MOST = 16
"""Devices that never signed, shown at once at most: anyone can invent them."""

FORGET = 600.0
"""Seconds after which the place of one of these is free again."""


class Refusals:
    """Decides whether a refusal is shown in the state of a device. Thread-safe.

    Parameters
    ----------
    devices : that signed lately and are known at once
    """

    def __init__(self, devices: int) -> None:
        self._bound = devices
        self._lock = threading.Lock()
        self._signed: OrderedDict[str, float] = OrderedDict()
        self._strangers: OrderedDict[str, float] = OrderedDict()

    def signed(self, device: str) -> None:
        """Something came that a device has signed."""
        with self._lock:
            self._strangers.pop(device, None)
            self._signed[device] = time.monotonic()
            self._signed.move_to_end(device)
            if len(self._signed) > self._bound:
                self._signed.popitem(last=False)

    def is_shown(self, device: str) -> bool:
        """Whether it is shown that something was refused which came in the name of a device."""
        now = time.monotonic()
        with self._lock:
            if (last := self._signed.get(device)) is not None:
                return now - last > TRUST
            while self._strangers and now - next(iter(self._strangers.values())) > FORGET:
                self._strangers.popitem(last=False)
            if device not in self._strangers and len(self._strangers) < MOST:
                self._strangers[device] = now
            return device in self._strangers
