"""What clients send: pydantic models, checked before anything is done with them."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from kinlens.types import DEFAULT_K, MAX_ID_LENGTH, MAX_INTEGER, MIN_INTEGER, Metric

MAX_K = 1000
MAX_EXAMPLES = 16
MAX_ITEMS = 256
MAX_DELETIONS = 1000
MAX_FIELDS = 32
MAX_METADATA_FIELDS = 256
MAX_TEXT = 20_000
MAX_VECTOR = 16_384
MAX_WHERE_DEPTH = 16
MAX_WHERE_SIZE = 2_000
MAX_VALUES = 300_000
"""Of one JSON document: above what 16 vectors of the longest kind have."""


def check_where(where: object) -> object:
    """Refuse a filter too deep or too large to be meant, and numbers that no item can hold."""
    if _weigh(where, 0) > MAX_WHERE_SIZE:
        raise ValueError(f"a filter holds at most {MAX_WHERE_SIZE} values and operators")
    return where


def _weigh(node: object, depth: int) -> int:
    if depth > MAX_WHERE_DEPTH:
        raise ValueError(f"a filter is at most {MAX_WHERE_DEPTH} levels deep")
    if isinstance(node, dict):
        return 1 + sum(_weigh(child, depth + 1) for child in node.values())
    if isinstance(node, list):
        return 1 + sum(_weigh(child, depth + 1) for child in node)
    if isinstance(node, float) and not math.isfinite(node):
        raise ValueError("a filter's numbers are finite")
    if isinstance(node, int):
        _check_integer(node)
    return 1


def _check_integer(value: object) -> object:
    if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        raise ValueError("a whole number lies between -2**63 and 2**63 - 1; send it as a text")
    return value


Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH, examples=["dress-0042"])]
Name = Annotated[str, Field(min_length=1, max_length=256)]
Names = Annotated[list[Name], Field(max_length=MAX_FIELDS)]
K = Annotated[int, Field(ge=1, le=MAX_K, description="How many hits at most.")]
Filter = Annotated[
    dict[str, Any],
    BeforeValidator(check_where),
    Field(
        description="A filter, applied before ranking: field to value, or to operators "
        "$eq $ne $in $nin $gt $gte $lt $lte $exists; $and, $or, $not combine; "
        "$field holds names that start with $.",
        examples=[{"color": "red", "price": {"$lt": 50}}],
    ),
]
Number = Annotated[float, Field(allow_inf_nan=False)]
Integer = Annotated[int, Field(ge=MIN_INTEGER, le=MAX_INTEGER)]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
# A float takes any whole number and rounds it, so those out of range must not get that far.
MetadataValue = Annotated[
    bool | Integer | Number | Text | list[Text] | None, BeforeValidator(_check_integer)
]
MetadataFields = Annotated[
    dict[Name, MetadataValue],
    Field(
        max_length=MAX_METADATA_FIELDS,
        description="What is known of the item: texts, numbers, booleans, lists of texts.",
        examples=[{"color": "red", "price": 39.9, "tags": ["summer", "sale"]}],
    ),
]
Weight = Annotated[
    float,
    Field(
        ge=-1000,
        le=1000,
        allow_inf_nan=False,
        description="How much to be like this; negative is unlike. Not 0.",
    ),
]


class Strict(BaseModel):
    """A request in which an unknown or mistyped field is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CropBox(Strict):
    """A box of the upright picture, in fractions of its width and height."""

    x: Annotated[Number, Field(ge=0, le=1)]
    y: Annotated[Number, Field(ge=0, le=1)]
    width: Annotated[Number, Field(gt=0, le=1)]
    height: Annotated[Number, Field(gt=0, le=1)]


class ExampleBody(Strict):
    """One thing to be like. Exactly one of url, image, id, vector, upload is given."""

    url: Annotated[str | None, Field(max_length=4096, description="http or https.")] = None
    image: Annotated[str | None, Field(description="A data URL, or base64 of a picture.")] = None
    id: Annotated[Id | None, Field(description="An item of the catalog.")] = None
    vector: Annotated[list[Number] | None, Field(max_length=MAX_VECTOR)] = None
    upload: Annotated[
        int | None, Field(ge=0, lt=MAX_EXAMPLES, description="In multipart: which `image` part.")
    ] = None
    weight: Weight = 1.0
    crop: CropBox | None = None


class SearchBody(Strict):
    """What to search for."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"examples": [{"id": "dress-0042"}], "k": 12, "where": {"color": "red"}},
                {"examples": [{"url": "https://shop.example/a.jpg"}, {"id": "x", "weight": -0.5}]},
            ]
        },
    )

    examples: Annotated[list[ExampleBody], Field(max_length=MAX_EXAMPLES)] = []
    k: K = DEFAULT_K
    where: Filter | None = None
    metric: Metric = "cosine"
    facets: Names = []


class ItemBody(Strict):
    """A picture by url, image, or (in multipart) upload; none changes only the metadata."""

    url: Annotated[str | None, Field(max_length=4096, description="http or https.")] = None
    image: Annotated[str | None, Field(description="A data URL, or base64 of a picture.")] = None
    upload: Annotated[
        int | None, Field(ge=0, lt=MAX_ITEMS, description="In multipart: which `image` part.")
    ] = None
    metadata: MetadataFields = {}


class NewItemBody(ItemBody):
    """An item to add or replace."""

    id: Id


class ItemsBody(Strict):
    """Items to add or replace."""

    items: Annotated[list[NewItemBody], Field(min_length=1, max_length=MAX_ITEMS)]


class IdsBody(Strict):
    """Items to delete."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_DELETIONS)]


class FacetsBody(Strict):
    """Which fields to count, over which items."""

    fields: Annotated[list[Name], Field(min_length=1, max_length=MAX_FIELDS)]
    where: Filter | None = None


def _whole(value: object) -> object:
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


SampleK = Annotated[K, BeforeValidator(_whole)]
"""The sample's front end sends k as a number or as a text."""


class PostUrlBody(BaseModel):
    """The AWS sample's search by URL."""

    url: Annotated[str, Field(min_length=1, max_length=4096)]
    k: SampleK = 3


class PostImageBody(BaseModel):
    """The AWS sample's search by picture."""

    base64img: Annotated[str, Field(min_length=1, description="Base64 or a data URL.")]
    k: SampleK = 3


class SearchForm(BaseModel):
    """A search as a form: pictures, and either `query` or the simple fields."""

    image: Annotated[list[bytes], Field(description="Pictures; each is an example of weight 1.")]
    query: Annotated[SearchBody | None, Field(description="As JSON; replaces the rest.")] = None
    k: K = DEFAULT_K
    where: Annotated[str | None, Field(description="A filter, as JSON.")] = None
    metric: Metric = "cosine"
    facets: Annotated[str | None, Field(description="Field names, by commas.")] = None
    crop: Annotated[
        str | None, Field(description="x,y,width,height in fractions.", examples=["0.1,0,0.5,1"])
    ] = None


class PreviewForm(BaseModel):
    """A picture to show."""

    image: bytes


class ItemsForm(BaseModel):
    """Items as a form: pictures, and what they are."""

    image: list[bytes] = []
    items: Annotated[list[NewItemBody], Field(description='As JSON; {"upload": 0} names a part.')]


class ItemForm(BaseModel):
    """An item as a form."""

    image: bytes | None = None
    metadata: Annotated[MetadataFields, Field(description="As JSON.")] = {}
