"""From what a query shows to one vector: read, crop, encode, weigh, add up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinlens.adding import Parts, encode_each
from kinlens.batching import Batcher
from kinlens.catalog.base import CatalogView
from kinlens.errors import InvalidInput, NotFound
from kinlens.images import decode_base64, read_file
from kinlens.neighbors.arrays import as_float64
from kinlens.picture_bytes import picture_bytes
from kinlens.types import Example, Pixels, Query, Vectors

# Below this share of the weights, what is left of the sum is rounding, not a direction.
_NOTHING = 1e-6


class Clock:
    """Milliseconds spent on each stage of a query."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self.spent = {"decode": 0.0, "encode": 0.0, "search": 0.0}

    def lap(self, stage: str) -> None:
        """Book the time since the last lap."""
        now = time.perf_counter()
        self.spent[stage] += (now - self._last) * 1000
        self._last = now

    @property
    def total(self) -> float:
        """Since the start."""
        return (time.perf_counter() - self._start) * 1000


@dataclass(frozen=True, slots=True)
class Mixture:
    """What a query looks for: a weighted sum of unit vectors.

    Parameters
    ----------
    parts : float32 (dim,) each, or the id of an item, whose vector the answer's own state tells
    weights : one each
    """

    parts: tuple[Vectors | str, ...]
    weights: tuple[float, ...]

    def vector(self, view: CatalogView) -> Vectors:
        """The direction of the sum, float32 (dim,), unit length.

        Raises
        ------
        NotFound : an item isn't in the view's catalog
        InvalidInput : the parts cancel each other out
        """
        ids = [part for part in self.parts if isinstance(part, str)]
        stored = view.vectors_of(ids) if ids else {}
        missing = next((item_id for item_id in ids if item_id not in stored), None)
        if missing is not None:
            raise _unknown(missing)
        vectors = [stored[part] if isinstance(part, str) else part for part in self.parts]
        return mix(vectors, self.weights)


class ExampleReader:
    """Turns examples into vectors; pictures of concurrent queries share the encoder's batches.

    Parameters
    ----------
    parts : of the search
    batch_size : pictures in a batch at most
    wait : see `Batcher`
    """

    def __init__(self, parts: Parts, *, batch_size: int, wait: float) -> None:
        self._parts = parts
        self._encoding: Batcher[Sequence[Pixels], list[Vectors]] = Batcher(
            self._encode, max_size=batch_size, wait=wait
        )

    def mixture(self, query: Query, clock: Clock) -> Mixture:
        """What a query looks for.

        Raises
        ------
        InvalidInput : a vector of another length
        NotFound : an example's item isn't in the catalog
        PictureError, FetchError, SourceError : a picture that can't be had
        """
        vectors = [self._given(example) for example in query.examples]
        stored = [example.id for example in query.examples if _is_stored(example)]
        pending = [
            index
            for index, example in enumerate(query.examples)
            if vectors[index] is None and not _is_stored(example)
        ]
        if pending:
            self._check_there([item_id for item_id in stored if item_id is not None])
            pixels = [self._pixels(query.examples[index]) for index in pending]
            clock.lap("decode")
            for index, vector in zip(pending, self._encoding.submit(pixels), strict=True):
                vectors[index] = vector
            clock.lap("encode")
        else:
            clock.lap("decode")
        return Mixture(
            tuple(
                example.id or "" if vector is None else vector
                for example, vector in zip(query.examples, vectors, strict=True)
            ),
            tuple(example.weight for example in query.examples),
        )

    def close(self) -> None:
        """Take no more queries."""
        self._encoding.close()

    def read(self, example: Example) -> bytes:
        """The encoded picture of an example that isn't a vector.

        Raises
        ------
        NotFound, FetchError, SourceError : it can't be had
        """
        if example.image is not None:
            return picture_bytes(example.image)
        if example.path is not None:
            return read_file(example.path, self._parts.limits)
        if example.url is not None:
            return self._parts.fetcher.fetch(example.url)
        if example.base64 is not None:
            return decode_base64(example.base64, self._parts.limits)
        item = self._parts.catalog.get([example.id or ""]).get(example.id or "")
        if item is None:
            raise _unknown(example.id)
        return self._parts.store.read(item.picture)

    def _given(self, example: Example) -> Vectors | None:
        if example.vector is None:
            return None
        return _unit(example.vector, self._parts.encoder.identity.dim)

    def _check_there(self, ids: Sequence[str]) -> None:
        """Refuse an unknown item before pictures are fetched and encoded for nothing."""
        found = self._parts.catalog.get(ids) if ids else {}
        for item_id in ids:
            if item_id not in found:
                raise _unknown(item_id)

    def _pixels(self, example: Example) -> Pixels:
        recipe = self._parts.encoder.recipe
        picture = self._parts.loader.load(
            self.read(example), min_side=recipe.min_side, crop=example.crop
        )
        return recipe.square(picture.pixels)

    def _encode(self, batch: Sequence[Sequence[Pixels]]) -> Sequence[list[Vectors] | Exception]:
        images = [image for query in batch for image in query]
        results = iter(encode_each(self._parts.encoder, images))
        grouped: list[list[Vectors] | Exception] = []
        for query in batch:
            own = [next(results) for _ in query]
            error = next((result for result in own if isinstance(result, Exception)), None)
            grouped.append(error or [result for result in own if isinstance(result, np.ndarray)])
        return grouped


def _is_stored(example: Example) -> bool:
    """Whether the catalog has the vector of an example."""
    return example.id is not None and example.crop is None


def _unknown(item_id: str | None) -> NotFound:
    return NotFound(f"No item {item_id!r:.80} in the catalog, so nothing can be like it.")


def mix(vectors: Sequence[Vectors], weights: Sequence[float]) -> Vectors:
    """The direction of the weighted sum of unit vectors, float32 (dim,), unit length."""
    total = np.asarray(weights, np.float64) @ np.asarray(vectors, np.float64)
    length = float(np.linalg.norm(total))
    if length <= _NOTHING * sum(abs(weight) for weight in weights):
        raise InvalidInput(
            "The examples cancel each other out, so that nothing is left to be like; change a "
            "weight or leave one out."
        )
    return np.asarray(total / length, np.float32)


def _unit(values: object, dim: int) -> Vectors:
    try:
        vector = as_float64(values, "A vector")
    except InvalidInput:
        raise
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"A vector is a list of {dim} numbers; {error}.") from error
    with np.errstate(over="ignore"):  # an infinite length is told of below
        length = float(np.linalg.norm(vector)) if vector.shape == (dim,) else 0.0
    if not np.isfinite(length) or length == 0:
        raise InvalidInput(
            f"A vector for this catalog's encoder is {dim} finite numbers, not all 0; got shape "
            f"{vector.shape} with length {length:g}."
        )
    return np.asarray(vector / length, np.float32)
