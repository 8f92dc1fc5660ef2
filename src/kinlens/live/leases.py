"""Which devices have promised to be heard again soon, and what happens when they aren't."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Lease:
    """Seconds for which a device may be silent, and the monotonic time when they are over."""

    within: float
    until: float


class Leases:
    """Calls back when a device isn't heard of within the time that it promised. Thread-safe.

    Parameters
    ----------
    lapsed : called with the device and its seconds, in a thread of this object; False if the device
        was heard of elsewhere, so that it gets as much time again
    devices : that are known at once; beyond it the one not heard of for the longest is forgotten
    """

    def __init__(self, lapsed: Callable[[str, float], bool], devices: int) -> None:
        self._lapsed = lapsed
        self._bound = devices
        self._leases: OrderedDict[str, _Lease] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def renew(self, device: str, within: float) -> None:
        """A device was heard of, and will be again within so many seconds."""
        with self._changed:
            self._leases[device] = _Lease(within, time.monotonic() + within)
            self._leases.move_to_end(device)
            if len(self._leases) > self._bound:
                self._leases.popitem(last=False)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._watch, name="kinlens-leases", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        """Call back no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while (due := self._next()) is not None:
            for device, within in due:
                if not self._lapsed(device, within):
                    self.renew(device, within)

    def _next(self) -> list[tuple[str, float]] | None:
        """The devices that have been silent for too long, once there are any; None when closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                due = [name for name, lease in self._leases.items() if lease.until <= now]
                if due:
                    return [(name, self._leases.pop(name).within) for name in due]
                first = min((lease.until for lease in self._leases.values()), default=None)
                self._changed.wait(None if first is None else first - now)
            return None
