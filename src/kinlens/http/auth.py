"""Who is let in: keys, scopes, the names and pages that a server without keys trusts."""

from __future__ import annotations

from fastapi.security import HTTPBearer
from starlette.requests import Request

from kinlens.callers import CALLER
from kinlens.errors import PermissionDenied, Unauthenticated
from kinlens.http.context import Context, context_of
from kinlens.http.limits import network_of
from kinlens.keys import Key, Scope


class Need(HTTPBearer):
    """A dependency: lets a request in that may do what the scope says, and counts it.

    Parameters
    ----------
    scope : "read" or "write"
    budget : of the rate limits, that a request counts on
    camera : whether the camera that the path names may do it too, with its own key
    """

    def __init__(self, scope: Scope, *, budget: str = "requests", camera: bool = False) -> None:
        super().__init__(
            scheme_name="API key",
            description="Made by `kinlens keys create`. A server without keys needs none.",
            auto_error=False,
        )
        self.scope = scope
        self.budget = budget
        self.camera = camera

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        """Raise `Unauthenticated`, `PermissionDenied` or `RateLimited`, or let in."""
        context = context_of(request)
        key = identify(request, context)
        who = f"key {key.name}" if key else client_of(request)
        CALLER.set(who)
        context.limits.take(who, self.budget)
        keys = context.keys
        if not (keys.required or (self.camera and keys.devices_guarded)):
            if request.method not in ("GET", "HEAD"):
                context.hosts.check_origin(request.headers, writes=self.scope == "write")
        elif key is None:
            raise Unauthenticated(_refusal(request))
        elif self.scope not in key.scopes and not self._is_camera(key, request):
            raise PermissionDenied(
                f"This needs a key with the scope {self.scope!r}; the key {key.name!r} has "
                f"{' and '.join(key.scopes)}."
            )

    def _is_camera(self, key: Key, request: Request) -> bool:
        return self.camera and key.device == request.path_params["device"]


READ = Need("read")
WRITE = Need("write")
FRAMES = Need("write", budget="frames", camera=True)


def _refusal(request: Request) -> str:
    if request.headers.get("authorization", "").strip():
        return (
            "This API key doesn't work here: it is incomplete, was made for another catalog, or "
            "was revoked. `kinlens keys list` names those that work."
        )
    return (
        "This needs an API key: send the header Authorization: Bearer kl_... with a key that "
        "`kinlens keys create` made and nobody revoked."
    )


def identify(request: Request, context: Context) -> Key | None:
    """The key that came with a request, if it works."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return context.keys.find(token.strip()) if scheme.lower() == "bearer" else None


def client_of(request: Request) -> str:
    """Whose budget a request without a key counts on."""
    return network_of(request.client.host) if request.client else "local"
