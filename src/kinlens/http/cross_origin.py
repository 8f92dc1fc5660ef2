"""Answers to pages of other origins, as far as `cors_origins` allows."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Message, Receive, Scope, Send


class CrossOrigin(CORSMiddleware):
    """Starlette's CORS, with `Vary: Origin` on every answer that depends on the origin.

    Without it, a cache could give a page of another origin the answer to a request that named no
    origin, which the browser then withholds.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request, or answer a preflight."""

        async def varying(message: Message) -> None:
            if message["type"] == "http.response.start":
                _vary(message)
            await send(message)

        await super().__call__(scope, receive, varying)


def _vary(message: Message) -> None:
    named = ",".join(Headers(raw=message["headers"]).getlist("vary")).lower().split(",")
    if "origin" not in (name.strip() for name in named):
        MutableHeaders(scope=message).add_vary_header("Origin")
