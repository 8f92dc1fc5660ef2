"""The seam for catalogs: where items, their vectors and their metadata live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kinlens.catalog.filters import Filter
from kinlens.catalog.owners import HAND, Claim, Owners
from kinlens.types import (
    EncoderIdentity,
    FacetCount,
    Field,
    Item,
    Match,
    Metadata,
    Metric,
    Vectors,
    Where,
)


@dataclass(frozen=True, slots=True)
class CatalogStats:
    """Sizes of a catalog.

    Parameters
    ----------
    items : how many
    dim : length of their vectors
    matrix_bytes : vectors in this process's memory; 0 before the first search
    database_bytes : on the disk, log included
    encoder : of the vectors
    """

    items: int
    dim: int
    matrix_bytes: int
    database_bytes: int
    encoder: EncoderIdentity


@dataclass(frozen=True, slots=True)
class SnapshotBlock:
    """Some items of a snapshot, in the order of first indexing.

    Parameters
    ----------
    rows : int64 (n,), ascending from block to block; an item's for as long as it is in the
        catalog, and never given to another
    ids, metadata : n of each
    vectors : float32 (n, dim), unit length
    """

    rows: npt.NDArray[np.int64]
    ids: list[str]
    metadata: list[Metadata]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class CatalogSnapshot:
    """One state of a catalog.

    Parameters
    ----------
    revision : grows with each write
    items : how many
    encoder : of the vectors
    blocks : all items; may be read once
    """

    revision: int
    items: int
    encoder: EncoderIdentity
    blocks: Iterator[SnapshotBlock]


class CatalogView(Protocol):
    """One state of a catalog, seen through a filter: all its answers agree with each other.

    For one thread, and for the time of the `with` block alone.
    """

    @property
    def where(self) -> Filter:
        """The filter."""

    @property
    def size(self) -> int:
        """How many items the catalog has, whatever the filter."""

    def count(self) -> int:
        """How many items pass the filter."""

    def has_field(self, name: str) -> bool:
        """Whether an item, of all there are, has this metadata field; needs `metadata`."""

    def fields(self) -> tuple[Field, ...]:
        """The metadata fields of all items, by name; needs `metadata`."""

    def kinds(
        self, compared: Iterable[tuple[str, str]], *, every: bool = False
    ) -> dict[str, frozenset[str]]:
        """See `Catalog.kinds`; needs `metadata`."""

    def facets(
        self, fields: Sequence[str], *, limit: int = 100
    ) -> Mapping[str, tuple[FacetCount, ...]]:
        """Counts of each field's values over the filtered items; needs `metadata`.

        See `Catalog.facets`.
        """

    def search(self, vectors: Vectors, k: int, *, metric: Metric = "cosine") -> list[list[Match]]:
        """The nearest of the filtered items; needs `vectors`. See `Catalog.search`."""

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Item]:
        """The filtered items in order of id, from the first id greater than `after`."""

    def get(self, ids: Sequence[str]) -> dict[str, Item]:
        """The items that exist, whatever the filter, by id."""

    def vectors_of(self, ids: Sequence[str]) -> dict[str, Vectors]:
        """The vectors, float32 (dim,), of those items that exist, whatever the filter, by id."""


class Catalog(Protocol):
    """Items with metadata and vectors of one active encoder.

    Thread-safe. Whatever returns has been stored durably, and every later call sees it, in this
    process at once and in others on their next call.
    """

    @property
    def encoder(self) -> EncoderIdentity:
        """Whose vectors the active space holds."""

    @property
    def exact(self) -> bool:
        """Whether `search` provably gives the true neighbors."""

    @property
    def owners(self) -> Owners:
        """Which source each item belongs to."""

    def upsert(
        self, items: Sequence[Item], vectors: Vectors, claim: Claim = HAND
    ) -> dict[str, str]:
        """Add or replace items, all or none of those that the claim covers.

        Parameters
        ----------
        items : of distinct ids
        vectors : float32 (len(items), dim), unit length
        claim : who owns the items from now on, and whether items of other owners are replaced

        Returns
        -------
        refused : items of other owners, which stay as they are, with the owner's name

        Raises
        ------
        InvalidInput : shapes disagree, or a vector isn't finite and of unit length
        CatalogFull : no space left; nothing was changed
        CatalogBusy : another process held the catalog too long; nothing was changed
        """

    def update_metadata(self, items: Sequence[Item], claim: Claim = HAND) -> dict[str, str]:
        """Replace all but the vectors of items; all or none, refused ones aside; see `upsert`.

        Raises
        ------
        NotFound : one doesn't exist, or not with the picture of this content hash, whose vector
            would then be another's
        """

    def delete(self, ids: Sequence[str], *, owner: int | None = None) -> list[str]:
        """Remove items, with `owner` only that owner's; gives the ids that were removed."""

    def get(self, ids: Sequence[str]) -> dict[str, Item]:
        """The items that exist, by id."""

    def referenced(self, pictures: Sequence[str]) -> set[str]:
        """Those of these picture references, "copy:<sha256>", that an item has."""

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """float32 (len(ids), dim), in the order asked; `NotFound` names the missing."""

    def view(
        self, where: Where | Filter | None = None, *, vectors: bool = False, metadata: bool = False
    ) -> AbstractContextManager[CatalogView]:
        """One state of the catalog, for answers that hold several things of it.

        To be left soon: nothing slow belongs into the block, for what is written meanwhile can't be
        tidied up.

        Parameters
        ----------
        where : filter, as it is written or parsed
        vectors : whether it will be searched
        metadata : whether its fields or facets will be asked for; a filter implies it

        Raises
        ------
        InvalidFilter : the filter can't be used
        EncoderMismatch : it is to be searched, and holds vectors of another encoder
        """

    def search(
        self,
        vectors: Vectors,
        k: int,
        *,
        where: Where | None = None,
        metric: Metric = "cosine",
    ) -> list[list[Match]]:
        """The k nearest of the items that pass the filter, exact, for each query.

        Parameters
        ----------
        vectors : float32 (q, dim), unit length
        k : from 1 up; fewer items give fewer matches
        where : filter, applied before ranking
        metric : sets `Match.distance`

        Returns
        -------
        matches : q lists, nearest first, ties by the order of first indexing
        """

    def count(self, where: Where | None = None) -> int:
        """How many items pass the filter."""

    def facets(
        self, fields: Sequence[str], where: Where | None = None, *, limit: int = 100
    ) -> Mapping[str, tuple[FacetCount, ...]]:
        """Counts of each field's values over the filtered items, the most frequent first.

        A list counts once for each of its values. Items without the field aren't counted.
        At most `limit` values a field. An unknown field gives ().
        """

    def fields(self) -> tuple[Field, ...]:
        """The metadata fields, by name."""

    def kinds(
        self, compared: Iterable[tuple[str, str]], *, every: bool = False
    ) -> dict[str, frozenset[str]]:
        """The kinds of the values of fields, null aside; see `kinlens.catalog.filters.kind`.

        Parameters
        ----------
        compared : fields, each with the kind of what it is compared with
        every : of all these fields, rather than of those that never had a value of that kind
        """

    def scan(
        self, where: Where | None = None, *, after: str | None = None, limit: int | None = None
    ) -> Iterator[Item]:
        """Items in order of id, from the first id greater than `after`."""

    def snapshot(self, *, metadata: bool = True) -> AbstractContextManager[CatalogSnapshot]:
        """All items with their vectors, as they are at this moment, while others write.

        To be read through without long pauses: what is written meanwhile can't be tidied up.

        Parameters
        ----------
        metadata : without, that of every item is empty
        """

    def stats(self) -> CatalogStats:
        """How large it is."""

    def close(self) -> None:
        """Release files and memory."""
