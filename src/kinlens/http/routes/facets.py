"""Facets, fields and figures of the catalog."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from kinlens.catalog.advice import filter_warnings
from kinlens.http import answers
from kinlens.http.auth import READ
from kinlens.http.bodies import JSON, read_json
from kinlens.http.context import context_of
from kinlens.http.openapi import problems, request_body
from kinlens.http.requests import FacetsBody

router = APIRouter(tags=["catalog"], dependencies=[Depends(READ)])


@router.post(
    "/v1/facets",
    summary="Count values",
    response_model=answers.FacetsAnswer,
    responses=problems(400, 401, 403, 413, 415, 422, 429, 503),
    openapi_extra=request_body({JSON: FacetsBody}),
)
async def facets(request: Request) -> Response:
    """Count the values of metadata fields over the items that pass a filter."""
    body = await read_json(request, FacetsBody)
    search = context_of(request).search

    def count() -> dict[str, object]:
        with search.view(body.where, metadata=True) as view:
            counts = view.facets(tuple(dict.fromkeys(body.fields)))
            total, warnings = view.count(), filter_warnings(view)
        return {"total": total, "facets": answers.facets(counts), "warnings": warnings}

    return answers.json_response(await context_of(request).readers.run(count))


@router.get(
    "/v1/fields",
    summary="Metadata fields",
    response_model=answers.FieldsAnswer,
    responses=problems(401, 403, 429, 503),
)
async def fields(request: Request) -> Response:
    """The metadata fields that items have, with kind, count and range."""
    context = context_of(request)
    found = await context.readers.run(context.search.fields)
    return answers.json_response({"fields": [answers.field(entry) for entry in found]})


@router.get(
    "/v1/stats",
    summary="Figures of the catalog",
    response_model=answers.StatsAnswer,
    responses=problems(401, 403, 429, 503),
)
async def stats(request: Request) -> Response:
    """How much there is, and which encoder made its vectors."""
    context = context_of(request)
    return answers.json_response(answers.stats(await context.readers.run(context.search.stats)))
