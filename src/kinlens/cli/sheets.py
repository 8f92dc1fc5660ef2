"""The contact sheet of a search: what was asked for, and what was found."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from kinlens.cli.captions import Captions
from kinlens.contact_sheet import Tile, contact_sheet
from kinlens.errors import FetchError, NotFound, PictureError, SourceError
from kinlens.images import encode_thumbnail
from kinlens.search import Search
from kinlens.types import Answer, Example, Query

SIDE = 320
_GRAY = 238


def sheet_of(service: Search, query: Query, answer: Answer) -> Image.Image:
    """The pictures of a query, their crops marked, then the hits with names and scores.

    A picture that has become unreadable since is a gray square.
    """
    items = service.get([example.id for example in query.examples if example.id])
    shown = [(hit.id, hit.metadata) for hit in answer.hits]
    captions = Captions([*shown, *((item.id, item.metadata) for item in items.values())])
    asked = [
        Tile(
            _thumbnail(service, example),
            _asked_name(service, example, captions),
            _asked_note(example),
            query=True,
            crop=example.crop,
        )
        for example in query.examples
        if example.vector is None
    ]
    found = []
    for hit in answer.hits:
        note = f"score {hit.score:.3f}"
        if query.metric != "cosine":
            note += f" · {query.metric} {hit.distance:.3f}"
        name = captions.name(hit.id, hit.metadata)
        if captions.is_shared(hit.metadata):
            name = f"{name} ({captions.short(hit.id)})"
        found.append(Tile(_item_thumbnail(service, hit.id), name, note))
    return contact_sheet([*asked, *found])


def _asked_name(service: Search, example: Example, captions: Captions) -> str:
    if example.id is not None:
        return captions.name(example.id, service.get([example.id])[example.id].metadata)
    if example.path is not None:
        return Path(example.path).name
    return urlsplit(example.url).path.rpartition("/")[2] or example.url if example.url else ""


def _asked_note(example: Example) -> str:
    note = "query" if example.weight > 0 else "less like this"
    return f"{note} · item {example.id}" if example.id is not None else note


def _thumbnail(service: Search, example: Example) -> bytes:
    if example.id is not None:
        return _item_thumbnail(service, example.id)
    try:
        data = service.example_picture(example)
        picture = service.parts.loader.load(data, min_side=SIDE)
    except (FetchError, NotFound, PictureError, SourceError):
        return _blank()
    return encode_thumbnail(picture.pixels, SIDE)


def _item_thumbnail(service: Search, item_id: str) -> bytes:
    try:
        return service.thumbnail(item_id)[0]
    except (NotFound, PictureError, SourceError):
        return _blank()


def _blank() -> bytes:
    return encode_thumbnail(np.full((SIDE, SIDE, 3), _GRAY, np.uint8), SIDE)
