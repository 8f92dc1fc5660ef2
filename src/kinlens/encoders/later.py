"""An encoder that is opened when it is first asked to encode."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from kinlens.encoders.base import Encoder
from kinlens.preprocess import Recipe
from kinlens.types import EncoderIdentity, Pixels, Vectors


class LaterEncoder:
    """Stands in for an encoder whose identity is known; what only needs that doesn't wait for it.

    Parameters
    ----------
    identity : of the encoder, as a catalog remembers it
    opening : opens the encoder, and raises if it isn't the one of that identity
    """

    modalities = frozenset({"image"})

    def __init__(self, identity: EncoderIdentity, opening: Callable[[], Encoder]) -> None:
        self.identity = identity
        self._opening = opening
        self._opened: Encoder | None = None
        self._lock = threading.Lock()

    @property
    def recipe(self) -> Recipe:
        """See `Encoder.recipe`."""
        return self._encoder.recipe

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        """See `Encoder.encode_images`."""
        return self._encoder.encode_images(images)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode_texts`."""
        return self._encoder.encode_texts(texts)

    @property
    def _encoder(self) -> Encoder:
        with self._lock:
            if self._opened is None:
                self._opened = self._opening()
            return self._opened
