"""The nouns that every part of Kinlens shares: plain frozen data, checked when made."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from kinlens.errors import InvalidInput
from kinlens.picture_bytes import picture_bytes

Scalar: TypeAlias = str | int | float | bool
Value: TypeAlias = Scalar | list[str] | None
Metadata: TypeAlias = Mapping[str, Value]
Where: TypeAlias = Mapping[str, Any]
"""A filter as the user writes it: ``{"color": "red", "price": {"$lt": 50}}``."""

Vectors: TypeAlias = npt.NDArray[np.float32]
Pixels: TypeAlias = npt.NDArray[np.uint8]
"""uint8 (height, width, 3), sRGB, upright."""

PictureObject: TypeAlias = Any
"""A picture as Python holds it; see `kinlens.picture_bytes.picture_bytes`."""

Metric = Literal["cosine", "euclidean"]
METRICS: tuple[Metric, ...] = get_args(Metric)

DEFAULT_K = 10
"""Hits of a search that doesn't say how many, at every door."""

MAX_ID_LENGTH = 512
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
"""The whole numbers that metadata keeps, each exactly; tables and filters hold no others."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """What a vector must remember of the encoder that made it.

    Parameters
    ----------
    name : the encoder's name, for people
    fingerprint : hash of model and preprocessing recipe; equal means comparable
    dim : length of its vectors
    """

    name: str
    fingerprint: str
    dim: int


@dataclass(frozen=True, slots=True)
class Crop:
    """A box of an upright picture, in fractions of its width and height, each in [0, 1]."""

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        box = (self.x, self.y, self.width, self.height)
        inside = (
            all(math.isfinite(value) for value in box)
            and self.x >= 0
            and self.y >= 0
            and self.width > 0
            and self.height > 0
            and self.x + self.width <= 1 + 1e-6
            and self.y + self.height <= 1 + 1e-6
        )
        if not inside:
            raise InvalidInput(
                "A crop is x, y, width, height in fractions of the picture and lies inside it "
                f"(0 to 1, width and height above 0); got {box}."
            )


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to be like, or with a negative weight, unlike.

    Exactly one of the sources is given.

    Parameters
    ----------
    image : encoded picture bytes (JPEG, PNG, ...); a picture of Pillow or NumPy or an open binary
        file is taken too, and encoded or read at once, see `kinlens.picture_bytes.picture_bytes`
    path : a picture file on this machine; never filled from a request
    url : http or https address of a picture
    base64 : a data URL, or raw base64 of a picture
    id : an item of the catalog
    vector : float (dim,), any length; it is normalized
    weight : finite, not 0
    crop : the box of the picture to look at; not with a vector
    """

    image: bytes | PictureObject | None = None
    path: str | PathLike[str] | None = None
    url: str | None = None
    base64: str | None = None
    id: str | None = None
    vector: npt.NDArray[np.floating[Any]] | Sequence[float] | None = None
    weight: float = 1.0
    crop: Crop | None = None

    SOURCES = ("image", "path", "url", "base64", "id", "vector")

    def __post_init__(self) -> None:
        given = [name for name in Example.SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise InvalidInput(
                f"An example needs exactly one of {', '.join(Example.SOURCES)}; "
                f"got {', '.join(given) or 'none'}."
            )
        if not math.isfinite(self.weight) or self.weight == 0:
            raise InvalidInput(
                f"The weight of an example is a finite number other than 0; got {self.weight}."
            )
        if self.crop is not None and self.vector is not None:
            raise InvalidInput("A vector has no picture to crop; give the picture instead.")
        if self.image is not None and not isinstance(self.image, bytes):
            object.__setattr__(self, "image", picture_bytes(self.image))

    @property
    def source(self) -> str:
        """Which of the sources is given."""
        return next(name for name in Example.SOURCES if getattr(self, name) is not None)


def picture_source(text: str) -> dict[str, Any]:
    """What names a picture, as a keyword of `Example` and `NewItem`: a path, URL or data URL."""
    if text[:5].lower() == "data:":
        return {"base64": text}
    return {"url" if _SCHEME.match(text) else "path": text}


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for.

    Parameters
    ----------
    examples : at least one, with at least one positive weight
    k : how many hits at most, from 1 up
    where : filter applied before ranking
    metric : "cosine" or "euclidean"; sets `distance`
    facets : metadata fields to count over the filtered items
    """

    examples: tuple[Example, ...]
    k: int = DEFAULT_K
    where: Where | None = None
    metric: Metric = "cosine"
    facets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.examples:
            raise InvalidInput("A query needs at least one example; got none.")
        if all(example.weight < 0 for example in self.examples):
            raise InvalidInput(
                "A query needs an example with a positive weight: something to be like. "
                "All weights given are negative."
            )
        check_k(self.k)
        check_metric(self.metric)


def check_k(k: int) -> None:
    """Raise `InvalidInput` unless k is a whole number from 1 up."""
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InvalidInput(f"k is how many hits to return, a whole number from 1 up; got {k!r}.")


def check_metric(metric: str) -> None:
    """Raise `InvalidInput` unless the metric is one Kinlens has."""
    if metric not in METRICS:
        raise InvalidInput(f"The metric is one of {', '.join(METRICS)}; got {metric!r}.")


def check_id(item_id: str) -> None:
    """Raise `InvalidInput` unless the id is a non-empty string of at most 512 characters."""
    if not isinstance(item_id, str) or not item_id or len(item_id) > MAX_ID_LENGTH:
        raise InvalidInput(
            f"An item id is a string of 1 to {MAX_ID_LENGTH} characters; got {item_id!r:.80}."
        )
    if "\0" in item_id or _has_surrogate(item_id):
        raise InvalidInput(f"An item id holds no NUL and no lone surrogate; got {item_id!r:.80}.")


def check_new_id(item_id: str) -> None:
    """Raise `InvalidInput` for an id that no new item may have.

    Clients take the segments ``.`` and ``..`` out of URLs, percent-encoded too (WHATWG URL), so no
    request could name such an item. One that a catalog holds from before can still be changed.
    """
    check_id(item_id)
    if item_id in (".", ".."):
        raise InvalidInput(
            f"The id {item_id!r} can't be part of a URL, so no new item may have it; use another."
        )


def _has_surrogate(text: str) -> bool:
    # Most are ASCII, which is known without a look at each character.
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)


@dataclass(frozen=True, slots=True)
class Item:
    """A picture of the catalog, as stored.

    Parameters
    ----------
    id : the user's own
    picture : where its bytes are: "path:<absolute path>" for a file that stays where it is, or
        "copy:<sha256>" for bytes that Kinlens keeps in the catalog's `pictures/` folder
    content_hash : sha256 of the encoded bytes, hex
    width, height : of the upright picture, in pixels
    metadata : typed values
    """

    id: str
    picture: str
    content_hash: str
    width: int
    height: int
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """A neighbor as the catalog finds it: cosine similarity in [-1, 1], distance by the metric."""

    item: Item
    score: float
    distance: float


@dataclass(frozen=True, slots=True)
class FacetCount:
    """How many items of a filtered set have this value."""

    value: Scalar | None
    count: int


FieldKind = Literal["string", "number", "boolean", "list", "mixed"]


@dataclass(frozen=True, slots=True)
class Field:
    """A metadata field of the catalog.

    Parameters
    ----------
    name : as in the metadata
    kind : what its values are
    count : items that have it
    distinct : how many different values
    minimum, maximum : of a number field, as they are stored; else None
    """

    name: str
    kind: FieldKind
    count: int
    distinct: int
    minimum: int | float | None = None
    maximum: int | float | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Where an answer's time went, in milliseconds; `total` holds also what the others don't."""

    decode: float
    encode: float
    search: float
    total: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One look-alike.

    Parameters
    ----------
    id : the item
    score : cosine similarity in [-1, 1], higher is more alike, whatever the metric
    distance : by the query's metric: 1 - score for cosine, L2 for euclidean; lower is more alike
    metadata : of the item
    width, height : of its picture, so that a page can reserve the space
    """

    id: str
    score: float
    distance: float
    metadata: Metadata
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query found.

    Parameters
    ----------
    hits : best first, ties by the order in which items were first indexed
    total : items that pass the filter
    facets : counts over the filtered items, the most frequent first
    exact : whether these are provably the true neighbors
    metric : of `distance`
    encoder : whose vectors were compared
    took : where the time went
    warnings : what may not be meant as it was said, such as a filter by a field that no item has
    """

    hits: tuple[Hit, ...]
    total: int
    facets: Mapping[str, tuple[FacetCount, ...]]
    exact: bool
    metric: Metric
    encoder: EncoderIdentity
    took: Timing
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item to add or replace.

    Exactly one of image, path, url, base64 is given, or none to change only the metadata of an
    item that exists. As for `Example`, `image` may be a picture of Pillow or NumPy or an open file.
    """

    id: str
    image: bytes | PictureObject | None = None
    path: str | PathLike[str] | None = None
    url: str | None = None
    base64: str | None = None
    metadata: Metadata = field(default_factory=dict)

    SOURCES = ("image", "path", "url", "base64")

    def __post_init__(self) -> None:
        check_id(self.id)
        given = [name for name in NewItem.SOURCES if getattr(self, name) is not None]
        if len(given) > 1:
            raise InvalidInput(
                f"Item {self.id!r} needs one of {', '.join(NewItem.SOURCES)}; "
                f"got {', '.join(given)}."
            )
        if self.image is not None and not isinstance(self.image, bytes):
            object.__setattr__(self, "image", picture_bytes(self.image))


State = Literal["indexed", "unchanged", "failed", "removed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one picture; a row of the ledger.

    Parameters
    ----------
    id : the item
    state : "indexed" (encoded or its metadata changed), "unchanged", "failed", "removed"
    reason : why it failed, else ""
    reference : the picture as the source names it: a path, URL, or "" for bytes
    at : seconds since the epoch
    """

    id: str
    state: State
    reason: str = ""
    reference: str = ""
    at: float = 0.0
