"""What devices may do, and the keys that they sign with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class DeviceKeys(Protocol):
    """The keys that devices sign with."""

    @property
    def devices_guarded(self) -> bool:
        """Whether devices need a key: whether one was ever made."""

    def secrets(self, device: str) -> Sequence[str]:
        """What the working keys of a device sign with."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What devices may do.

    Parameters
    ----------
    group : matchers of one group share the devices' messages
    rate : sightings a second that a device may send
    devices : known at once
    unnamed : take vectors that name no encoder
    """

    group: str = "kinlens"
    rate: float = 60.0
    devices: int = 512
    unnamed: bool = False
