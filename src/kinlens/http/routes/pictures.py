"""Pictures and thumbnails by signed URL, whose signature is the permission; previews of uploads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from fastapi import Query as Parameter
from starlette.requests import Request
from starlette.responses import Response

from kinlens.callers import CALLER
from kinlens.errors import InvalidInput
from kinlens.http.auth import READ, client_of
from kinlens.http.bodies import MULTIPART, content_type, read_form
from kinlens.http.coding import is_current
from kinlens.http.context import context_of
from kinlens.http.headers import PICTURE_POLICY
from kinlens.http.openapi import problems, request_body
from kinlens.http.paths import ITEM
from kinlens.http.requests import PreviewForm
from kinlens.images import for_browser, render
from kinlens.types import check_id

router = APIRouter(tags=["pictures"])
ItemId = Annotated[str, Path(alias="id")]
Expires = Annotated[int, Parameter(ge=0, le=2**53)]
Signature = Annotated[str, Parameter(max_length=200)]
Rendition = Annotated[
    Literal["original", "browser"],
    Parameter(description="The bytes as they are, or what every browser shows."),
]
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture's bytes", "content": {"image/*": {}}},
    304: {"description": "Unchanged"},
    **problems(403, 404, 413, 422, 429, 503),
}


@router.get(
    f"/v1/images/{ITEM}",
    summary="An item's picture",
    response_class=Response,
    responses=_RESPONSES,
)
async def image(
    request: Request,
    item_id: ItemId,
    expires: Expires,
    signature: Signature,
    rendition: Rendition = "original",
) -> Response:
    """The original bytes, also of formats that browsers don't show, such as HEIC and TIFF.

    With `rendition=browser`, a JPEG of at most 2048 pixels a side stands for those.
    """
    search = context_of(request).search

    def shown(of: str) -> tuple[bytes, str]:
        return for_browser(search.picture(of)[0], search.parts.loader)

    load = search.picture if rendition == "original" else shown
    return await _send(request, item_id, expires, signature, load)


@router.get(
    f"/v1/thumbnails/{ITEM}",
    summary="An item's thumbnail",
    response_class=Response,
    responses=_RESPONSES,
)
async def thumbnail(
    request: Request, item_id: ItemId, expires: Expires, signature: Signature
) -> Response:
    """A small picture that every browser shows."""
    return await _send(request, item_id, expires, signature, context_of(request).search.thumbnail)


@router.post(
    "/v1/preview",
    summary="A picture as browsers show it",
    dependencies=[Depends(READ)],
    response_class=Response,
    responses={
        200: {"description": "A JPEG", "content": {"image/jpeg": {}}},
        **problems(400, 401, 403, 413, 415, 422, 429, 503),
    },
    openapi_extra=request_body({MULTIPART: PreviewForm}),
)
async def preview(request: Request) -> Response:
    """A JPEG of at most 2048 pixels a side of a picture that isn't in the catalog.

    For pages whose browser doesn't show the picture that a person chose, such as a HEIC.
    """
    content_type(request, (MULTIPART,))
    form = await read_form(request, max_images=1, known=())
    if not form.images:
        raise InvalidInput("A form needs an `image` part: the picture to show.")
    context = context_of(request)
    content = await context.readers.run(render, form.images[0], context.search.parts.loader)
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


async def _send(
    request: Request,
    item_id: str,
    expires: int,
    signature: str,
    load: Callable[[str], tuple[bytes, str]],
) -> Response:
    context = context_of(request)
    CALLER.set(client_of(request))
    context.limits.take(CALLER.get(), "pictures")
    check_id(item_id)
    left = context.signer.check(item_id, expires, signature)
    content, media_type, tag = await context.readers.run(_tagged, load, item_id)
    headers = {
        "ETag": tag,
        "Cache-Control": f"private, max-age={int(left)}",
        "Content-Disposition": "inline",
        "Content-Security-Policy": PICTURE_POLICY,
        # Pages of other origins show pictures by these URLs; the signature is what guards them.
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if is_current(request.headers.getlist("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=media_type)


def _tagged(load: Callable[[str], tuple[bytes, str]], item_id: str) -> tuple[bytes, str, str]:
    content, media_type = load(item_id)
    return content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
