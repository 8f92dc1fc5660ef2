"""How a picture becomes an item: read, decode, encode, store. One way for all doors."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinlens.catalog.base import Catalog
from kinlens.catalog.owners import HAND, Claim
from kinlens.encoders.base import Encoder
from kinlens.errors import CatalogError, InvalidInput, KinlensError, NotFound, Overloaded
from kinlens.images import Limits, PictureLoader, decode_base64, read_file
from kinlens.printable import is_unicode
from kinlens.store import COPY, PictureStore, content_hash, path_reference
from kinlens.thumbnails import ThumbnailCache
from kinlens.types import (
    MAX_INTEGER,
    MIN_INTEGER,
    Item,
    Metadata,
    NewItem,
    Outcome,
    Pixels,
    Vectors,
    check_new_id,
)

if TYPE_CHECKING:
    from kinlens.catalog.ledger import Ledger
    from kinlens.fetch import Fetcher

MAX_FIELD_LENGTH = 256
MAX_METADATA_BYTES = 65_536
"""Of one item's metadata, as JSON in UTF-8."""

LOST = "The picture went away or was replaced while it was being indexed; add it again."
"""Also the reason where another item had the same picture and was deleted at this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What adding and searching share; each is thread-safe."""

    catalog: Catalog
    encoder: Encoder
    loader: PictureLoader
    fetcher: Fetcher
    store: PictureStore
    ledger: Ledger
    thumbnails: ThumbnailCache
    limits: Limits


@dataclass(frozen=True, slots=True)
class Prepared:
    """An item that is ready to be encoded and stored.

    Parameters
    ----------
    item : as it will be
    known : as it was, if it was
    pixels : uint8 (S, S, 3), what the network sees; None where the picture stays as it is
    reference : the picture as its source names it
    """

    item: Item
    known: Item | None
    pixels: Pixels | None
    reference: str


class Adder:
    """The steps from a new item to a stored one, for callers that run them in their own threads.

    Parameters
    ----------
    parts : to read, encode and store with
    claim : who owns what is stored, and whether items of other owners are replaced
    """

    def __init__(self, parts: Parts, claim: Claim = HAND) -> None:
        self._parts = parts
        self._claim = claim

    def prepare(
        self,
        new: NewItem,
        known: Item | None,
        *,
        data: bytes | None = None,
        same_picture: bool = False,
    ) -> Prepared | Outcome:
        """Read and decode one item's picture.

        Parameters
        ----------
        new : what is asked for
        known : the item of this id that the catalog holds, if any
        data : the picture's bytes, where they have been read already
        same_picture : the caller knows that the picture is the one that `known` has

        Returns
        -------
        prepared : to be committed; or the outcome, where it is settled: failed or unchanged
        """
        try:
            if known is None:
                check_new_id(new.id)
            check_metadata(new.metadata)
            if same_picture and known is not None:
                return self._settled(new, replace(known, metadata=new.metadata), known)
            return self._prepare(new, known, data)
        except (CatalogError, Overloaded):
            raise
        except KinlensError as error:
            return failure(new, error)

    def commit(
        self, batch: Sequence[Prepared], vectors: Vectors, settled: Sequence[Outcome] = ()
    ) -> list[Outcome]:
        """Store items durably, and record what became of them.

        Parameters
        ----------
        batch : of distinct ids
        vectors : float32 (n, dim), of those with pixels, in their order
        settled : further outcomes, to be recorded and given back as well

        Raises
        ------
        CatalogFull, CatalogBusy : nothing of this batch is stored, or all of it and no outcome is
            recorded
        """
        outcomes = [*self.store(batch, vectors), *settled]
        self.record(outcomes, hashes_of(batch))
        return outcomes

    def store(self, batch: Sequence[Prepared], vectors: Vectors) -> list[Outcome]:
        """Store items durably; `record` is still to be called with the outcomes.

        Parameters
        ----------
        batch, vectors : see `commit`

        Raises
        ------
        CatalogFull, CatalogBusy : nothing of this batch is stored
        """
        encoded = [entry for entry in batch if entry.pixels is not None]
        changed = [entry for entry in batch if entry.pixels is None]
        with self._copies_kept(batch):
            outcomes = self._upsert(encoded, vectors)
            outcomes += [self._update(entry) for entry in changed]
            self._drop_replaced(batch)
        return outcomes

    def record(self, outcomes: Sequence[Outcome], hashes: dict[str, str] | None = None) -> None:
        """Write outcomes to the ledger; an unchanged item becomes the claim's own, too."""
        unchanged = [outcome.id for outcome in outcomes if outcome.state == "unchanged"]
        if unchanged:
            self._parts.catalog.owners.take(unchanged, self._claim)
        if outcomes:
            self._parts.ledger.record(outcomes, hashes or {})

    def read(self, new: NewItem, within: float | None = None) -> bytes:
        """The bytes of a new item's picture; a URL is given up after `within` seconds."""
        if new.image is not None:
            return new.image
        if new.path is not None:
            return read_file(new.path, self._parts.limits)
        if new.url is not None:
            return self._parts.fetcher.fetch(new.url, within)
        return decode_base64(new.base64 or "", self._parts.limits)

    def _prepare(self, new: NewItem, known: Item | None, data: bytes | None) -> Prepared | Outcome:
        if all(getattr(new, source) is None for source in NewItem.SOURCES):
            if known is None:
                raise InvalidInput(f"The item {new.id!r} is new and comes without a picture.")
            return self._settled(new, replace(known, metadata=new.metadata), known)
        data = self.read(new) if data is None else data
        digest = content_hash(data)
        if known is not None and known.content_hash == digest:
            picture = self._place(new, data, digest)
            return self._settled(new, replace(known, picture=picture, metadata=new.metadata), known)
        recipe = self._parts.encoder.recipe
        decoded = self._parts.loader.load(data, min_side=recipe.min_side)
        item = Item(
            id=new.id,
            picture=self._place(new, data, digest),
            content_hash=digest,
            width=decoded.width,
            height=decoded.height,
            metadata=new.metadata,
        )
        return Prepared(item, known, recipe.square(decoded.pixels), reference_of(new))

    def _place(self, new: NewItem, data: bytes, digest: str) -> str:
        if new.path is not None:
            return path_reference(new.path)
        return self._parts.store.put(data, digest)

    def _settled(self, new: NewItem, item: Item, known: Item) -> Prepared | Outcome:
        if item == known and _same_types(item.metadata, known.metadata):
            return Outcome(new.id, "unchanged", reference=reference_of(new), at=time.time())
        return Prepared(item, known, None, reference_of(new))

    @contextmanager
    def _copies_kept(self, batch: Sequence[Prepared]) -> Iterator[None]:
        """Nobody removes copies between looking for them and binding them to items."""
        touched = any(
            item is not None and item.picture.startswith(COPY)
            for entry in batch
            for item in (entry.item, entry.known)
        )
        with self._parts.store.locked() if touched else nullcontext():
            yield

    def _upsert(self, batch: Sequence[Prepared], vectors: Vectors) -> list[Outcome]:
        kept = [self._parts.store.has(entry.item.picture) for entry in batch]
        lost = [_lost(entry) for entry, there in zip(batch, kept, strict=True) if not there]
        present = [entry for entry, there in zip(batch, kept, strict=True) if there]
        refused: dict[str, str] = {}
        if present:
            refused = self._parts.catalog.upsert(
                [entry.item for entry in present], vectors[np.array(kept)], self._claim
            )
        return [_written(entry, refused) for entry in present] + lost

    def _update(self, entry: Prepared) -> Outcome:
        if not self._parts.store.has(entry.item.picture):
            return _lost(entry)
        try:
            refused = self._parts.catalog.update_metadata([entry.item], self._claim)
        except NotFound:  # deleted or given another picture since it was looked up
            return _lost(entry)
        return _written(entry, refused)

    def _drop_replaced(self, batch: Sequence[Prepared]) -> None:
        pictures = {
            entry.known.picture: entry.known.content_hash
            for entry in batch
            if entry.known is not None and entry.known.picture != entry.item.picture
        }
        self.forget(pictures)

    def forget(self, pictures: dict[str, str]) -> None:
        """Delete copies and thumbnails that no item needs any more.

        Parameters
        ----------
        pictures : content hash by picture reference; the caller holds the store's lock
        """
        copies = [picture for picture in pictures if picture.startswith(COPY)]
        used = self._parts.catalog.referenced(copies) if copies else set()
        self._parts.store.remove(set(copies) - used)
        self._parts.thumbnails.remove([pictures[name] for name in pictures if name not in used])


def encode_each(encoder: Encoder, images: Sequence[Pixels]) -> list[Vectors | KinlensError]:
    """One unit vector (dim,) a picture, or what keeps that one from having any."""
    try:
        return list(encoder.encode_images(images)) if images else []
    except KinlensError as error:
        if len(images) == 1:
            return [error]
        return [encode_each(encoder, [image])[0] for image in images]


def separate(
    batch: Sequence[Prepared], encoder: Encoder
) -> tuple[list[Prepared], Vectors, list[Outcome]]:
    """Encode a batch: what can be stored, the vectors of those with pixels, and what failed."""
    images = [entry.pixels for entry in batch if entry.pixels is not None]
    results = iter(encode_each(encoder, images))
    stored: list[Prepared] = []
    failed: list[Outcome] = []
    vectors = np.empty((len(images), encoder.identity.dim), np.float32)
    row = 0
    for entry in batch:
        result = next(results) if entry.pixels is not None else None
        if isinstance(result, KinlensError):
            failed.append(_failed(entry, str(result)))
            continue
        stored.append(entry)
        if result is not None:
            vectors[row] = result
            row += 1
    return stored, vectors[:row], failed


def hashes_of(batch: Sequence[Prepared]) -> dict[str, str]:
    """Content hash by id."""
    return {entry.item.id: entry.item.content_hash for entry in batch}


def reference_of(new: NewItem) -> str:
    """The picture as the source names it; "" for bytes."""
    return str(new.path or new.url or "")


def failure(new: NewItem, error: KinlensError) -> Outcome:
    """The outcome of an item that raised."""
    return Outcome(new.id, "failed", str(error), reference_of(new), time.time())


def check_metadata(metadata: Metadata) -> None:
    """Raise `InvalidInput` unless a catalog can keep these values."""
    for name, value in metadata.items():
        if not isinstance(name, str) or not 0 < len(name) <= MAX_FIELD_LENGTH:
            raise InvalidInput(
                f"A metadata field's name has 1 to {MAX_FIELD_LENGTH} characters; got {name!r:.80}."
            )
        if not is_unicode(name):
            raise InvalidInput(f"A field's name holds no lone surrogate; got {name!r:.80}.")
        if not _is_storable(value):
            raise InvalidInput(
                "A metadata value is a text, a finite number (a whole one from -2**63 to "
                "2**63 - 1), true or false, a list of texts, or null, and a text holds no lone "
                f"surrogate; {name!r} is {value!r:.80}."
            )

    check_metadata_size(metadata)


def check_metadata_size(metadata: Metadata) -> None:
    """Raise `InvalidInput` if an item's metadata is over `MAX_METADATA_BYTES`."""
    size = len(json.dumps(dict(metadata), ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_METADATA_BYTES:
        name = max(metadata, key=lambda field: len(json.dumps(metadata[field])))
        raise InvalidInput(
            f"An item's metadata has at most {MAX_METADATA_BYTES:,} bytes as JSON; this has "
            f"{size:,}, most of them in {name!r:.80}. Leave fields out or shorten them."
        )


def _is_storable(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(part, str) and _is_storable(part) for part in value)
    if isinstance(value, str):
        return is_unicode(value)
    if isinstance(value, int):
        return MIN_INTEGER <= value <= MAX_INTEGER
    return value is None or (isinstance(value, float) and math.isfinite(value))


def _same_types(first: Metadata, second: Metadata) -> bool:
    """Whether equal metadata is also the same: True equals 1, and isn't it."""
    return json.dumps(dict(first), sort_keys=True) == json.dumps(dict(second), sort_keys=True)


def belongs_to_another(item_id: str, owner: str) -> str:
    """Why an item isn't replaced, and what to do.

    Parameters
    ----------
    owner : name of the source that has the item, "" for one that was added by hand
    """
    whose = f"belongs to the source {owner}" if owner else "was added by hand"
    moved = "" if not owner or Path(owner).exists() else ", which isn't there any more"
    return (
        f"The id {item_id!r} {whose}{moved}. Index this source with --id-prefix PREFIX to keep "
        "both items, or with --replace to take the item over."
    )


def _written(entry: Prepared, refused: Mapping[str, str]) -> Outcome:
    owner = refused.get(entry.item.id)
    if owner is not None:
        return _failed(entry, belongs_to_another(entry.item.id, owner))
    return Outcome(entry.item.id, "indexed", reference=entry.reference, at=time.time())


def _failed(entry: Prepared, reason: str) -> Outcome:
    return Outcome(entry.item.id, "failed", reason, entry.reference, time.time())


def _lost(entry: Prepared) -> Outcome:
    return _failed(entry, LOST)
