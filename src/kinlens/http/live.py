"""What clients get of the live view: models that document the answers, and what fills them."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from pydantic import BaseModel, Field
from pydantic_core import to_json

from kinlens.http import answers
from kinlens.http.signing import UrlSigner
from kinlens.live.types import DeviceState, DeviceStatus, View
from kinlens.types import Value

_TITLES = ("title", "name", "product_name", "productDisplayName", "label", "caption")


_SERVER = token_hex(4)


class ClockBody(BaseModel):
    """What tells how late an answer was: compare it with the quickest of the same server."""

    server: str = Field(description="Names the process whose clock this is.")
    clock: float = Field(
        description="Seconds by the server's monotonic clock when `age` was taken. An answer that "
        "comes later after it than others do was held up, and is older by that."
    )


class DeviceBody(ClockBody):
    """How a camera fares."""

    device: str
    state: DeviceState
    age: float = Field(description="Seconds since it was last heard of.")
    frames_per_second: float | None
    fingerprint: str | None = Field(description="Of its encoder.")
    message: str | None = Field(description="What is wrong and what to do, for `error`.")


class DevicesAnswer(BaseModel):
    """The cameras, by name."""

    devices: list[DeviceBody]


class ViewBody(ClockBody):
    """What a camera saw, and what in the catalog looks like it."""

    device: str
    sequence: int
    age: float = Field(description="Seconds since the camera's message began to arrive.")
    taken_at: float = Field(description="By the camera's own clock, seconds since the epoch.")
    received_at: float = Field(description="By the server's clock, seconds since the epoch.")
    matched_at: float
    picture: str | None = Field(description="A small JPEG as a data URL, if the camera sends one.")
    hits: list[answers.HitBody]


class HistoryAnswer(BaseModel):
    """What a camera saw, newest first."""

    views: list[ViewBody]


class FrameAnswer(BaseModel):
    """What became of a frame."""

    accepted: bool = Field(description="False if a newer frame came meanwhile, or it was refused.")


class MatchesAnswer(BaseModel):
    """The newest matches, as the function behind the AWS sample's API gives them."""

    statusCode: str  # noqa: N815  (the sample's name)
    headers: dict[str, str]
    body: str = Field(description="JSON without apostrophes, or NO MATCHES.")


def device(status: DeviceStatus) -> dict[str, Any]:
    """The body of a camera."""
    return {
        "device": status.device,
        "state": status.state,
        "age": round(status.age, 3),
        **_clock(),
        "frames_per_second": status.frames_per_second,
        "fingerprint": status.fingerprint,
        "message": status.message,
    }


def view(seen: View, signer: UrlSigner) -> dict[str, Any]:
    """The body of a view."""
    return {
        "device": seen.device,
        "sequence": seen.sequence,
        "age": round(seen.age, 3),
        **_clock(),
        "taken_at": seen.taken_at,
        "received_at": seen.received_at,
        "matched_at": seen.matched_at,
        "picture": _data_url(seen.picture),
        "hits": answers.hits(seen.hits, signer),
    }


def _clock() -> dict[str, Any]:
    return {"server": _SERVER, "clock": round(time.monotonic(), 3)}


def event(happened: View | DeviceStatus, signer: UrlSigner) -> bytes:
    """A server-sent event."""
    if isinstance(happened, View):
        name, body = b"view", view(happened, signer)
    else:
        name, body = b"status", device(happened)
    return b"event: %s\ndata: %s\n\n" % (name, to_json(body, inf_nan_mode="null"))


def matches(seen: View | None, signer: UrlSigner, base: str) -> dict[str, Any]:
    """What the AWS sample's page polls for.

    Its page replaces each apostrophe of the body by a quotation mark before it reads it as JSON, so
    those of titles are escaped.
    """
    headers = {"Content-type": "application/json"}
    if seen is None or not seen.hits:
        return {"statusCode": "400", "headers": headers, "body": "NO MATCHES"}
    found = [
        {"id": hit.id, "title": _title(hit.id, hit.metadata), "url": base + signer.urls(hit.id)[0]}
        for hit in seen.hits
    ]
    body = to_json({"matches": found}).decode().replace("'", r"\u0027")
    return {"statusCode": "200", "headers": headers, "body": body}


def _title(item_id: str, metadata: Mapping[str, Value]) -> str:
    texts = (metadata.get(name) for name in _TITLES)
    return next((text for text in texts if isinstance(text, str) and text), item_id)


def _data_url(picture: bytes | None) -> str | None:
    if picture is None:
        return None
    return f"data:image/jpeg;base64,{b64encode(picture).decode()}"
