"""Methods of a path: HEAD wherever GET is, OPTIONS, and the Allow header of a refusal."""

from __future__ import annotations

from fastapi.routing import APIRoute
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

_ORDER = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")


class Methods:
    """ASGI middleware: answers OPTIONS, and HEAD as GET without the body (RFC 9110, 9.3).

    HEAD isn't a method of event streams, whose GET has no end.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request by a method that the routes know."""
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            if allowed := allowed_methods(scope):
                answer = Response(status_code=204, headers={"Allow": ", ".join(allowed)})
                await answer(scope, receive, send)
                return
        elif scope["type"] == "http" and scope["method"] == "HEAD":
            await self._head(scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "HEAD" not in allowed_methods(scope):
            await self.app(scope, receive, send)
            return
        # The server sends no body in answer to a request that it read as HEAD.
        read = {**scope, "method": "GET"}
        try:
            await self.app(read, receive, send)
        finally:
            if "route" in read:
                scope["route"] = read["route"]


def allowed_methods(scope: Scope) -> list[str]:
    """All methods of a path, over all routes that match it; none for an unknown path."""
    if scope["path"] == "*":  # OPTIONS for the server as a whole
        return list(_ORDER)
    found = set()
    for route in scope["app"].state.routes:
        if route.path_regex.match(scope["path"]):
            found |= _methods(route)
    if not found:
        return []
    return [method for method in _ORDER if method in found | {"OPTIONS"}]


def _methods(route: Route) -> set[str]:
    methods = set(route.methods or ())
    if "GET" in methods and not _is_stream(route):
        methods.add("HEAD")
    return methods


def _is_stream(route: Route) -> bool:
    kind = route.response_class if isinstance(route, APIRoute) else None
    return isinstance(kind, type) and issubclass(kind, StreamingResponse)
