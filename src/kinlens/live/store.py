"""The seam for what is seen at this moment: the newest views of each device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from kinlens.live.types import DeviceStatus, View

Event: TypeAlias = View | DeviceStatus
Watcher: TypeAlias = Callable[[Event], None]

RESTART = 2.0
"""Seconds without a view after which a lower number of the same session 0 is a device's new start,
rather than a message that was late."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept.

    Parameters
    ----------
    history : views of a device at most; the oldest goes
    devices : at most; the one not heard of for the longest goes
    expiry : seconds after which a device that isn't heard of is forgotten
    pictures : bytes of all pictures in this process's memory at most; beyond it, too, the device
        not heard of for the longest goes
    """

    history: int = 24
    devices: int = 512
    expiry: float = 3600.0
    pictures: int = 256_000_000


class LatestStore(Protocol):
    """The newest views of each device, and how each device fares. Thread-safe.

    Writing returns at once: where the views are kept elsewhere, they get there when that works,
    and of each device the newest first. A view whose hits are those of the device's newest takes
    its place, so that the history shows what changed.
    """

    def put(self, view: View) -> None:
        """Keep a view; one that isn't newer than the newest of its device's session is ignored."""

    def latest(self, device: str) -> View | None:
        """The newest view of a device."""

    def newest(self) -> View | None:
        """The view of any device that came last; it may be without its picture."""

    def history(self, device: str, limit: int) -> list[View]:
        """The last views of a device, newest first, at most `limit`."""

    def devices(self) -> list[DeviceStatus]:
        """How each device fares, in order of id."""

    def set_status(self, status: DeviceStatus) -> None:
        """Keep how a device fares."""

    def watch(self, callback: Watcher) -> Callable[[], None]:
        """Call back with each view and status from now on.

        Parameters
        ----------
        callback : called from threads of the store; must be quick. A view may come without its
            picture even if it has one.

        Returns
        -------
        a function that ends the watch
        """

    @property
    def connected(self) -> bool:
        """Whether the views get where they are kept."""

    @property
    def trouble(self) -> str | None:
        """Why they don't, in a word or a code such as "READONLY"; None if they do."""

    def close(self) -> None:
        """Write what waits, if that goes quickly, and release connections."""


def is_late(view: View, head: View, since_head: float) -> bool:
    """Whether a view is no newer than the newest of its session.

    Parameters
    ----------
    since_head : seconds since the newest came
    """
    if view.session != head.session or view.sequence > head.sequence:
        return False
    return view.session != 0 or since_head < RESTART


def same_view(view: View, head: View) -> bool:
    """Whether a view takes the newest one's place in the history."""
    return view.session == head.session and view.key == head.key


def same_sighting(view: View, other: View) -> bool:
    """Whether two views are of one sighting."""
    return (view.session, view.sequence) == (other.session, other.sequence)


def is_newer(view: View, than: View) -> bool:
    """Whether a view of a device is newer than another, by their session if it is the same."""
    if view.session == than.session != 0:
        return view.sequence > than.sequence
    return view.age < than.age and not same_sighting(view, than)
