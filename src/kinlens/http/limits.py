"""How much a client may ask for: requests a minute, bytes and seconds of a body."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import threading
import time
from collections import deque

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kinlens.errors import Overloaded, RateLimited
from kinlens.http.problems import BodyTooLarge, BodyTooSlow, respond
from kinlens.networks import plain

PICTURES_FACTOR = 20
"""A page of hits loads a picture for each, so pictures have a budget of their own."""

FRAMES_FACTOR = 5
"""A camera sends many frames a second, so frames have one too."""

SILENCE = 15.0
"""Seconds in which at least some bytes of a body must come."""

DURATION = 180.0
"""Seconds in which a whole body must come."""

MANY = 10_000
MINUTE = 60.0


class RateLimits:
    """Requests a minute, for each key or address, in a moving window, in this process.

    Parameters
    ----------
    per_minute : 0 for no limit
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._lock = threading.Lock()
        self._next_sweep = 0.0
        self._events: dict[tuple[str, str], deque[float]] = {}  # monotonic: no clock is set back
        self._amounts = {
            "requests": per_minute,
            "pictures": per_minute * PICTURES_FACTOR,
            "frames": per_minute * FRAMES_FACTOR,
        }

    def take(self, who: str, budget: str = "requests") -> None:
        """Count a request; `RateLimited` if it is one too many."""
        if not self.per_minute:
            return
        amount = self._amounts[budget]
        now = time.monotonic()
        with self._lock:
            events = self._events.setdefault((budget, who), deque())
            _drop_old(events, now)
            wait = events[0] + MINUTE - now if len(events) >= amount else 0.0
            if len(events) < amount:
                events.append(now)
                self._forget(now)
                return
        wait = max(1.0, wait)
        raise RateLimited(
            f"More than {amount} {budget} a minute; try again in {math.ceil(wait)} s. The "
            "server's setting rate_limit raises this.",
            wait,
        )

    def _forget(self, now: float) -> None:
        """Drop windows whose requests are all over a minute old, at most once a second."""
        if len(self._events) <= MANY or now < self._next_sweep:
            return
        self._next_sweep = now + 1.0
        for name in [name for name, events in self._events.items() if events[-1] <= now - MINUTE]:
            del self._events[name]


def _drop_old(events: deque[float], now: float) -> None:
    while events and events[0] <= now - MINUTE:
        events.popleft()


def network_of(address: str) -> str:
    """Who an address is: itself, or for IPv6 its /64, which one client usually has whole."""
    try:
        parsed = plain(ipaddress.ip_address(address))
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class BodyLimit:
    """ASGI middleware: ends a body that is over the limit, or trickles, while it is read.

    Parameters
    ----------
    max_body : bytes of one body
    max_bodies : bytes of all the bodies that are held at once
    """

    def __init__(self, app: ASGIApp, max_body: int, max_bodies: int) -> None:
        self.app = app
        self.max_body = max_body
        self.max_bodies = max_bodies
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request whose body is counted."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return await self.app(scope, receive, send)
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self.max_body:
            return await respond(self.too_large(), scope)(scope, receive, send)
        body = _Body(self, receive)
        try:
            await self.app(scope, body.receive, send)
        finally:
            self.held -= body.seen

    def too_large(self) -> BodyTooLarge:
        """What is raised for a body over the limit."""
        return BodyTooLarge(
            f"A body has at most {self.max_body:,} bytes, and this one has more; send fewer or "
            "smaller pictures at once. The server's setting max_body raises this."
        )


class _Body:
    """One body on its way in: counts bytes and watches the clock."""

    def __init__(self, limit: BodyLimit, receive: Receive) -> None:
        self._limit = limit
        self._receive = receive
        self._deadline = time.monotonic() + DURATION
        self._complete = False
        self.seen = 0

    async def receive(self) -> Message:
        """The next part of the body."""
        if self._complete:
            return await self._receive()
        message = await self._in_time()
        size = len(message.get("body", b""))
        self.seen += size
        self._limit.held += size
        self._complete = not message.get("more_body")
        if self.seen > self._limit.max_body:
            raise self._limit.too_large()
        if self._limit.held > self._limit.max_bodies:
            raise Overloaded("Too many bytes are being sent at once; try again in a moment.")
        return message

    async def _in_time(self) -> Message:
        try:
            async with asyncio.timeout(min(SILENCE, self._deadline - time.monotonic())):
                return await self._receive()
        except TimeoutError:
            raise BodyTooSlow(
                f"The body stopped coming for {SILENCE:.0f} s, or took over {DURATION:.0f} s; "
                "send it again, faster or smaller."
            ) from None
