"""What the cameras see at this moment, and what looks like it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from fastapi import Query as Parameter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from kinlens.errors import NotFound, Overloaded
from kinlens.http import answers, live
from kinlens.http.auth import FRAMES, READ, client_of, identify
from kinlens.http.bodies import content_type, read_bytes
from kinlens.http.context import Context, context_of
from kinlens.http.headers import PICTURE_POLICY
from kinlens.http.openapi import problems
from kinlens.http.outlet import outlet_of
from kinlens.http.streams import Happened, StreamResponse
from kinlens.live.service import SILENT, LiveService
from kinlens.live.types import View, check_device

router = APIRouter(tags=["live"])
JPEG = "image/jpeg"
KINDS = (JPEG, "image/png", "image/webp")
MAX_FRAME = 4_000_000
"""Bytes of a frame that a browser may send."""

Device = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
_READ = [Depends(READ)]
_PROBLEMS = problems(401, 403, 404, 422, 429, 503)
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`view` events with a view each, `status` events with a camera each",
        "content": {"text/event-stream": {}},
    },
    **_PROBLEMS,
}


@router.get(
    "/v1/live",
    summary="Cameras",
    dependencies=_READ,
    response_model=live.DevicesAnswer,
    responses=_PROBLEMS,
)
async def devices(request: Request) -> Response:
    """The cameras that were heard of lately."""
    context = context_of(request)
    found = await context.readers.run(_live(context).devices)
    return answers.json_response({"devices": [live.device(status) for status in found]})


@router.get(
    "/v1/live/events",
    summary="All views as they come",
    dependencies=_READ,
    response_class=StreamingResponse,
    responses=_EVENTS,
)
async def all_events(request: Request) -> Response:
    """Server-sent events of all cameras, without pictures."""
    context = context_of(request)
    return await _stream(request, context, None)


@router.get(
    "/v1/live/{device}/events",
    summary="Views as they come",
    dependencies=_READ,
    response_class=StreamingResponse,
    responses=_EVENTS,
)
async def events(request: Request, device: Device) -> Response:
    """Server-sent events: the newest view at once, then each as it comes.

    Who reads slowly skips views rather than fall behind. A comment comes every few seconds, so that
    a connection that was cut is noticed. A camera that wasn't heard of yet may still come.
    """
    context = context_of(request)
    check_device(device)
    return await _stream(request, context, device)


@router.get(
    "/v1/live/{device}/latest",
    summary="The newest view",
    dependencies=_READ,
    response_model=live.ViewBody,
    responses=_PROBLEMS,
)
async def latest(request: Request, device: Device) -> Response:
    """What a camera saw last."""
    context = context_of(request)
    check_device(device)
    seen = await context.readers.run(_latest, _live(context), device)
    return answers.json_response(live.view(seen, context.signer))


@router.get(
    "/v1/live/{device}/history",
    summary="Views before",
    dependencies=_READ,
    response_model=live.HistoryAnswer,
    responses=_PROBLEMS,
)
async def history(
    request: Request, device: Device, limit: Annotated[int, Parameter(ge=1, le=1000)] = 24
) -> Response:
    """What a camera saw lately, newest first; views of the same matches count as one."""
    context = context_of(request)
    check_device(device)
    views = await context.readers.run(_live(context).history, device, limit)
    return answers.json_response({"views": [live.view(seen, context.signer) for seen in views]})


@router.get(
    "/v1/live/{device}/picture",
    summary="The newest view's picture",
    dependencies=_READ,
    response_class=Response,
    responses={200: {"content": {JPEG: {}}}, **_PROBLEMS},
)
async def picture(
    request: Request,
    device: Device,
    sequence: Annotated[int | None, Parameter(ge=0, le=2**64 - 1)] = None,
) -> Response:
    """A small JPEG of what a camera saw, now or at an earlier view."""
    context = context_of(request)
    check_device(device)
    content = await context.readers.run(_live(context).picture, device, sequence)
    if content is None:
        raise NotFound(f"There is no such picture of the camera {device!r}.")
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": PICTURE_POLICY}
    return Response(content, headers=headers, media_type=JPEG)


@router.post(
    "/v1/live/{device}/frames",
    summary="Show a frame",
    status_code=202,
    dependencies=[Depends(FRAMES)],
    response_model=live.FrameAnswer,
    responses=problems(400, 401, 403, 404, 408, 413, 415, 422, 429, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in KINDS},
        }
    },
)
async def frames(
    request: Request,
    device: Device,
    sequence: Annotated[
        int | None,
        Parameter(ge=0, le=2**64 - 1, description="Grows with every frame of the camera."),
    ] = None,
    within: Annotated[
        float | None,
        Parameter(
            ge=1,
            le=SILENT,
            description="Seconds within which the camera promises the next frame: without one it "
            "is shown as offline.",
        ),
    ] = None,
) -> Response:
    """Be a camera: send one frame after the other, each once the answer to the last has come.

    The picture is the body itself. With keys, it takes one of the camera's own, or one with the
    scope `write`.
    """
    came = time.monotonic()
    context = context_of(request)
    content_type(request, KINDS)
    check_device(device)
    service = _live(context)
    if within is not None:
        service.stay(device, within)
    body = await read_bytes(request, MAX_FRAME)
    if within is not None:
        service.stay(device, within)
    accepted = await context.cameras.run(service.see, device, body, sequence=sequence, came=came)
    return answers.json_response({"accepted": accepted}, 202)


@router.delete(
    "/v1/live/{device}/frames",
    summary="Stop showing frames",
    status_code=204,
    dependencies=[Depends(FRAMES)],
    responses=problems(400, 401, 403, 404, 422, 429, 503),
)
async def stop(request: Request, device: Device) -> Response:
    """Say that a camera has sent its last frame: it is shown as offline at once.

    Its last views stay. With keys, it takes one of the camera's own, or one with the scope `write`.
    """
    context = context_of(request)
    check_device(device)
    await context.cameras.run(_live(context).leave, device)
    return Response(status_code=204)


@router.post(
    "/matches",
    tags=["aws sample"],
    summary="The newest matches",
    dependencies=_READ,
    response_model=live.MatchesAnswer,
    responses=problems(401, 403, 404, 413, 422, 429, 503),
)
async def matches(request: Request) -> Response:
    """The newest matches of any camera, as the page of the AWS DeepLens sample polls for them.

    Whatever is posted is ignored. As in the sample, the answer's own status is in `statusCode`.
    """
    context = context_of(request)
    async for _ in request.stream():
        pass
    newest = await context.readers.run(_live(context).newest)
    base = "" if context.signer.prefix else str(request.base_url).rstrip("/")
    return answers.json_response(live.matches(newest, context.signer, base))


def _live(context: Context) -> LiveService:
    if context.live is None:
        raise NotFound("This server has no live view.")
    return context.live


def _latest(service: LiveService, device: str) -> View:
    seen = service.latest(device)
    if seen is None:
        raise NotFound(
            f"The camera {device!r} has shown nothing lately; GET /v1/live lists the cameras."
        )
    return seen


def _first(service: LiveService, device: str | None) -> list[Happened]:
    """What a new client is told at once."""
    if device is None:
        return [*service.devices()]
    statuses = [status for status in service.devices() if status.device == device]
    seen = service.latest(device)
    return [*statuses, seen] if seen is not None else [*statuses]


async def _stream(request: Request, context: Context, device: str | None) -> Response:
    if not context.keys.required:
        context.hosts.check_origin(request.headers, writes=False)
    key = identify(request, context)
    who = f"key {key.name}" if key else client_of(request)
    service = _live(context)
    slot = context.streams.enter(who)
    try:
        first = await context.readers.run(_first, service, device)
    except BaseException:
        context.streams.leave(slot)
        raise

    async def write(happened: Happened) -> bytes:
        if isinstance(happened, View):
            if device is None:
                happened = replace(happened, picture=None)
            elif happened.pictured and happened.picture is None:
                # A store that is elsewhere tells of a view before it has its picture at hand.
                with suppress(Overloaded):  # it is shown without, rather than not at all
                    happened = await context.readers.run(service.latest, device) or happened
        return live.event(happened, context.signer)

    async def now() -> list[Happened]:
        with suppress(Overloaded):  # then it is known with the next view
            return await context.readers.run(_first, service, device)
        return []

    def allowed() -> bool:
        key = identify(request, context)
        return not context.keys.required or (key is not None and "read" in key.scopes)

    content = context.streams.events(
        service,
        slot,
        device,
        first,
        write,
        now=now,
        allowed=allowed,
        outlet=outlet_of(request.scope),
    )
    return StreamResponse(context.streams, slot, content)
