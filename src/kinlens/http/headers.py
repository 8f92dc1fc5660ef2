"""Security headers of every answer, and the name that each request gets."""

from __future__ import annotations

import logging
import random
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kinlens.http.problems import INTERNAL, document, request_id
from kinlens.printable import escaped

log = logging.getLogger("kinlens.http")

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # A query picture may be a blob, a data URL, or an address that the user typed.
        "img-src 'self' blob: data: https: http:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
PAGE_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
DEFAULTS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": API_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NAMES = random.Random()  # noqa: S311  (no secrets: they only tell requests apart)


class Named:
    """ASGI middleware: names a request and sets the headers of its answer.

    A client's own X-Request-Id is kept if it is short and plain.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request under a name."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        name = given if _REQUEST_ID.fullmatch(given) else f"{_NAMES.getrandbits(64):016x}"
        scope.setdefault("state", {})["request_id"] = name

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = name
                for header, value in DEFAULTS.items():
                    headers.setdefault(header, value)
            await send(message)

        await self.app(scope, receive, named)


class Crashes:
    """ASGI middleware: turns what nobody expected into a problem.

    It is within the middleware that sets headers, so that a page of another origin can read the
    problem too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request; its answer is a problem if it fails before it begins."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            path, name = escaped(scope["path"]), request_id(scope)
            log.info("%s %s: the client left (request %s)", scope["method"], path, name)
        except Exception:
            # The last stop: anything that nobody expected is logged whole and told in short.
            path, name = escaped(scope["path"]), request_id(scope)
            log.exception("%s %s failed (request %s)", scope["method"], path, name)
            if started:
                raise
            detail = "Something went wrong on the server; its log tells what, by the request id."
            await document(INTERNAL, detail, scope)(scope, receive, watched)
