"""The newest views, kept by this process."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from kinlens.live.store import Bounds, Event, Watcher, is_late, same_view
from kinlens.live.types import DeviceStatus, View

log = logging.getLogger("kinlens.live")


class _Kept:
    """What is kept of a device."""

    __slots__ = ("heard_at", "seen_at", "status", "views")

    def __init__(self, history: int) -> None:
        self.views: deque[View] = deque(maxlen=history)
        self.status: DeviceStatus | None = None
        self.heard_at = self.seen_at = time.monotonic()

    @property
    def size(self) -> int:
        """Bytes of its pictures."""
        return sum(len(view.picture) for view in self.views if view.picture)


class MemoryStore:
    """The newest views within one process; see `LatestStore`."""

    connected = True
    trouble: str | None = None

    def __init__(self, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._watchers: dict[object, Watcher] = {}
        self._pictures = 0

    def put(self, view: View) -> None:
        """See `LatestStore.put`."""
        with self._lock:
            kept = self._touch(view.device)
            head = kept.views[0] if kept.views else None
            if head is not None and is_late(view, head, time.monotonic() - kept.seen_at):
                return
            self._pictures -= kept.size
            if head is not None and same_view(view, head):
                kept.views[0] = view
            else:
                kept.views.appendleft(view)
            self._pictures += kept.size
            kept.seen_at = time.monotonic()
            while self._pictures > self._bounds.pictures and len(self._kept) > 1:
                self._forget_one()
        self._tell(view)

    def latest(self, device: str) -> View | None:
        """See `LatestStore.latest`."""
        found = self.history(device, 1)
        return found[0] if found else None

    def newest(self) -> View | None:
        """See `LatestStore.newest`."""
        with self._lock:
            self._expire()
            seen = [kept for kept in self._kept.values() if kept.views]
            return max(seen, key=lambda kept: kept.seen_at).views[0] if seen else None

    def history(self, device: str, limit: int) -> list[View]:
        """See `LatestStore.history`."""
        with self._lock:
            self._expire()
            kept = self._kept.get(device)
            return list(kept.views)[: max(0, limit)] if kept else []

    def devices(self) -> list[DeviceStatus]:
        """See `LatestStore.devices`."""
        with self._lock:
            self._expire()
            found = [kept.status for kept in self._kept.values() if kept.status is not None]
        return sorted(found, key=lambda status: status.device)

    def set_status(self, status: DeviceStatus) -> None:
        """See `LatestStore.set_status`."""
        with self._lock:
            self._touch(status.device).status = status
        self._tell(status)

    def watch(self, callback: Watcher) -> Callable[[], None]:
        """See `LatestStore.watch`."""
        token = object()
        with self._lock:
            self._watchers[token] = callback

        def end() -> None:
            with self._lock:
                self._watchers.pop(token, None)

        return end

    def close(self) -> None:
        """See `LatestStore.close`."""
        with self._lock:
            self._watchers.clear()

    def _touch(self, device: str) -> _Kept:
        self._expire()
        if device not in self._kept:
            self._kept[device] = _Kept(self._bounds.history)
        self._kept.move_to_end(device)
        if len(self._kept) > self._bounds.devices:
            self._forget_one()
        kept = self._kept[device]
        kept.heard_at = time.monotonic()
        return kept

    def _expire(self) -> None:
        horizon = time.monotonic() - self._bounds.expiry
        while self._kept and next(iter(self._kept.values())).heard_at < horizon:
            self._forget_one()

    def _forget_one(self) -> None:
        """The device not heard of for the longest goes."""
        _, gone = self._kept.popitem(last=False)
        self._pictures -= gone.size

    def _tell(self, event: Event) -> None:
        with self._lock:
            watchers = list(self._watchers.values())
        for watcher in watchers:
            try:
                watcher(event)
            except Exception:  # a page that fails must not keep the others from seeing
                log.exception("Someone who watches the live views failed")
