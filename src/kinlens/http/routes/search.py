"""Search by picture, URL, base64, item, vector, or a mix of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from kinlens.http import answers
from kinlens.http.auth import READ
from kinlens.http.bodies import JSON, MULTIPART, content_type, read_form, read_json
from kinlens.http.context import Context, context_of
from kinlens.http.openapi import problems, request_body
from kinlens.http.queries import form_to_body, to_query
from kinlens.http.requests import MAX_EXAMPLES, SearchBody, SearchForm
from kinlens.types import Answer

router = APIRouter(tags=["search"], dependencies=[Depends(READ)])
P = ParamSpec("P")
FORM_FIELDS = ("query", "k", "where", "metric", "facets", "crop")


@router.post(
    "/v1/search",
    summary="Search",
    response_model=answers.AnswerBody,
    responses=problems(400, 401, 403, 404, 413, 415, 422, 429, 503),
    openapi_extra=request_body({JSON: SearchBody, MULTIPART: SearchForm}),
)
async def search(request: Request) -> Response:
    """Find the look-alikes of one or more examples.

    As JSON, an example is a `url`, an `image` (base64 or data URL), an `id` or a `vector`. As
    multipart, the pictures are `image` parts: with a `query` part, which is the same JSON and
    says `{"upload": 0}` for the first of them, or with the simple fields `k`, `where`, `metric`,
    `facets`, `crop`, and then each picture is an example of weight 1.
    """
    if content_type(request, (JSON, MULTIPART)) == JSON:
        query = to_query(await read_json(request, SearchBody))
    else:
        form = await read_form(request, max_images=MAX_EXAMPLES, known=FORM_FIELDS)
        query = to_query(form_to_body(form), form.images)
    context = context_of(request)
    return await context.searchers(query).run(reply, context, context.search.search, query)


def reply(
    context: Context, search: Callable[P, Answer], *args: P.args, **kwargs: P.kwargs
) -> Response:
    """Search, and write the answer, with its stages in Server-Timing; for a worker's thread."""
    found = search(*args, **kwargs)
    context.metrics.searched(found.took)
    body = answers.answer(found, context.signer)
    return answers.json_response(body, headers=answers.server_timing(found.took))
