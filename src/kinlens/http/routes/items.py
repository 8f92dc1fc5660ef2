"""Items: add, replace, read, list, delete."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi import Query as Parameter
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from kinlens.catalog.advice import filter_warnings
from kinlens.errors import InvalidInput, NotFound
from kinlens.http import answers
from kinlens.http.auth import READ, WRITE
from kinlens.http.bodies import (
    JSON,
    MULTIPART,
    check_values,
    content_type,
    parse_names,
    parse_where,
    read_form,
    read_json,
    validate,
)
from kinlens.http.context import Context, context_of
from kinlens.http.openapi import problems, request_body
from kinlens.http.paths import ITEM
from kinlens.http.queries import to_item
from kinlens.http.requests import (
    MAX_ITEMS,
    MAX_K,
    IdsBody,
    ItemBody,
    ItemForm,
    ItemsBody,
    ItemsForm,
    NewItemBody,
)
from kinlens.http.routes.search import reply
from kinlens.types import DEFAULT_K, Item, Metric, NewItem, Outcome, check_id

router = APIRouter(tags=["items"])
ItemId = Annotated[
    str, Path(alias="id", description="The item's id; a slash in it may be sent as it is.")
]
_ITEMS = TypeAdapter(list[NewItemBody])


@router.post(
    "/v1/items",
    summary="Add or replace items",
    dependencies=[Depends(WRITE)],
    response_model=answers.OutcomesAnswer,
    responses=problems(400, 401, 403, 413, 415, 422, 429, 503, 507),
    openapi_extra=request_body({JSON: ItemsBody, MULTIPART: ItemsForm}),
)
async def add_items(request: Request) -> Response:
    """Add or replace up to 256 items.

    One bad picture doesn't fail the others: each item has its own result and reason. As
    multipart, `items` is a JSON list whose entries name an `image` part as `{"upload": 0}`.
    """
    if content_type(request, (JSON, MULTIPART)) == JSON:
        items, uploads = (await read_json(request, ItemsBody)).items, []
    else:
        form = await read_form(request, max_images=MAX_ITEMS, known=("items",))
        if "items" not in form.fields:
            raise InvalidInput("A form needs an `items` part: a JSON list of the items.")
        check_values(form.fields["items"])
        listed = _ITEMS.validate_json(form.fields["items"], strict=True)
        items, uploads = ItemsBody(items=listed).items, form.images
    refused = {at: outcome for at, entry in enumerate(items) if (outcome := _refusal(entry.id))}
    new = [to_item(entry.id, entry, uploads) for at, entry in enumerate(items) if at not in refused]
    added = iter(await add(new, context_of(request)))
    outcomes = [refused.get(at) or next(added) for at in range(len(items))]
    return answers.json_response(answers.outcomes(outcomes))


@router.put(
    f"/v1/items/{ITEM}",
    summary="Add or replace an item",
    dependencies=[Depends(WRITE)],
    response_model=answers.ItemAnswer,
    responses={
        201: {"description": "Added", "model": answers.ItemAnswer},
        **problems(400, 401, 403, 413, 415, 422, 429, 503, 507),
    },
    openapi_extra=request_body({JSON: ItemBody, MULTIPART: ItemForm}),
)
async def put_item(request: Request, item_id: ItemId) -> Response:
    """Add or replace one item; without a picture, replace the metadata of one that exists."""
    check_id(item_id)
    if content_type(request, (JSON, MULTIPART)) == JSON:
        body, uploads = await read_json(request, ItemBody), []
    else:
        form = await read_form(request, max_images=1, known=("metadata",))
        metadata = form.fields.get("metadata", "{}").encode()
        body = validate(ItemBody, b'{"metadata":' + metadata + b"}")
        body.upload, uploads = (0 if form.images else None), form.images
    context = context_of(request)
    existed = await find(item_id, context)
    [outcome] = await add([to_item(item_id, body, uploads)], context)
    if outcome.state == "failed":
        raise InvalidInput(outcome.reason)
    found = await find(item_id, context)
    if found is None:
        raise NotFound(f"Item {item_id!r:.80} was deleted at the same moment.")
    return answers.json_response(answers.item(found, context.signer), 200 if existed else 201)


@router.get(
    "/v1/items",
    summary="List items",
    dependencies=[Depends(READ)],
    response_model=answers.ItemsAnswer,
    responses=problems(400, 401, 403, 422, 429, 503),
)
async def list_items(
    request: Request,
    limit: Annotated[int, Parameter(ge=1, le=500)] = 50,
    after: Annotated[str | None, Parameter(description="`next` of the page before.")] = None,
    where: Annotated[str | None, Parameter(description="A filter, as JSON.")] = None,
) -> Response:
    """List the items that pass a filter, by id, a page at a time.

    A page ends earlier where its items' metadata reach 8,000,000 bytes; `next` goes on from there.
    """
    context = context_of(request)
    condition = parse_where(where)

    def page() -> Response:
        with context.search.view(condition) as view:
            found = view.scan(after=after, limit=limit + 1)
            shown, has_more = answers.fitting(found, limit)
            total, warnings = view.count(), filter_warnings(view)
        body = {
            "items": [answers.item(entry, context.signer) for entry in shown],
            "next": shown[-1].id if has_more else None,
            "total": total,
            "warnings": warnings,
        }
        return answers.json_response(body)

    return await context.readers.run(page)


@router.get(
    f"/v1/items/{ITEM}/similar",
    summary="Items like an item",
    tags=["search"],
    dependencies=[Depends(READ)],
    response_model=answers.AnswerBody,
    responses=problems(400, 401, 403, 404, 422, 429, 503),
)
async def similar(
    request: Request,
    item_id: ItemId,
    *,
    k: Annotated[int, Parameter(ge=1, le=MAX_K)] = DEFAULT_K,
    where: Annotated[str | None, Parameter(description="A filter, as JSON.")] = None,
    metric: Metric = "cosine",
    facets: Annotated[str | None, Parameter(description="Field names, by commas.")] = None,
) -> Response:
    """Find the look-alikes of an item of the catalog; the item itself is left out."""
    if not request.scope.get("raw_path", b"/similar").endswith(b"/similar"):
        return await get_item(request, f"{item_id}/similar")  # sent as %2Fsimilar: it is in the id
    check_id(item_id)
    context = context_of(request)
    return await context.readers.run(
        reply,
        context,
        context.search.similar,
        item_id,
        k=k,
        where=parse_where(where),
        metric=metric,
        facets=parse_names(facets),
    )


@router.get(
    f"/v1/items/{ITEM}",
    summary="Read an item",
    dependencies=[Depends(READ)],
    response_model=answers.ItemAnswer,
    responses=problems(401, 403, 404, 422, 429, 503),
)
async def get_item(request: Request, item_id: ItemId) -> Response:
    """Read one item."""
    check_id(item_id)
    context = context_of(request)
    found = await find(item_id, context)
    if found is None:
        raise NotFound(f"There is no item {item_id!r:.80}.")
    return answers.json_response(answers.item(found, context.signer))


@router.delete(
    f"/v1/items/{ITEM}",
    summary="Delete an item",
    dependencies=[Depends(WRITE)],
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 422, 429, 503, 507),
)
async def delete_item(request: Request, item_id: ItemId) -> Response:
    """Delete one item."""
    check_id(item_id)
    context = context_of(request)
    if not await context.writers.run(context.search.delete, [item_id]):
        raise NotFound(f"There is no item {item_id!r:.80}.")
    return Response(status_code=204)


@router.post(
    "/v1/items/delete",
    summary="Delete items",
    dependencies=[Depends(WRITE)],
    response_model=answers.DeletedAnswer,
    responses=problems(400, 401, 403, 413, 415, 422, 429, 503, 507),
    openapi_extra=request_body({JSON: IdsBody}),
)
async def delete_items(request: Request) -> Response:
    """Delete up to 1,000 items; ids that don't exist are passed over."""
    ids = (await read_json(request, IdsBody)).ids
    for item_id in ids:
        check_id(item_id)
    context = context_of(request)
    deleted = await context.writers.run(context.search.delete, list(dict.fromkeys(ids)))
    return answers.json_response({"deleted": deleted})


def _refusal(item_id: str) -> Outcome | None:
    """The failure of an item whose id no catalog can hold, not even in its ledger."""
    try:
        check_id(item_id)
    except InvalidInput as error:
        return Outcome(item_id, "failed", str(error), at=time.time())
    return None


async def find(item_id: str, context: Context) -> Item | None:
    """An item, if it exists."""
    found: dict[str, Item] = await context.readers.run(context.search.get, [item_id])
    return found.get(item_id)


async def add(new: Sequence[NewItem], context: Context) -> list[Outcome]:
    """Add items, in a thread of the writers, or if URLs are to be fetched, of those for it."""
    outcomes: list[Outcome] = await context.adders(new).run(context.search.add, new)
    return outcomes
