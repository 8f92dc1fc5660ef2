"""From what clients send to the domain's queries and items.

A path is not among the sources that a request can name, so no request reads a local file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kinlens.errors import InvalidInput
from kinlens.http.bodies import Form, parse_names, parse_where, validate
from kinlens.http.requests import CropBox, ExampleBody, ItemBody, SearchBody
from kinlens.types import Crop, Example, NewItem, Query


def to_query(body: SearchBody, uploads: Sequence[bytes] = ()) -> Query:
    """The query; uploads without examples are examples of weight 1."""
    examples = body.examples or [ExampleBody(upload=place) for place in range(len(uploads))]
    used = {example.upload for example in examples} - {None}
    if len(used) < len(uploads):
        raise InvalidInput(
            f"{len(uploads)} images were sent and {len(used)} are used; name each in an example "
            'as {"upload": 0}, {"upload": 1} ..., or leave the examples out.'
        )
    return Query(
        tuple(_to_example(example, uploads) for example in examples),
        k=body.k,
        where=body.where,
        metric=body.metric,
        facets=tuple(dict.fromkeys(body.facets)),
    )


def to_item(item_id: str, body: ItemBody, uploads: Sequence[bytes] = ()) -> NewItem:
    """The new item."""
    metadata: dict[str, Any] = body.metadata
    return NewItem(
        item_id,
        image=_upload(body.upload, uploads),
        url=body.url,
        base64=body.image,
        metadata=metadata,
    )


def form_to_body(form: Form) -> SearchBody:
    """What a multipart search asks for besides its pictures."""
    fields = {name: text for name, text in form.fields.items() if text.strip()}
    if "query" in fields:
        if len(fields) > 1:
            raise InvalidInput(
                "A form has either a `query` part or the simple fields; put "
                f"{', '.join(sorted(fields.keys() - {'query'}))} into the query."
            )
        return validate(SearchBody, fields["query"])
    if not form.images:
        raise InvalidInput("A form needs at least one `image` part, or a `query` part.")
    values: dict[str, Any] = {name: fields[name] for name in ("k", "metric") if name in fields}
    values["where"] = parse_where(fields.get("where"))
    values["facets"] = parse_names(fields.get("facets"))
    body = SearchBody.model_validate(values, strict=False)
    if "crop" in fields:
        box = _to_box(fields["crop"])
        body.examples = [ExampleBody(upload=place, crop=box) for place in range(len(form.images))]
    return body


def _to_example(body: ExampleBody, uploads: Sequence[bytes]) -> Example:
    box = body.crop
    return Example(
        image=_upload(body.upload, uploads),
        url=body.url,
        base64=body.image,
        id=body.id,
        vector=body.vector,
        weight=body.weight,
        crop=Crop(box.x, box.y, box.width, box.height) if box else None,
    )


def _upload(place: int | None, uploads: Sequence[bytes]) -> bytes | None:
    if place is None:
        return None
    if place >= len(uploads):
        raise InvalidInput(
            f"upload {place} needs a multipart body with at least {place + 1} `image` parts; got "
            f"{len(uploads)}."
        )
    return uploads[place]


def _to_box(text: str) -> CropBox:
    parts = text.split(",")
    if len(parts) != 4:
        raise InvalidInput(
            f"crop is x,y,width,height in fractions of the picture; got {text!r:.80}."
        )
    names = ("x", "y", "width", "height")
    return CropBox.model_validate(dict(zip(names, parts, strict=True)), strict=False)
