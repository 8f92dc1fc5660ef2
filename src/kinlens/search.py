"""The service: one object that every door calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from os import PathLike, fsdecode, fspath
from pathlib import Path
from typing import TypeAlias

from kinlens.adding import Adder, Parts
from kinlens.batch_adding import BatchAdder
from kinlens.catalog import filters
from kinlens.catalog.advice import filter_warnings
from kinlens.catalog.base import CatalogStats, CatalogView
from kinlens.errors import InvalidInput, NotFound, UnsupportedPicture
from kinlens.examples import Clock, ExampleReader
from kinlens.images import encode_thumbnail, sniff
from kinlens.passes import Asked, Passes
from kinlens.picture_bytes import ACCEPTED, is_picture_object
from kinlens.store import content_hash
from kinlens.types import (
    DEFAULT_K,
    Answer,
    EncoderIdentity,
    Example,
    FacetCount,
    Field,
    Hit,
    Item,
    Match,
    Metric,
    NewItem,
    Outcome,
    PictureObject,
    Query,
    State,
    Timing,
    Where,
    picture_source,
)

One: TypeAlias = Example | PictureObject | bytes | str | PathLike[str]
Wanted: TypeAlias = Query | One | Sequence[One]
"""What `Search.search` takes; a text is a path, or by how it begins, a URL or a data URL."""

ENCODE_BATCH = 32
THUMBNAIL_SIDE = 320


class Search:
    """A catalog of pictures that can be searched and changed. Thread-safe.

    Made by `kinlens.open_search`; a context manager that closes what it holds.

    Parameters
    ----------
    parts : catalog, encoder, loader and the like; closed together with the search
    data : the data folder
    threads : that decode the pictures of one `add`
    fetch_seconds : that the URLs of up to 32 items added together may take
    wait : seconds that a query may wait for others to share a pass; see `Batcher`
    on_close : called last
    """

    def __init__(
        self,
        parts: Parts,
        *,
        data: Path,
        threads: int = 2,
        fetch_seconds: float = 60.0,
        wait: float = 0.0,
        on_close: Sequence[Callable[[], None]] = (),
    ) -> None:
        self.parts = parts
        self.data = data
        self.threads = threads
        self._on_close = on_close
        self._adder = Adder(parts)
        self._examples = ExampleReader(parts, batch_size=ENCODE_BATCH, wait=wait)
        self._passes = Passes(parts.catalog, wait=wait)
        self._batches = BatchAdder(parts, threads, fetch_seconds)

    @property
    def encoder(self) -> EncoderIdentity:
        """Whose vectors the catalog holds."""
        return self.parts.encoder.identity

    def search(
        self,
        query: Wanted,
        *,
        k: int = DEFAULT_K,
        where: Where | None = None,
        metric: Metric = "cosine",
        facets: Sequence[str] = (),
    ) -> Answer:
        """The items most like a picture, or like a weighted mix of examples.

        Parameters
        ----------
        query : a picture (a path, a URL, a data URL, bytes, a `PIL.Image.Image`, NumPy uint8
            (height, width, 3), an open binary file), an `Example`, a list of these, or a whole
            `Query`, which carries its own k, where, metric and facets
        k : hits at most, from 1 up
        where : filter such as ``{"color": "red", "price": {"$lt": 50}}``, applied before ranking
        metric : "cosine" or "euclidean"; sets `Hit.distance`
        facets : metadata fields to count over the filtered items

        Returns
        -------
        answer : an item that is itself an example with a positive weight isn't among the hits

        Raises
        ------
        InvalidInput, InvalidFilter : the query can't be used
        NotFound : an example's item isn't in the catalog
        PictureError, FetchError, SourceError : a picture that can't be had
        Overloaded : too many queries wait already
        """
        asked = as_query(query, k=k, where=where, metric=metric, facets=facets)
        clock = Clock()
        tree = filters.parse(asked.where)
        mixture = self._examples.mixture(asked, clock)
        own = {example.id for example in asked.examples if example.id and example.weight > 0}
        found = self._passes.find(
            Asked(mixture, asked.k + len(own), tree, asked.metric, asked.facets)
        )
        others = (match for match in found.matches if match.item.id not in own)
        hits = tuple(_hit(match) for match in islice(others, asked.k))
        clock.lap("search")
        return Answer(
            hits=hits,
            total=found.total,
            facets=found.facets,
            exact=self.parts.catalog.exact,
            metric=asked.metric,
            encoder=self.encoder,
            took=Timing(**clock.spent, total=clock.total),
            warnings=found.warnings,
        )

    def similar(
        self,
        item_id: str,
        *,
        k: int = DEFAULT_K,
        where: Where | None = None,
        metric: Metric = "cosine",
        facets: Sequence[str] = (),
    ) -> Answer:
        """The items most like an item of the catalog, which itself is left out; see `search`."""
        return self.search(Example(id=item_id), k=k, where=where, metric=metric, facets=facets)

    def add(self, items: Iterable[NewItem]) -> list[Outcome]:
        """Add or replace items, as if one after the other.

        A picture whose content is already there isn't encoded again. One that fails is an outcome
        with its reason and keeps none of the others from being stored.

        Returns
        -------
        outcomes : one an item, in order, each stored durably

        Raises
        ------
        CatalogFull, CatalogBusy, Overloaded : the items of the outcomes that the ledger holds are
            stored
        """
        return list(self._batches.add(items))

    def delete(self, ids: Sequence[str], *, owner: int | None = None) -> list[str]:
        """Remove items and the copies of their pictures; gives the ids that existed.

        With `owner`, only those that it owns; see `kinlens.catalog.owners`.
        """
        with self.parts.store.locked():
            pictures = {item.picture: item.content_hash for item in self.get(ids).values()}
            deleted = self.parts.catalog.delete(ids, owner=owner)
            self._adder.forget(pictures)
        self._adder.record([Outcome(item_id, "removed", at=time.time()) for item_id in deleted])
        return deleted

    def view(
        self, where: Where | None = None, *, metadata: bool = False
    ) -> AbstractContextManager[CatalogView]:
        """One state of the catalog, for several questions whose answers have to agree.

        Leave it soon: what others write meanwhile can't be tidied up.

        Parameters
        ----------
        where : filter
        metadata : whether fields or facets will be asked for; a filter implies it
        """
        return self.parts.catalog.view(where, metadata=metadata)

    def get(self, ids: Sequence[str]) -> dict[str, Item]:
        """The items that exist, by id."""
        return self.parts.catalog.get(ids)

    def items(
        self, where: Where | None = None, *, after: str | None = None, limit: int | None = None
    ) -> list[Item]:
        """Items that pass a filter in order of id, from the first id greater than `after`."""
        with self.view(where) as view:
            return list(view.scan(after=after, limit=limit))

    def count(self, where: Where | None = None) -> int:
        """How many items pass a filter."""
        return self.parts.catalog.count(where)

    def facets(
        self, fields: Sequence[str], where: Where | None = None
    ) -> Mapping[str, tuple[FacetCount, ...]]:
        """Counts of each field's values over the items that pass a filter."""
        return self.parts.catalog.facets(fields, where)

    def warnings(self, where: Where | None) -> tuple[str, ...]:
        """What a filter may not mean as it was said.

        Fields that no item has, and which there are; fields whose values are all of another kind
        than what they are compared with. It isn't an error: items may get such fields and values
        later.
        """
        if not where:
            return ()
        with self.view(where) as view:
            return filter_warnings(view)

    def fields(self) -> tuple[Field, ...]:
        """The metadata fields, by name."""
        return self.parts.catalog.fields()

    def ledger(
        self, state: State | None = None, *, after: str | None = None, limit: int | None = None
    ) -> Iterator[Outcome]:
        """What became of each picture, in order of id."""
        return iter(self.parts.ledger.rows(state, after=after, limit=limit))

    def stats(self) -> CatalogStats:
        """Size of the catalog."""
        return self.parts.catalog.stats()

    def picture(self, item_id: str) -> tuple[bytes, str]:
        """The bytes of an item's picture, and their media type.

        Raises
        ------
        NotFound : no such item
        PictureGone : its file isn't there any more
        UnsupportedPicture : the file has become something that isn't a picture
        """
        data = self.parts.store.read(self._item(item_id).picture)
        kind = sniff(data)
        if kind is None:
            raise UnsupportedPicture(
                f"The file of the item {item_id!r} is no picture any more; index its source again."
            )
        return data, kind

    def example_picture(self, example: Example) -> bytes:
        """The bytes of an example's picture, which isn't a vector; a URL is fetched again.

        Raises
        ------
        NotFound, FetchError, SourceError : it can't be had
        """
        return self._examples.read(example)

    def thumbnail(self, item_id: str) -> tuple[bytes, str]:
        """A small picture of an item, at most 320 pixels a side, and its media type."""
        item = self._item(item_id)
        data = self.parts.thumbnails.get(item.content_hash, lambda: self._make_thumbnail(item))
        return data, sniff(data) or "image/jpeg"

    def cancel(self) -> None:
        """Give up what now waits for other machines and for decoders; it raises `Overloaded`.

        For a server that has to end soon. What is being stored is finished, and later calls work.
        """
        self._batches.cancel()
        self.parts.fetcher.cancel()
        self.parts.loader.cancel()

    def close(self) -> None:
        """Finish what has begun, take no more, and release files and memory."""
        self._passes.close()
        self._examples.close()
        self._batches.close()
        for close in self._on_close:
            close()

    def __enter__(self) -> Search:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _item(self, item_id: str) -> Item:
        item = self.get([item_id]).get(item_id)
        if item is None:
            raise NotFound(f"No item {item_id!r} in the catalog.")
        return item

    def _make_thumbnail(self, item: Item) -> tuple[str, bytes]:
        data = self.parts.store.read(item.picture)
        picture = self.parts.loader.load(data, min_side=THUMBNAIL_SIDE)
        return content_hash(data), encode_thumbnail(picture.pixels, THUMBNAIL_SIDE)


def as_query(
    query: Wanted,
    *,
    k: int = DEFAULT_K,
    where: Where | None = None,
    metric: Metric = "cosine",
    facets: Sequence[str] = (),
) -> Query:
    """The `Query` that is meant; see `Search.search`."""
    if isinstance(query, Query):
        return query
    if isinstance(query, Sequence) and not isinstance(query, str | bytes | bytearray | memoryview):
        examples = tuple(_example(one) for one in query)
    else:
        examples = (_example(query),)
    return Query(examples, k=k, where=where, metric=metric, facets=tuple(facets))


def _example(query: One) -> Example:
    if isinstance(query, Example):
        return query
    if isinstance(query, str | PathLike):
        return Example(**picture_source(_text(fspath(query))))
    if is_picture_object(query):
        return Example(image=query)
    raise InvalidInput(
        "A search is for a path, a URL, a data URL, an Example, a list of these, or a picture: "
        f"{ACCEPTED}; got {type(query).__name__}. For an item of the catalog use Example(id=...)."
    )


def _text(path: str | bytes) -> str:
    return path if isinstance(path, str) else fsdecode(path)


def _hit(match: Match) -> Hit:
    item = match.item
    return Hit(item.id, match.score, match.distance, item.metadata, item.width, item.height)
