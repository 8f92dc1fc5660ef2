"""The seam for encoders: pictures in, unit vectors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kinlens.errors import EncoderError, InvalidInput
from kinlens.preprocess import Recipe
from kinlens.types import EncoderIdentity, Pixels, Vectors


class Encoder(Protocol):
    """Turns pictures (and with some models, texts) into comparable vectors. Thread-safe."""

    @property
    def identity(self) -> EncoderIdentity:
        """Name, fingerprint and dimension."""

    @property
    def modalities(self) -> frozenset[str]:
        """{"image"} or {"image", "text"}."""

    @property
    def recipe(self) -> Recipe:
        """How pixels are prepared; tells a loader which size is enough."""

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        """One unit vector a picture.

        Parameters
        ----------
        images : uint8 (height, width, 3) each, sRGB, upright; sizes may differ

        Returns
        -------
        vectors : float32 (len(images), dim), unit length
        """

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text; `InvalidInput` if the encoder has no text tower."""


class BaseEncoder(ABC):
    """Checks, batches and normalizes; a runtime fills in `run`.

    Parameters
    ----------
    identity, recipe : of the model
    batch_size : pictures sent to the network at once
    """

    modalities = frozenset({"image"})

    def __init__(self, identity: EncoderIdentity, recipe: Recipe, batch_size: int = 32) -> None:
        self.identity = identity
        self.recipe = recipe
        self.batch_size = batch_size

    @abstractmethod
    def run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Network output, float32 (n, dim), for a prepared batch, float32 (n, 3, S, S)."""

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        """See `Encoder.encode_images`."""
        vectors = np.empty((len(images), self.identity.dim), np.float32)
        for start in range(0, len(images), self.batch_size):
            batch = self.recipe.prepare(images[start : start + self.batch_size])
            vectors[start : start + len(batch)] = self.run(batch)
        return normalize(vectors)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:  # noqa: ARG002  (the seam)
        """See `Encoder.encode_texts`."""
        raise InvalidInput(
            f"The encoder {self.identity.name} reads pictures only; search by picture, or choose "
            "an encoder with a text tower."
        )


def normalize(vectors: npt.NDArray[np.float32]) -> Vectors:
    """Scale each row of float32 (n, dim) to unit length.

    Raises
    ------
    EncoderError : a row is zero or not finite, so that it has no direction
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths)) or np.any(lengths == 0):
        raise EncoderError(
            "The network gave a vector that is zero or not finite; its weights or its recipe are "
            "wrong. `kinlens doctor` checks the model."
        )
    return np.asarray(vectors / lengths, np.float32)
