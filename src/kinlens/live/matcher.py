"""Looks up what devices see: the newest of each, many devices in one pass over the matrix."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kinlens.config import DeviceSettings, Settings
from kinlens.errors import KinlensError
from kinlens.live.counters import Counters
from kinlens.live.rehearsal import rehearse
from kinlens.live.slots import Slots
from kinlens.live.store import RESTART, LatestStore
from kinlens.live.types import Sighting, View
from kinlens.search import Search
from kinlens.types import Hit, Match, Vectors

log = logging.getLogger("kinlens.live")

BATCH = 32
"""Looked up in one pass at most: what comes meanwhile waits for all of it."""

SAME = 0.999
"""Cosine similarity from which on two sightings of a device show the same."""

LOOK_AGAIN = 5.0
"""Seconds after which the same view is looked up once more: the catalog may have changed."""

PAST_SESSIONS = 8


@dataclass(slots=True)
class _Device:
    """What is known of a device: how far its sequences got, and what was matched last.

    session, sequence : of the last sighting that was of a session
    unnumbered, heard_at : sequence of the last that was of none, and when it came
    past : sessions that are over
    """

    session: int = 0
    sequence: int = -1
    unnumbered: int = -1
    heard_at: float = -math.inf
    past: deque[int] = field(default_factory=lambda: deque(maxlen=PAST_SESSIONS))
    vector: Vectors | None = None
    view: View | None = None
    matched_at: float = 0.0

    def follows(self, sighting: Sighting, now: float) -> bool:
        """Whether a sighting is newer than all before; notes it if so."""
        session, sequence = sighting.session, sighting.sequence
        if session == 0:
            # Beside the others: a frame that someone sends by hand must not end a device's session.
            if sequence <= self.unnumbered and now - self.heard_at < RESTART:
                return False
            self.unnumbered, self.heard_at = sequence, now
            return True
        if session in self.past or (session == self.session and sequence <= self.sequence):
            return False
        if session != self.session:
            self.past.append(self.session)
        self.session, self.sequence = session, sequence
        return True


class Matcher:
    """Matches the newest sighting of each device and hands the views to the store.

    It never falls behind: of each device only the newest sighting waits, and one that has waited
    for too long is dropped. A thread of its own does the work.

    Parameters
    ----------
    search : whose catalog is looked up
    store : takes the views
    settings_of : k, filter and metric of a device; None for the defaults
    max_age : seconds between arrival and match at most
    devices : that are known at once; beyond it the one not heard of for the longest is forgotten
    same : cosine similarity from which on two sightings of a device show the same
    counters : of what became of sightings
    """

    def __init__(
        self,
        search: Search,
        store: LatestStore,
        *,
        settings_of: Callable[[str], DeviceSettings] | None = None,
        max_age: float = 1.0,
        devices: int = 512,
        same: float = SAME,
        counters: Counters | None = None,
    ) -> None:
        self.counters = counters or Counters()
        self._search = search
        self._store = store
        self._settings_of = settings_of or Settings().device
        self._max_age = max_age
        self._same = same
        self._bound = devices
        self._slots: Slots[str, Sighting] = Slots(devices)
        self._devices: OrderedDict[str, _Device] = OrderedDict()
        self._lock = threading.Lock()
        self._pass_seconds = 0.0
        self._worker = threading.Thread(target=self._work, name="kinlens-matcher", daemon=True)
        self._worker.start()

    def offer(self, sighting: Sighting) -> bool:
        """Let a sighting wait for its turn; returns at once.

        Returns
        -------
        False for one that had come before, or is older than one that had
        """
        with self._lock:
            known = self._known(sighting)
        if not known:
            self.counters.add("duplicate")
            return False
        dropped = self._slots.put(sighting.device, sighting)
        self.counters.add("dropped", dropped)
        return True

    def rehearse(self) -> None:
        """Search as for a device without settings of its own, so that none waits for it later."""
        rehearse(self._search.parts.catalog, self._settings_of(""), BATCH)

    def close(self) -> None:
        """Take no more; what waits is dropped."""
        self._slots.close()
        self._worker.join()

    def _known(self, sighting: Sighting) -> bool:
        now = time.monotonic()
        device = self._devices.get(sighting.device)
        if device is None:
            device = self._devices[sighting.device] = _Device()
            if len(self._devices) > self._bound:
                self._devices.popitem(last=False)
        self._devices.move_to_end(sighting.device)
        return device.follows(sighting, now)

    def _work(self) -> None:
        while not self._slots.closed:
            waiting = self._slots.take(BATCH)
            fresh = [sighting for since, sighting in waiting if self._is_fresh(since)]
            self.counters.add("stale", len(waiting) - len(fresh))
            try:
                self._match([sighting for sighting in fresh if not self._repeats(sighting)])
            except Exception as error:  # the next sighting may fare better
                self.counters.add("failed", len(fresh))
                known = isinstance(error, KinlensError)
                log.warning("Live matching failed: %s", error, exc_info=not known)

    def _is_fresh(self, since: float) -> bool:
        # The pass that follows takes its time too, but not all of it, or nothing would ever pass.
        allowed = max(self._max_age / 2, self._max_age - self._pass_seconds)
        return time.monotonic() - since <= allowed

    def _repeats(self, sighting: Sighting) -> bool:
        """Whether a sighting shows what the last match of its device did; renews that if so."""
        device = self._devices.get(sighting.device)
        if device is None or device.view is None or device.vector is None:
            return False
        if time.monotonic() - device.matched_at > LOOK_AGAIN:
            return False
        if float(device.vector @ sighting.vector) < self._same:
            return False
        device.view = replace(
            device.view,
            sequence=sighting.sequence,
            session=sighting.session,
            taken_at=sighting.taken_at,
            received_at=sighting.received_at,
            came=sighting.came,
            picture=sighting.picture or device.view.picture,
            pictured=device.view.pictured or sighting.picture is not None,
        )
        self._store.put(device.view)
        self.counters.add("repeated")
        return True

    def _match(self, sightings: Sequence[Sighting]) -> None:
        groups: dict[tuple[str, str], list[tuple[Sighting, DeviceSettings]]] = {}
        for sighting in sightings:
            settings = self._settings_of(sighting.device)
            key = (settings.metric, repr(settings.where))
            groups.setdefault(key, []).append((sighting, settings))
        for group in groups.values():
            self._run_pass(group)

    def _run_pass(self, group: Sequence[tuple[Sighting, DeviceSettings]]) -> None:
        started = time.monotonic()
        settings = group[0][1]
        found = self._search.parts.catalog.search(
            np.stack([sighting.vector for sighting, _ in group]),
            max(own.k for _, own in group),
            where=settings.where,
            metric=settings.metric,
        )
        self._pass_seconds += 0.2 * (time.monotonic() - started - self._pass_seconds)
        for (sighting, own), matches in zip(group, found, strict=True):
            view = _view(sighting, matches[: own.k])
            self._remember(sighting, view)
            self._store.put(view)
        self.counters.add("matched", len(group))

    def _remember(self, sighting: Sighting, view: View) -> None:
        device = self._devices.get(sighting.device)
        if device is not None:
            device.vector, device.view = sighting.vector, view
            device.matched_at = time.monotonic()


def _view(sighting: Sighting, matches: Sequence[Match]) -> View:
    return View(
        device=sighting.device,
        sequence=sighting.sequence,
        taken_at=sighting.taken_at,
        received_at=sighting.received_at,
        came=sighting.came,
        matched_at=time.time(),
        hits=tuple(_hit(match) for match in matches),
        session=sighting.session,
        since=sighting.sequence,
        pictured=sighting.picture is not None,
        picture=sighting.picture,
    )


def _hit(match: Match) -> Hit:
    item = match.item
    return Hit(item.id, match.score, match.distance, item.metadata, item.width, item.height)
