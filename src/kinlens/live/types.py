"""What a device sees, what matches it, and how the device fares."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Literal, get_args

from kinlens.errors import InvalidInput
from kinlens.types import Hit, Vectors

_DEVICE = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
MAX_MESSAGE = 500
"""Characters of a device's message at most."""


def check_device(device: str) -> None:
    """Raise `InvalidInput` unless it is the id of a device."""
    good = isinstance(device, str) and _DEVICE.fullmatch(device)
    if not good or device in (".", ".."):  # no address could have these in its path
        raise InvalidInput(
            "A device's id has 1 to 64 letters, digits, dots, dashes and underscores, and isn't . "
            f"or ..; got {device!r:.80}."
        )


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One look of a device, as a vector.

    Parameters
    ----------
    device : its id, of 1 to 64 letters, digits, dots, dashes and underscores
    sequence : grows with every sighting, from 0 up to 2^64 - 1
    taken_at : by the device's clock, seconds since the epoch; says nothing beside another clock
    fingerprint : of the encoder; None if the device doesn't know it
    vector : float32 (dim,), unit length
    picture : a small JPEG to show, or None
    received_at : by our clock, seconds since the epoch; set where the sighting comes in
    session : a random number that a device draws when it starts, so that its sequence may begin
        again; 0 for one that doesn't
    came : when it came in, in monotonic seconds of this process, by which it ages; None for what
        `received_at` says
    """

    device: str
    sequence: int
    taken_at: float
    fingerprint: str | None
    vector: Vectors
    picture: bytes | None = None
    received_at: float = 0.0
    session: int = 0
    came: float | None = None

    def __post_init__(self) -> None:
        """Note when it came in while the clock says what it did then."""
        if self.came is None:
            object.__setattr__(self, "came", _came(self.received_at))


@dataclass(frozen=True, slots=True)
class View:
    """What a device sees and what matches it: what a page shows.

    All times but `taken_at` and `came` are of the matcher's clock, seconds since the epoch. That
    clock may be set meanwhile: `age` goes by `came`.

    Parameters
    ----------
    device, sequence, session, taken_at, received_at : of the newest sighting of this view
    matched_at : when the matches were looked up
    since : the sequence number whose matches these are; less than `sequence` where the same view
        has been seen again since
    hits : best first
    pictured : whether there is a picture, be it in `picture` or with the store
    picture : the JPEG, where it is at hand; not part of the JSON
    came : when the sighting came in, in monotonic seconds of this process; not part of the JSON.
        None for what `received_at` says when the view is made
    """

    device: str
    sequence: int
    taken_at: float
    received_at: float
    matched_at: float
    hits: tuple[Hit, ...]
    session: int = 0
    since: int = 0
    pictured: bool = False
    picture: bytes | None = field(default=None, repr=False)
    came: float | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Note when the sighting came in while the clock says what it did then."""
        if self.came is None:
            object.__setattr__(self, "came", _came(self.received_at))

    @property
    def key(self) -> str:
        """Equal for views with the same best hit and the same others, in any order."""
        ids = [hit.id for hit in self.hits]
        return sha256("\0".join(ids[:1] + sorted(ids[1:])).encode()).hexdigest()[:16]

    @property
    def age(self) -> float:
        """Seconds since the sighting came in, whatever the clock was set to since."""
        return _age(self.came)

    def to_dict(self) -> dict[str, Any]:
        """All but the picture, in values that JSON has."""
        names = ("device", "sequence", "taken_at", "received_at", "matched_at", "session", "since")
        plain = {name: getattr(self, name) for name in names}
        return plain | {"pictured": self.pictured, "hits": [_plain(hit) for hit in self.hits]}

    def to_json(self) -> bytes:
        """All but the picture."""
        return json.dumps(self.to_dict(), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes | str, picture: bytes | None = None) -> View:
        """The inverse of `to_json`; `InvalidInput` if it isn't one's output."""
        return cls.from_dict(_object(data), picture)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], picture: bytes | None = None) -> View:
        """The inverse of `to_dict`; `InvalidInput` if it isn't one's output."""
        try:
            _check_kinds(values, _VIEW)
            for hit in values["hits"]:
                _check_kinds(hit, _HIT)
            hits = tuple(Hit(**hit) for hit in values["hits"])
            return cls(**{**values, "hits": hits}, picture=picture)
        except (TypeError, KeyError) as error:
            raise InvalidInput(f"This isn't a view as Kinlens writes it: {error}.") from error


DeviceState = Literal["online", "offline", "error"]
STATES: tuple[DeviceState, ...] = get_args(DeviceState)


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """How a device fares.

    Parameters
    ----------
    device : its id
    state : "online", "offline" or "error"
    at : by our clock, seconds since the epoch
    frames_per_second : that it encodes, where known
    fingerprint : of its encoder, where known
    message : what is wrong and what to do, for "error"
    came : monotonic seconds of this process, when it was told; not part of the JSON. None for what
        `at` says when the status is made
    """

    device: str
    state: DeviceState
    at: float
    frames_per_second: float | None = None
    fingerprint: str | None = None
    message: str | None = None
    came: float | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Note when it was told while the clock says what it did then."""
        if self.came is None:
            object.__setattr__(self, "came", _came(self.at))

    @property
    def age(self) -> float:
        """Seconds since it was told, whatever the clock was set to since."""
        return _age(self.came)

    def to_dict(self) -> dict[str, Any]:
        """In values that JSON has."""
        plain = asdict(self)
        del plain["came"]
        return plain

    def to_json(self) -> bytes:
        """As JSON."""
        return json.dumps(self.to_dict(), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes | str) -> DeviceStatus:
        """The inverse of `to_json`; `InvalidInput` if it isn't one's output."""
        values = _object(data)
        try:
            _check_kinds(values, _STATUS)
            return cls(**values)
        except (TypeError, KeyError) as error:
            raise InvalidInput(f"This isn't a status as Kinlens writes it: {error}.") from error


def _came(at: float) -> float:
    """A time of our clock in monotonic seconds, of which the clock's are at most now."""
    return time.monotonic() - max(0.0, time.time() - at)


def _age(came: float | None) -> float:
    return 0.0 if came is None else max(0.0, time.monotonic() - came)


_NUMBER = (int, float)
_VIEW: dict[str, Any] = {
    "device": str,
    "sequence": int,
    "taken_at": _NUMBER,
    "received_at": _NUMBER,
    "matched_at": _NUMBER,
    "hits": list,
}
_HIT: dict[str, Any] = {"id": str, "score": _NUMBER, "distance": _NUMBER, "metadata": dict}
_STATUS: dict[str, Any] = {"device": str, "state": str, "at": _NUMBER}


def _check_kinds(values: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    """Raise `TypeError` or `KeyError` unless the values are of these kinds."""
    for name, kind in kinds.items():
        if not isinstance(values[name], kind):
            raise TypeError(f"{name} is {values[name]!r:.80}")


def _plain(hit: Hit) -> dict[str, Any]:
    return {
        "id": hit.id,
        "score": hit.score,
        "distance": hit.distance,
        "metadata": dict(hit.metadata),
        "width": hit.width,
        "height": hit.height,
    }


def _object(data: bytes | str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"This isn't JSON: {error}.") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"A JSON object is needed; got {type(found).__name__}.")
    return found
