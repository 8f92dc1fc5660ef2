"""What clients get: models that document the answers, and the functions that fill them.

Answers are built as plain dicts and serialized in one pass; the models are their description,
and the tests check that they agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.responses import Response

from kinlens.http.signing import UrlSigner
from kinlens.types import (
    Answer,
    EncoderIdentity,
    FacetCount,
    FieldKind,
    Hit,
    Item,
    Metric,
    Outcome,
    Scalar,
    State,
    Timing,
    Value,
)
from kinlens.types import Field as MetadataField

if TYPE_CHECKING:
    from kinlens.catalog.base import CatalogStats


T = TypeVar("T", Item, Hit)
MAX_ANSWER_BYTES = 8_000_000
"""Of the metadata in one answer, as JSON."""

WARNINGS = Field(description="What the filter may not mean, such as a field that no item has.")


class HitBody(BaseModel):
    """One look-alike."""

    id: str
    score: float = Field(description="Cosine similarity in [-1, 1]; higher is more alike.")
    distance: float = Field(description="By the query's metric; lower is more alike.")
    metadata: dict[str, Value]
    width: int
    height: int
    image_url: str = Field(description="Signed; expires.")
    thumbnail_url: str = Field(description="Signed; expires.")


class FacetBody(BaseModel):
    """How many items have this value."""

    value: Scalar | None
    count: int


class EncoderBody(BaseModel):
    """Whose vectors were compared."""

    name: str
    fingerprint: str
    dim: int


class TookBody(BaseModel):
    """Where the time went, in milliseconds."""

    decode: float
    encode: float
    search: float
    total: float


class AnswerBody(BaseModel):
    """What a search found, best first."""

    hits: list[HitBody]
    total: int = Field(description="Items that pass the filter.")
    facets: dict[str, list[FacetBody]]
    exact: bool = Field(description="Whether these are provably the true neighbors.")
    metric: Metric
    encoder: EncoderBody
    took_ms: TookBody
    warnings: list[str] = WARNINGS


class ItemAnswer(BaseModel):
    """An item of the catalog."""

    id: str
    metadata: dict[str, Value]
    width: int
    height: int
    image_url: str
    thumbnail_url: str
    content_hash: str = Field(description="SHA-256 of the picture's bytes.")


class ItemsAnswer(BaseModel):
    """A page of items, by id."""

    items: list[ItemAnswer]
    next: str | None = Field(description="Pass as `after` for the next page; null at the end.")
    total: int = Field(description="Items that pass the filter.")
    warnings: list[str] = WARNINGS


class OutcomeBody(BaseModel):
    """What became of one item."""

    id: str
    state: State
    reason: str


class OutcomesAnswer(BaseModel):
    """What became of each item, in the order sent."""

    results: list[OutcomeBody]
    indexed: int
    unchanged: int
    failed: int


class DeletedAnswer(BaseModel):
    """The ids that existed and are gone."""

    deleted: list[str]


class FacetsAnswer(BaseModel):
    """Counts over the filtered items, the most frequent first."""

    total: int
    facets: dict[str, list[FacetBody]]
    warnings: list[str] = WARNINGS


class FieldBody(BaseModel):
    """A metadata field."""

    name: str
    kind: FieldKind
    count: int
    distinct: int
    minimum: int | float | None
    maximum: int | float | None


class FieldsAnswer(BaseModel):
    """The metadata fields of the catalog, by name."""

    fields: list[FieldBody]


class StatsAnswer(BaseModel):
    """How much there is."""

    items: int
    encoder: EncoderBody
    matrix_bytes: int = Field(description="Memory of the search matrix.")
    database_bytes: int = Field(description="Size of the database on disk.")


class ReadyAnswer(BaseModel):
    """Whether requests can be answered."""

    ready: bool
    checks: dict[str, str]


class SampleAnswer(BaseModel):
    """Signed, absolute picture URLs, best first."""

    images: list[str]


def json_response(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Serialize in one pass; a number that isn't finite becomes null."""
    content = to_json(body, inf_nan_mode="null")
    return Response(content, status, headers, media_type="application/json")


def fitting(found: Iterable[T], limit: int) -> tuple[list[T], bool]:
    """The first items or hits that fit an answer, one at least, and whether there are more.

    Parameters
    ----------
    found : read no further than needed
    limit : items at most
    """
    shown: list[T] = []
    size = 0
    for entry in found:
        size += len(to_json(entry.metadata, inf_nan_mode="null"))
        if shown and (size > MAX_ANSWER_BYTES or len(shown) == limit):
            return shown, True
        shown.append(entry)
    return shown, False


def answer(found: Answer, signer: UrlSigner) -> dict[str, Any]:
    """The body of a search."""
    shown, is_cut = fitting(found.hits, len(found.hits))
    warnings = list(found.warnings)
    if is_cut:
        warnings.append(
            f"The metadata of {len(found.hits):,} hits is over {MAX_ANSWER_BYTES:,} bytes, so the "
            f"answer ends after {len(shown):,}; filter for the others with `where`."
        )
    return {
        "hits": hits(shown, signer),
        "total": found.total,
        "facets": facets(found.facets),
        "exact": found.exact,
        "metric": found.metric,
        "encoder": encoder(found.encoder),
        "took_ms": {stage: round(value, 3) for stage, value in stages(found.took).items()},
        "warnings": warnings,
    }


def hits(found: Sequence[Hit], signer: UrlSigner) -> list[dict[str, Any]]:
    """Look-alikes, best first."""
    return [
        {
            "id": hit.id,
            "score": hit.score,
            "distance": hit.distance,
            "metadata": hit.metadata,
            "width": hit.width,
            "height": hit.height,
            **_urls(hit.id, signer),
        }
        for hit in found
    ]


def item(entry: Item, signer: UrlSigner) -> dict[str, Any]:
    """The body of an item."""
    return {
        "id": entry.id,
        "metadata": entry.metadata,
        "width": entry.width,
        "height": entry.height,
        **_urls(entry.id, signer),
        "content_hash": entry.content_hash,
    }


def facets(counts: Mapping[str, tuple[FacetCount, ...]]) -> dict[str, list[dict[str, Any]]]:
    """Facet counts by field."""
    return {
        field: [{"value": entry.value, "count": entry.count} for entry in values]
        for field, values in counts.items()
    }


def encoder(identity: EncoderIdentity) -> dict[str, Any]:
    """Whose vectors."""
    return {"name": identity.name, "fingerprint": identity.fingerprint, "dim": identity.dim}


def outcomes(results: list[Outcome]) -> dict[str, Any]:
    """The body of an upsert."""
    states = [result.state for result in results]
    return {
        "results": [
            {"id": result.id, "state": result.state, "reason": result.reason} for result in results
        ],
        "indexed": states.count("indexed"),
        "unchanged": states.count("unchanged"),
        "failed": states.count("failed"),
    }


def field(entry: MetadataField) -> dict[str, Any]:
    """A metadata field."""
    return {
        "name": entry.name,
        "kind": entry.kind,
        "count": entry.count,
        "distinct": entry.distinct,
        "minimum": entry.minimum,
        "maximum": entry.maximum,
    }


def stats(figures: CatalogStats) -> dict[str, Any]:
    """Figures of the catalog."""
    return {
        "items": figures.items,
        "encoder": encoder(figures.encoder),
        "matrix_bytes": figures.matrix_bytes,
        "database_bytes": figures.database_bytes,
    }


def stages(took: Timing) -> dict[str, float]:
    """Milliseconds by stage."""
    return {
        "decode": took.decode,
        "encode": took.encode,
        "search": took.search,
        "total": took.total,
    }


def server_timing(took: Timing) -> dict[str, str]:
    """The stages as a header that browsers' network panels draw."""
    value = ", ".join(f"{stage};dur={value:.2f}" for stage, value in stages(took).items())
    return {"Server-Timing": value}


def _urls(item_id: str, signer: UrlSigner) -> dict[str, str]:
    image, thumbnail = signer.urls(item_id)
    return {"image_url": image, "thumbnail_url": thumbnail}
