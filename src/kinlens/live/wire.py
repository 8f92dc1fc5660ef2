"""How sightings and statuses travel: topics, bytes, signatures; `docs/live.md` shows each byte.

Whatever comes, reading it raises `InvalidInput`, or `PermissionDenied` for what isn't signed as
it has to be, and nothing else; and it takes no more memory than the payload does.
"""

from __future__ import annotations

import hmac
import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kinlens.errors import InvalidInput, PermissionDenied
from kinlens.live.types import MAX_MESSAGE, STATES, DeviceStatus, Sighting, check_device
from kinlens.types import Vectors

SIGHTINGS = "kinlens/+/sightings"
STATUSES = "kinlens/+/status"
DEEPLENS = "$aws/things/+/infer"

MAGIC = b"KNLS"
VERSION = 1
SIGNED = 1
MAX_PAYLOAD = 262_144
MAX_STATUS = 4096
MAX_TALK = 200
"""Bytes of what a DeepLens function says in plain text, at most."""

MAX_DIM = 8192
MAX_FINGERPRINT = 128
TRAILER = 32
"""Bytes of an HMAC-SHA256."""

_HEADER = struct.Struct("<4sBBHQQdIB3x")
_JPEG = b"\xff\xd8\xff"


def sightings_topic(device: str) -> str:
    """Where a device publishes what it sees."""
    return SIGHTINGS.replace("+", device)


def status_topic(device: str) -> str:
    """Where a device publishes how it fares, retained."""
    return STATUSES.replace("+", device)


def deeplens_topic(device: str) -> str:
    """Where a function written for AWS DeepLens publishes features."""
    return DEEPLENS.replace("+", device)


def device_of(topic: str) -> str:
    """The device that a topic is of; `InvalidInput` if it is of none."""
    levels = topic.split("/")
    if len(levels) < 3:
        raise InvalidInput(f"The topic {topic!r:.80} is of no device.")
    device = levels[-2]
    check_device(device)
    return device


def pack(sighting: Sighting, secret: str | None = None) -> bytes:
    """A sighting as bytes.

    Parameters
    ----------
    sighting : its vector travels in float16
    secret : of the device's key, see `kinlens.keys.secret_of`; None for no signature

    Raises
    ------
    InvalidInput : more than `MAX_PAYLOAD` bytes, or values that the format doesn't hold
    """
    fingerprint = (sighting.fingerprint or "").encode("ascii", "replace")
    picture = sighting.picture or b""
    try:
        head = _HEADER.pack(
            MAGIC,
            VERSION,
            SIGNED if secret else 0,
            len(sighting.vector),
            sighting.session,
            sighting.sequence,
            sighting.taken_at,
            len(picture),
            len(fingerprint),
        )
    except struct.error as error:
        raise InvalidInput(f"The sighting can't be packed: {error}.") from error
    vector = np.asarray(sighting.vector, "<f2").tobytes()
    body = b"".join((head, fingerprint, vector, picture))
    if len(body) + TRAILER > MAX_PAYLOAD:
        raise InvalidInput(
            f"A sighting has at most {MAX_PAYLOAD} bytes; this one has {len(body) + TRAILER}. Send "
            "a smaller picture."
        )
    return body + (_sign(sighting.device, body, secret) if secret else b"")


def unpack(
    payload: bytes,
    device: str,
    *,
    secrets: Sequence[str] | None = None,
    received_at: float = 0.0,
) -> Sighting:
    """The sighting that a payload holds, its vector scaled to unit length.

    Parameters
    ----------
    payload : as `pack` makes it
    device : whose topic it came on
    secrets : of the device's keys, one of which must have signed; None to let in what isn't signed
    received_at : by our clock

    Raises
    ------
    InvalidInput : malformed, truncated, oversized, or no vector
    PermissionDenied : not signed with one of the keys
    """
    _check_size(payload, MAX_PAYLOAD)
    if len(payload) < _HEADER.size:
        raise InvalidInput(
            f"A sighting has at least {_HEADER.size} bytes; got {len(payload)}: it was cut off."
        )
    magic, version, flags, dim, session, sequence, taken_at, picture_size, name_size = (
        _HEADER.unpack_from(payload)
    )
    if magic != MAGIC or version != VERSION or flags & ~SIGNED:
        raise InvalidInput(
            f"A sighting begins with {MAGIC.decode()} and version {VERSION}; got "
            f"{magic!r}, version {version}, flags {flags}. Use the same version of Kinlens on the "
            "device."
        )
    signed = bool(flags & SIGNED)
    body = payload[: len(payload) - TRAILER] if signed else payload
    vector_at = _HEADER.size + name_size
    picture_at = vector_at + 2 * dim
    if len(body) != picture_at + picture_size:
        raise InvalidInput(
            f"The header tells of {picture_at + picture_size} bytes, but there are {len(body)}: "
            "the sighting was cut off or garbled."
        )
    if secrets is not None:
        _check_signature(device, body, payload[len(body) :], secrets)
        if session == 0:
            raise PermissionDenied(
                f"{device} signs, but draws no session, so what it sent before could be sent again "
                "by others. Draw a random one when the device starts."
            )
    return Sighting(
        device=device,
        sequence=sequence,
        taken_at=_time(taken_at),
        fingerprint=_fingerprint(payload[_HEADER.size : vector_at]),
        vector=_unit(np.frombuffer(body, "<f2", dim, vector_at)),
        picture=_picture(body[picture_at:]),
        received_at=received_at,
        session=session,
    )


def is_deeplens_talk(payload: bytes) -> bool:
    """Whether a DeepLens function only says how it fares, as in "frame retrieved".

    The sample's function says so in plain text, on the topic of its features, before each of them.
    """
    text = payload[: MAX_TALK + 1]
    return len(text) <= MAX_TALK and text.isascii() and not text.lstrip().startswith(b"{")


def unpack_deeplens(payload: bytes, device: str, *, received_at: float) -> Sighting:
    """The sighting of a DeepLens function's ``{"features": "0.1,0.2,..."}``.

    It has no sequence of its own: the time of arrival in microseconds stands for it.

    Raises
    ------
    InvalidInput : it isn't such a JSON, or holds no vector
    """
    features = _json(payload, MAX_PAYLOAD).get("features")
    if isinstance(features, str):
        features = features.split(",", MAX_DIM)
    if not isinstance(features, list) or not 0 < len(features) <= MAX_DIM:
        raise InvalidInput(
            f'"features" is a text of 1 to {MAX_DIM} numbers with commas; got {features!r:.80}.'
        )
    try:
        values = np.array([float(value) for value in features])
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(f'"features" holds something that isn\'t a number: {error}.') from error
    return Sighting(
        device=device,
        sequence=max(0, int(received_at * 1e6)),
        taken_at=received_at,
        fingerprint=None,
        vector=_unit(values),
        received_at=received_at,
    )


def pack_status(status: DeviceStatus, secret: str | None = None) -> bytes:
    """A status as JSON, and where there is a key, a line with its signature below."""
    plain = {name: value for name, value in status.to_dict().items() if value is not None}
    del plain["device"]  # the topic says it
    body = json.dumps(plain, separators=(",", ":")).encode()
    return body + b"\n" + _sign(status.device, body, secret).hex().encode() if secret else body


def unpack_status(
    payload: bytes, device: str, *, secrets: Sequence[str] | None = None, at: float
) -> DeviceStatus:
    """The status that a payload holds; see `unpack`.

    Parameters
    ----------
    at : by our clock; takes the place of the device's
    """
    body, _, signature = payload.partition(b"\n")
    _check_size(payload, MAX_STATUS)
    if secrets is not None:
        try:
            trailer = bytes.fromhex(signature.decode("ascii"))
        except ValueError:
            trailer = b""
        _check_signature(device, body, trailer, secrets)
    values = _json(body, MAX_STATUS)
    state = values.get("state")
    if state not in STATES:
        raise InvalidInput(f"A device's state is one of {', '.join(STATES)}; got {state!r:.80}.")
    fingerprint = _text(values, "fingerprint", MAX_FINGERPRINT)
    return DeviceStatus(
        device=device,
        state=state,
        at=at,
        frames_per_second=_rate(values.get("frames_per_second")),
        fingerprint=fingerprint,
        message=_text(values, "message", MAX_MESSAGE),
    )


def _sign(device: str, body: bytes, secret: str) -> bytes:
    return hmac.digest(secret.encode("ascii"), device.encode() + b"\0" + body, "sha256")


def _check_signature(device: str, body: bytes, trailer: bytes, secrets: Sequence[str]) -> None:
    good = [hmac.compare_digest(_sign(device, body, secret), trailer) for secret in secrets]
    if not any(good):
        raise PermissionDenied(
            f"{device} sent something that isn't signed with its key. Make one with `kinlens keys "
            f"create NAME --device {device}`, and give it to `kinlens camera` in the variable "
            "KINLENS_DEVICE_KEY or by --key-file."
        )


def _check_size(payload: bytes, limit: int) -> None:
    if len(payload) > limit:
        raise InvalidInput(f"At most {limit} bytes are taken; got {len(payload)}.")


def _time(seconds: float) -> float:
    if not math.isfinite(seconds):
        raise InvalidInput(f"taken_at is in seconds since the epoch; got {seconds}.")
    return seconds


def _fingerprint(raw: bytes) -> str | None:
    if len(raw) > MAX_FINGERPRINT or not all(32 < byte < 127 for byte in raw):
        raise InvalidInput(
            f"A fingerprint has up to {MAX_FINGERPRINT} visible ASCII characters; got {raw!r:.80}."
        )
    return raw.decode("ascii") or None


def _picture(raw: bytes) -> bytes | None:
    if raw and not raw.startswith(_JPEG):
        raise InvalidInput(f"The picture of a sighting is a JPEG; got {raw[:8]!r}.")
    return raw or None


def _unit(values: npt.NDArray[np.floating[Any]]) -> Vectors:
    """float32 (dim,), unit length."""
    vector = np.asarray(values, np.float64)
    with np.errstate(over="ignore"):  # an infinite length is told of below
        length = float(np.linalg.norm(vector))
    if not 0 < len(vector) <= MAX_DIM or not math.isfinite(length) or length == 0:
        raise InvalidInput(
            f"A vector is 1 to {MAX_DIM} finite numbers, not all 0; got {len(vector)} numbers of "
            f"length {length:g}."
        )
    return np.asarray(vector / length, np.float32)


def _json(payload: bytes, limit: int) -> dict[str, Any]:
    _check_size(payload, limit)
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"This isn't JSON: {error}.") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"A JSON object is needed; got {type(found).__name__}.")
    return found


def _text(values: Mapping[str, Any], name: str, limit: int) -> str | None:
    value = values.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidInput(f"A status's {name} is a text; got {value!r:.80}.")
    return "".join(char if char.isprintable() else " " for char in value[:limit]) if value else None


def _rate(value: object) -> float | None:
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < 1e4:  # type: ignore[operator]
        raise InvalidInput(f"frames_per_second is a number from 0 to 10000; got {value!r:.80}.")
    return float(value)  # type: ignore[arg-type]
