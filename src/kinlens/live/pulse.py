"""How each device fares, told to the store when it changes and every few seconds."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from kinlens.live.store import LatestStore
from kinlens.live.types import DeviceState, DeviceStatus

EVERY = 5.0
"""Seconds after which a status is told again though nothing has changed."""


@dataclass(slots=True)
class _Beats:
    """What is known of a device since `since`, in monotonic seconds."""

    status: DeviceStatus
    since: float
    count: int = 0
    own_rate: bool = False


class Pulse:
    """Makes statuses of what comes in. Thread-safe.

    Parameters
    ----------
    store : is told
    devices : known at once
    """

    def __init__(self, store: LatestStore, devices: int) -> None:
        self._store = store
        self._bound = devices
        self._lock = threading.Lock()
        self._beats: OrderedDict[str, _Beats] = OrderedDict()

    def beat(self, device: str, fingerprint: str | None) -> None:
        """A sighting came that can be used: the device is online."""
        self._note(device, "online", fingerprint, None)

    def fault(self, device: str, message: str, fingerprint: str | None) -> None:
        """A sighting came that can't be used."""
        self._note(device, "error", fingerprint, message)

    def gone(self, device: str, message: str) -> None:
        """The device is offline, if it is known and wasn't already."""
        with self._lock:
            known = self._beats.get(device)
            if known is None or known.status.state == "offline":
                return
        self._note(device, "offline", None, message)

    def told(self, status: DeviceStatus) -> None:
        """The device has told of itself."""
        with self._lock:
            beats = self._of(status.device, status)
            fault = beats.status.state == "error" and status.state == "online"
            # What its sightings showed says more than that it runs, until a good one comes.
            if not (fault and time.monotonic() - beats.since < EVERY):
                beats.status, beats.since, beats.count = status, time.monotonic(), 0
            beats.own_rate = status.frames_per_second is not None
            told = beats.status
        self._store.set_status(told)

    def _note(
        self, device: str, state: DeviceState, fingerprint: str | None, message: str | None
    ) -> None:
        status = DeviceStatus(device, state, time.time(), None, fingerprint, message)
        with self._lock:
            new = device not in self._beats
            beats = self._of(device, status)
            beats.count += 1
            spent = time.monotonic() - beats.since
            changed = beats.status.state != state or beats.status.message != message
            if not new and not changed and spent < EVERY:
                return
            rate = beats.status.frames_per_second
            if not beats.own_rate and spent >= EVERY:
                rate = round(beats.count / spent, 1)
            status = DeviceStatus(device, state, status.at, rate, fingerprint, message)
            beats.status, beats.since, beats.count = status, time.monotonic(), 0
        self._store.set_status(status)

    def _of(self, device: str, status: DeviceStatus) -> _Beats:
        if device not in self._beats:
            self._beats[device] = _Beats(status, time.monotonic())
            if len(self._beats) > self._bound:
                self._beats.popitem(last=False)
        self._beats.move_to_end(device)
        return self._beats[device]
