"""The two routes of the AWS visual search sample, so that its front end works unchanged.

The front end runs on an origin of its own: name that in ``cors_origins``. It sends no key, so a
server with keys needs a proxy before it that adds one.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from kinlens.http import answers
from kinlens.http.auth import READ
from kinlens.http.bodies import JSON, read_json
from kinlens.http.context import context_of
from kinlens.http.openapi import problems, request_body
from kinlens.http.requests import PostImageBody, PostUrlBody
from kinlens.types import Example, Query

router = APIRouter(tags=["aws sample"], dependencies=[Depends(READ)])
_PROBLEMS = problems(400, 401, 403, 413, 415, 422, 429, 503)


@router.post("//postURL", include_in_schema=False)
@router.post(
    "/postURL",
    summary="Search by URL",
    response_model=answers.SampleAnswer,
    responses=_PROBLEMS,
    openapi_extra=request_body({JSON: PostUrlBody}),
)
async def post_url(request: Request) -> Response:
    """Search by the URL of a picture, as the AWS sample's front end does."""
    body = await read_json(request, PostUrlBody)
    return await _reply(request, Query((Example(url=body.url),), k=body.k))


@router.post("//postImage", include_in_schema=False)
@router.post(
    "/postImage",
    summary="Search by picture",
    response_model=answers.SampleAnswer,
    responses=_PROBLEMS,
    openapi_extra=request_body({JSON: PostImageBody}),
)
async def post_image(request: Request) -> Response:
    """Search by a picture in base64, as the AWS sample's front end does."""
    body = await read_json(request, PostImageBody)
    return await _reply(request, Query((Example(base64=body.base64img),), k=body.k))


async def _reply(request: Request, query: Query) -> Response:
    context = context_of(request)
    found = await context.searchers(query).run(context.search.search, query)
    context.metrics.searched(found.took)
    base = "" if context.signer.prefix else str(request.base_url).rstrip("/")
    return answers.json_response(
        {"images": [base + context.signer.urls(hit.id)[0] for hit in found.hits]}
    )
