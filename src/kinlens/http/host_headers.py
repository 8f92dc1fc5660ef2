"""The Host header that HTTP/1.1 demands: exactly one, and a name or an address."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from kinlens.http.problems import InvalidHost, respond

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.%A-Za-z]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::[0-9]{0,5})?")


class OneHost:
    """ASGI middleware: refuses a request with no, several or malformed Host headers (RFC 9112)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request that names its host as it must."""
        if scope["type"] == "http" and (wrong := _wrong(scope)):
            await respond(InvalidHost(wrong), scope)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _wrong(scope: Scope) -> str:
    found = [value for name, value in scope["headers"] if name == b"host"]
    if len(found) > 1:
        return f"A request has one Host header; this one has {len(found)}. Send one."
    if not found:
        if scope["http_version"] == "1.0":
            return ""
        return "An HTTP/1.1 request has a Host header; this one has none. Send one."
    if not _HOST.fullmatch(found[0].strip()):
        shown = found[0].decode("latin-1")
        return (
            f"A Host header is a host name or address, perhaps with a port; got {shown!r:.100}. "
            "Send the host of the server's URL."
        )
    return ""
