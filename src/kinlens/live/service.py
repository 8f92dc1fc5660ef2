"""The live view: one object that the bus, the HTTP door and the command line call."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from kinlens.adding import encode_each
from kinlens.batching import Batcher
from kinlens.errors import InvalidInput, KinlensError, PermissionDenied
from kinlens.images import encode_thumbnail
from kinlens.live import wire
from kinlens.live.admission import Admission
from kinlens.live.fitness import PICTURE_SIDE, is_showable, misfit
from kinlens.live.leases import Leases
from kinlens.live.matcher import Matcher
from kinlens.live.memory import MemoryStore
from kinlens.live.policy import DeviceKeys, Policy
from kinlens.live.pulse import Pulse
from kinlens.live.refusals import Refusals
from kinlens.live.store import LatestStore, Watcher
from kinlens.live.types import DeviceStatus, Sighting, View, check_device
from kinlens.messaging import Bus, Message
from kinlens.search import Search
from kinlens.types import Pixels, Vectors

log = logging.getLogger("kinlens.live")

T = TypeVar("T")

SILENT = 30.0
"""Seconds after which a device that says nothing counts as offline."""

ENCODE_BATCH = 16
MAX_HISTORY = 1000
LAST_FRAME = 2.0
"""Seconds after a device has stopped in which its last frame may still come."""

COMPLAIN = 10.0
"""Seconds between two lines in the log about what was refused."""


class LiveService:
    """What devices see, and what matches it. Thread-safe.

    Made by `kinlens.wiring.open_live`; a context manager that closes what it holds, but for the
    search.

    Parameters
    ----------
    search : stays open
    store : keeps the newest views
    matcher : looks sightings up
    bus : where devices publish; None if there is none
    policy : what devices may do
    keys : that devices sign with; None to let in what isn't signed
    on_close : called last
    """

    def __init__(
        self,
        search: Search,
        store: LatestStore,
        matcher: Matcher,
        bus: Bus | None = None,
        *,
        policy: Policy | None = None,
        keys: DeviceKeys | None = None,
        on_close: Sequence[Callable[[], None]] = (),
    ) -> None:
        self.search = search
        self.store = store
        self.matcher = matcher
        self.bus = bus
        self.counters = matcher.counters
        self.last_refusal = ""
        self._policy = policy or Policy()
        self._keys = keys
        self._on_close = on_close
        self._admission = Admission(self._policy.rate, self._policy.devices)
        self._pulse = Pulse(store, self._policy.devices)
        self._refusals = Refusals(self._policy.devices)
        self._leases = Leases(self._lapsed, self._policy.devices)
        self._encoding: Batcher[Pixels, Vectors] = Batcher(self._encode, max_size=ENCODE_BATCH)
        self._frames: dict[str, int] = {}
        self._lock = threading.Lock()
        self._last_number = 0
        self._complained_at = -COMPLAIN

    def start(self) -> None:
        """Listen to the bus, if there is one, once first searches have loaded what they need."""
        if self.bus is None:
            return
        self.matcher.rehearse()
        self.bus.subscribe([wire.SIGHTINGS], self._on_sighting, group=self._policy.group)
        # Brokers give topics that begin with $ to no group.
        self.bus.subscribe([wire.DEEPLENS], self._on_deeplens)
        # Nor what is kept, and all may know how a device fares.
        self.bus.subscribe([wire.STATUSES], self._on_status)

    def close(self) -> None:
        """Leave the bus, finish what is looked up, and close the store."""
        if self.bus is not None:
            self.bus.close()
        self._leases.close()
        self._encoding.close()
        self.matcher.close()
        self.store.close()
        for close in self._on_close:
            close()

    def __enter__(self) -> LiveService:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def offer(self, sighting: Sighting) -> bool:
        """Take a sighting that may come from its device; False if it was refused or is no news.

        Returns at once. Why it was refused stands in the device's status.
        """
        return self._admit(sighting.device) and self._take(sighting)

    def _admit(self, device: str) -> bool:
        self.counters.add("received")
        admitted = self._admission.admit(device)
        if not admitted:
            self.counters.add("limited")
        return admitted

    def _take(self, sighting: Sighting) -> bool:
        if (fault := misfit(sighting, self.search, unnamed=self._policy.unnamed)) is not None:
            self.counters.add("refused")
            self._pulse.fault(sighting.device, fault, sighting.fingerprint)
            return False
        self._pulse.beat(sighting.device, sighting.fingerprint)
        if sighting.picture is not None and not is_showable(sighting.picture):
            sighting = replace(sighting, picture=None)
        return self.matcher.offer(sighting)

    def see(
        self,
        device: str,
        picture: bytes,
        taken_at: float | None = None,
        sequence: int | None = None,
        came: float | None = None,
    ) -> bool:
        """Take a frame of a device that doesn't encode by itself, such as a browser's camera.

        Blocks while the frame is decoded and encoded.

        Parameters
        ----------
        device : its id
        picture : encoded, of any kind that Kinlens reads; a small JPEG is best
        taken_at : by the device's clock; None for now
        sequence : grows with every frame of the device; None for the time of arrival
        came : monotonic seconds, when the device began to send it; None for now

        Returns
        -------
        False if a newer frame of the device came meanwhile, or the frame was refused

        Raises
        ------
        InvalidInput : not a device's id
        PictureError : a picture that can't be read
        Overloaded : too many frames wait already
        """
        check_device(device)
        if not self._admit(device):
            return False
        came = time.monotonic() if came is None else came
        received_at = time.time() - (time.monotonic() - came)
        with self._lock:
            ticket = self._frames.pop(device, 0) + 1
            self._frames[device] = ticket
            if len(self._frames) > self._policy.devices:
                del self._frames[next(iter(self._frames))]
        recipe = self.search.parts.encoder.recipe
        decoded = self.search.parts.loader.load(picture, min_side=recipe.min_side)
        if self._frames.get(device) != ticket:
            self.counters.add("dropped")
            return False
        vector = self._encoding.submit(recipe.square(decoded.pixels))
        if device not in self._frames:
            self.counters.add("dropped")
            return False  # it has said goodbye meanwhile
        small = picture.startswith(b"\xff\xd8\xff") and is_showable(picture)
        return self._take(
            Sighting(
                device=device,
                sequence=self._number(received_at) if sequence is None else sequence,
                taken_at=received_at if taken_at is None else taken_at,
                fingerprint=self.search.encoder.fingerprint,
                vector=vector,
                picture=picture if small else encode_thumbnail(decoded.pixels, PICTURE_SIDE),
                received_at=received_at,
                came=came,
            )
        )

    def stay(self, device: str, within: float) -> None:
        """A device that sends frames is there, and promises to be heard again.

        Parameters
        ----------
        within : seconds of silence after which it is offline, rather than after `SILENT`
        """
        self._leases.renew(device, within)

    def leave(self, device: str) -> None:
        """A device that sends frames has stopped: it is offline at once.

        Raises
        ------
        InvalidInput : not a device's id
        """
        check_device(device)
        self._leases.renew(device, LAST_FRAME)  # one may be on its way, and would be its return
        with self._lock:
            self._frames.pop(device, None)
        self._pulse.gone(device, "It has stopped.")

    def _lapsed(self, device: str, within: float) -> bool:
        """Note that a device has kept silent for longer than it promised; False if it hasn't."""
        seen = self.store.latest(device)  # it may have sent frames to another server
        if seen is not None and seen.age < within:
            return False
        self._pulse.gone(device, f"No frame has come for {within:.0f} s.")
        return True

    def _number(self, at: float) -> int:
        """A sequence number for a time: its microseconds, but more than all before."""
        with self._lock:
            self._last_number = max(self._last_number + 1, int(at * 1e6))
            return self._last_number

    def latest(self, device: str) -> View | None:
        """The newest view of a device."""
        return self.store.latest(device)

    def history(self, device: str, limit: int = 24) -> list[View]:
        """The last views of a device, newest first."""
        return self.store.history(device, limit)

    def newest(self) -> View | None:
        """The newest view of all devices: what the sample's ``POST /matches`` asks for."""
        return self.store.newest()

    def picture(self, device: str, sequence: int | None = None) -> bytes | None:
        """The picture of a view, or of the next that has one.

        A view of the same matches may have taken the place of the one asked for.

        Parameters
        ----------
        sequence : of the view; None for the newest
        """
        if sequence is None:
            found = self.latest(device)
            return found.picture if found else None
        views = [view for view in self.store.history(device, MAX_HISTORY) if view.picture]
        later = [view for view in views if view.sequence >= sequence]
        return later[-1].picture if later else None

    def devices(self) -> list[DeviceStatus]:
        """How each device fares; an online one that has been silent for long counts as offline."""
        return [_or_silent(status) for status in self.store.devices()]

    def connections(self) -> dict[str, str]:
        """How the broker and where views are kept fare, where there is one: "ok" or a reason."""
        found = {}
        if not isinstance(self.store, MemoryStore):
            found["live_store"] = self.store.trouble or "ok"
        if self.bus is not None:
            found["live_broker"] = "ok" if self.bus.connected else "away"
        return found

    def watch(self, callback: Watcher) -> Callable[[], None]:
        """Call back with each view and status; see `LatestStore.watch`."""
        return self.store.watch(callback)

    def _on_sighting(self, message: Message) -> None:
        if self._is_kept(message):
            return

        def read(device: str, secrets: Sequence[str] | None) -> Sighting:
            now = time.time()
            return wire.unpack(message.payload, device, secrets=secrets, received_at=now)

        sighting = self._read(message, read)
        if sighting is not None:
            self.offer(sighting)

    def _on_deeplens(self, message: Message) -> None:
        if self._is_kept(message) or wire.is_deeplens_talk(message.payload):
            return

        def read(device: str, secrets: Sequence[str] | None) -> Sighting:
            if secrets:
                raise PermissionDenied(
                    f"{device} has a key, so features that nobody signed can't be its own."
                )
            now = time.time()
            found = wire.unpack_deeplens(message.payload, device, received_at=now)
            return replace(found, sequence=self._number(now))

        sighting = self._read(message, read)
        if sighting is not None:
            self.offer(sighting)

    def _on_status(self, message: Message) -> None:
        if not message.payload:  # what was kept of a device has been removed
            return

        def read(device: str, secrets: Sequence[str] | None) -> DeviceStatus:
            return wire.unpack_status(message.payload, device, secrets=secrets, at=time.time())

        status = self._read(message, read)
        if status is None or (message.kept and status.state == "online"):
            return  # that a device was online once doesn't tell that it is; it says so again soon
        if self._admit(status.device):
            self._pulse.told(status)

    def _is_kept(self, message: Message) -> bool:
        """Whether the broker had kept a message, of which nobody knows how old it is."""
        if not message.kept:
            return False
        if message.payload:
            self.counters.add("received")
            self.counters.add("stale")
            self._warn(
                f"The broker has kept a message on {message.topic!r:.100} from before, which isn't "
                "shown: only what a camera publishes now is. Let it publish without the retain "
                "flag, and remove what is kept by an empty retained message."
            )
        return True

    def _read(self, message: Message, read: Callable[[str, Sequence[str] | None], T]) -> T | None:
        try:
            device = wire.device_of(message.topic)
            secrets = self._secrets(device)
            try:
                found = read(device, secrets)
            except PermissionDenied as error:
                self._complain("refused", message, error)
                if self._refusals.is_shown(device):
                    self._pulse.fault(device, f"Refused: {error}", None)
                return None
        except InvalidInput as error:
            self._complain("malformed", message, error)
            return None
        if secrets is not None:
            self._refusals.signed(device)
        return found

    def _secrets(self, device: str) -> Sequence[str] | None:
        if self._keys is None or not self._keys.devices_guarded:
            return None
        return self._keys.secrets(device)

    def _complain(self, name: str, message: Message, error: KinlensError) -> None:
        self.counters.add("received")
        self.counters.add(name)
        self.last_refusal = str(error)
        self._warn(f"A message on {message.topic!r:.100} was refused: {error}")

    def _warn(self, text: str) -> None:
        if time.monotonic() - self._complained_at >= COMPLAIN:
            self._complained_at = time.monotonic()
            log.warning("%s", text)

    def _encode(self, batch: Sequence[Pixels]) -> Sequence[Vectors | Exception]:
        return encode_each(self.search.parts.encoder, batch)


def _or_silent(status: DeviceStatus) -> DeviceStatus:
    if status.state != "online" or status.age <= SILENT:
        return status
    return replace(status, state="offline", message=f"Silent for {status.age:.0f} s.")
