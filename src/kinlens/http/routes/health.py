"""Whether the server lives, whether it is ready, and what it has done."""

from __future__ import annotations

import shutil

from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from kinlens.errors import CatalogUnavailable, KinlensError
from kinlens.http import answers
from kinlens.http.auth import READ
from kinlens.http.context import Context, context_of
from kinlens.http.openapi import problems
from kinlens.http.problems import NOT_READY, document

router = APIRouter(tags=["health"])
LITTLE_SPACE = 50_000_000


@router.get("/healthz", summary="Alive", responses={200: {"content": {"text/plain": {}}}})
async def healthz() -> Response:
    """Say that the process answers. Needs no key."""
    return Response(b"ok\n", media_type="text/plain")


@router.get(
    "/readyz",
    summary="Ready",
    response_model=answers.ReadyAnswer,
    responses=problems(503),
)
async def readyz(request: Request) -> Response:
    """Say whether searches can be answered: catalog, matrix and encoder are loaded and work.

    A disk that is full stops writes, not searches, and a broker or a live store that is away stops
    neither; they are told but don't make the server unready. Needs no key.
    """
    context = context_of(request)
    try:
        checks = await context.readers.run(_check, context)
    except KinlensError as error:
        checks = {"catalog": _reason(error)}
    warm: str = request.app.state.warm
    if warm != "ok":
        checks["encoder"] = warm
    wrong = [f"{name}: {state}" for name, state in checks.items() if state not in ("ok", "full")]
    if wrong:
        return document(NOT_READY, "; ".join(wrong), request.scope, headers={"Retry-After": "1"})
    live = context.live.connections() if context.live else {}
    return answers.json_response({"ready": True, "checks": checks | live})


@router.get(
    "/metrics",
    summary="Metrics",
    dependencies=[Depends(READ)],
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **problems(401, 403, 429, 503)},
)
async def metrics(request: Request) -> Response:
    """What Prometheus reads. Where keys exist, it needs one with the scope `read`."""
    context = context_of(request)
    text = await context.readers.run(context.metrics.text)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _reason(error: KinlensError) -> str:
    """What a probe, which needs no key, may learn."""
    return error.reason if isinstance(error, CatalogUnavailable) else type(error).__name__


def _check(context: Context) -> dict[str, str]:
    with context.search.parts.catalog.view(vectors=True) as view:
        view.count()
    context.keys.check()
    space = shutil.disk_usage(context.search.data).free
    return {
        "catalog": "ok",
        "encoder": "ok",
        "disk": "ok" if space > LITTLE_SPACE else "full",
    }
