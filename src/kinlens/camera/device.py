"""The device: looks at the newest frame, again and again, and publishes what it sees."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kinlens.camera.base import Frame
from kinlens.camera.change import ChangeGate
from kinlens.camera.eye import Eye, Glance, Look
from kinlens.camera.newest import Newest
from kinlens.errors import KinlensError
from kinlens.live.types import MAX_MESSAGE, DeviceState, DeviceStatus, Sighting, check_device
from kinlens.live.wire import pack, pack_status, sightings_topic, status_topic
from kinlens.messaging import Bus, Will

STATUS_EVERY = 5.0
"""Seconds after which the status is published again, with the frame rate of these."""

CHANGE_EVERY = 0.5
"""Seconds between two changes of state at least."""

MAX_AGE = 2.0
"""Seconds after which a sighting that couldn't be sent is of no use any more."""

_PATIENCE = 0.25
"""Seconds for which a frame is waited for before all else is looked after."""


@dataclass(slots=True)
class Totals:
    """What became of the frames.

    Parameters
    ----------
    seen : that the source gave
    skipped : while another was looked at
    unchanged : that showed nothing new
    unsent : while there was no broker
    broken : that couldn't be decoded, encoded or packed
    published : the rest
    """

    seen: int = 0
    skipped: int = 0
    unchanged: int = 0
    unsent: int = 0
    broken: int = 0
    published: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """A sighting that went out, for those who watch the device."""

    sighting: Sighting
    frame: str
    look: Look
    size: int
    glance: Glance


@dataclass(frozen=True, slots=True)
class Identity:
    """Who publishes.

    Parameters
    ----------
    device : its id
    fingerprint : of its encoder
    secret : that it signs with; None for no signature
    session : tells this run from those before
    """

    device: str
    fingerprint: str
    secret: str | None = field(default=None, repr=False)
    session: int = field(default_factory=lambda: 1 + secrets.randbelow(2**53 - 1))

    def __post_init__(self) -> None:
        check_device(self.device)

    def status(
        self, state: DeviceState, rate: float | None = None, message: str | None = None
    ) -> bytes:
        """A status as it is published."""
        shown = message[:MAX_MESSAGE] if message else None
        status = DeviceStatus(self.device, state, time.time(), rate, self.fingerprint, shown)
        return pack_status(status, self.secret)

    @property
    def will(self) -> Will:
        """What the broker says when this device goes without a goodbye."""
        return Will(status_topic(self.device), self.status("offline"))


class Device:
    """Publishes what a camera sees, until its source ends or it is stopped.

    Parameters
    ----------
    newest : frames; closed with this
    eye : encodes them
    bus : takes them; has `Identity.will` as its will. Closed with this
    identity : who publishes
    gate : which frames are worth it
    rate : frames looked at in a second, at most
    tell : called with each sighting that went out, and with each change of state
    on_close : called when this is closed, after all else
    """

    def __init__(
        self,
        newest: Newest,
        eye: Eye,
        bus: Bus,
        identity: Identity,
        *,
        gate: ChangeGate | None = None,
        rate: float = 15.0,
        tell: Callable[[Published | str], None] | None = None,
        on_close: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._newest = newest
        self._eye = eye
        self._bus = bus
        self._identity = identity
        self._gate = gate or ChangeGate()
        self._period = 1 / rate
        self._tell = tell or (lambda _: None)
        self._on_close = on_close
        self._totals = Totals()
        self._fault: str | None = None
        self._health = _Health()

    @property
    def totals(self) -> Totals:
        """What became of the frames so far."""
        self._totals.seen, self._totals.skipped = self._newest.seen, self._newest.skipped
        return self._totals

    def run(self, stop: threading.Event) -> Totals:
        """Work until the source ends or `stop` is set.

        Raises
        ------
        KinlensError : the source can't be read and won't be
        """
        due = time.monotonic()
        try:
            while not stop.is_set() and not self._newest.done:
                self._publish_status()
                if stop.wait(max(0.0, min(due - time.monotonic(), _PATIENCE))):
                    break
                if time.monotonic() < due:
                    continue
                frame = self._newest.take(_PATIENCE)
                if frame is not None:
                    due = max(due, time.monotonic() - self._period) + self._period
                    self._see(frame)
        except KinlensError as error:
            self._say_goodbye("error", str(error))
            raise
        self._say_goodbye("offline", None)
        return self.totals

    def close(self) -> None:
        """Close the source and leave the bus."""
        self._newest.close()
        self._bus.close()
        for each in self._on_close:
            each()

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _see(self, frame: Frame) -> None:
        if not self._bus.connected:
            self._totals.unsent += 1
            return
        try:
            self._look(frame)
            self._fault = None
        except KinlensError as error:
            self._totals.broken += 1
            self._fault = str(error)

    def _look(self, frame: Frame) -> None:
        now = time.monotonic()
        glance = self._eye.glance(frame)
        if not self._gate.is_due(glance.small, now):
            self._totals.unchanged += 1
            self._eye.notice(glance, now)
            return
        look = self._eye.look(glance, now)
        sighting = Sighting(
            device=self._identity.device,
            sequence=self._totals.published,
            taken_at=frame.at,
            fingerprint=self._identity.fingerprint,
            vector=look.vector,
            picture=look.picture,
            session=self._identity.session,
        )
        payload = pack(sighting, self._identity.secret)
        self._bus.publish(sightings_topic(sighting.device), payload, expiry=MAX_AGE)
        self._gate.passed(glance.small, now)
        self._totals.published += 1
        self._tell(Published(sighting, frame.name, look, len(payload), glance))

    def _publish_status(self) -> None:
        if not self._bus.connected:
            self._health.forget()  # the broker may have published the will
            return
        trouble = self._newest.trouble or self._fault
        state: DeviceState = "error" if trouble else "online"
        rate = self._health.due((state, trouble), self._totals.published, time.monotonic())
        if rate is None:
            return
        payload = self._identity.status(state, rate.value, trouble)
        self._bus.publish(status_topic(self._identity.device), payload, retain=True)
        if rate.news:
            self._tell(trouble or state)

    def _say_goodbye(self, state: DeviceState, message: str | None) -> None:
        payload = self._identity.status(state, message=message)
        self._bus.publish(status_topic(self._identity.device), payload, retain=True)
        self._tell(message or state)


@dataclass(frozen=True, slots=True)
class _Rate:
    """Frames a second, None if not known yet; and whether anything but it is new."""

    value: float | None
    news: bool


class _Health:
    """Tells when a status is due: at once when something changes, else every few seconds."""

    def __init__(self) -> None:
        self._standing: object = None
        self._told = -STATUS_EVERY
        self._since: tuple[float, int] | None = None
        self._rate: float | None = None

    def forget(self) -> None:
        """What was told may not be known any more."""
        self._standing = None

    def due(self, standing: object, published: int, now: float) -> _Rate | None:
        """The rate to publish; None if nothing is due."""
        news = standing != self._standing
        # Each broken frame of many may say something else.
        if now - self._told < (CHANGE_EVERY if news else STATUS_EVERY):
            return None
        if self._since is None:
            self._since = (now, published)
        elif now - self._since[0] >= STATUS_EVERY / 2:
            self._rate = round((published - self._since[1]) / (now - self._since[0]), 1)
            self._since = (now, published)
        self._standing, self._told = standing, now
        return _Rate(self._rate, news)
