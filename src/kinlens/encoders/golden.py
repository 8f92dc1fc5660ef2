"""Golden numbers: pictures and the vectors that a reference run gave them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kinlens.encoders.base import normalize
from kinlens.encoders.network import NetworkEncoder
from kinlens.errors import BundleError
from kinlens.types import Pixels, Vectors

MIN_COSINE: Mapping[str, float] = {
    "float32": 0.9999,
    "float16": 0.999,
    "bfloat16": 0.99,
    "int8": 0.99,
}
"""Cosine that each vector needs at least to its golden one, by the precision that is checked.

Golden vectors are float32. One rounding to bfloat16 has a relative error of 2^-8 at most, and a
network rounds after every layer: convolutional ones have 0.999 and more. In integers, "int8",
runtimes round between layers each in their own way: kinlens-mini has 0.996 at worst.
"""

MAX_PICTURES = 64


@dataclass(frozen=True)
class Golden:
    """Pictures and their vectors, which were computed in float32.

    Parameters
    ----------
    images : uint8 (n, height, width, 3), 1 to 64 of them; of any size, so that the resize of the
        recipe is part of what is checked
    vectors : float32 (n, dim); they are scaled to unit length

    Raises
    ------
    BundleError : arrays of another shape or dtype
    """

    images: Pixels
    vectors: Vectors

    def __post_init__(self) -> None:
        images, vectors = self.images, self.vectors
        fits = (
            images.dtype == np.uint8
            and images.ndim == 4
            and images.shape[3] == 3
            and vectors.ndim == 2
            and vectors.dtype == np.float32
            and 1 <= len(images) <= MAX_PICTURES
            and len(images) == len(vectors)
        )
        if not fits:
            raise BundleError(
                "Golden numbers need images, uint8 (n, height, width, 3), and vectors, float32 "
                f"(n, dim), with n from 1 to {MAX_PICTURES}; got {images.dtype} {images.shape} and "
                f"{vectors.dtype} {vectors.shape}."
            )
        object.__setattr__(self, "vectors", normalize(vectors))

    @classmethod
    def from_bytes(cls, data: bytes) -> Golden:
        """Read the content of a `golden.npz`."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                images, vectors = arrays["images"], arrays["vectors"]
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise BundleError(
                f"golden.npz needs the arrays images and vectors, and can't be read: {error}."
            ) from error
        return cls(images, vectors)

    def to_bytes(self) -> bytes:
        """The content of a `golden.npz`; `from_bytes` reads it back."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, images=self.images, vectors=self.vectors)
        return buffer.getvalue()

    def check(self, encoder: NetworkEncoder, needed: Mapping[str, float] = MIN_COSINE) -> float:
        """Encode the pictures and compare.

        Parameters
        ----------
        encoder : to check
        needed : lowest cosine by precision, see `least_cosine`

        Returns
        -------
        cosine : the lowest between a vector and its golden one

        Raises
        ------
        BundleError : it is lower than needed, or the dimension is another
        """
        name, dim = encoder.identity.name, self.vectors.shape[1]
        if encoder.identity.dim != dim:
            raise BundleError(
                f"The golden vectors of {name} have {dim} dimensions, but the network gives "
                f"{encoder.identity.dim}; the files of the bundle don't belong together."
            )
        # One by one: it is how a query is encoded, and the pass for batches stays uncompiled.
        vectors = np.concatenate([encoder.encode_images([image]) for image in self.images])
        cosine = float(np.sum(vectors * self.vectors, axis=1).min())
        lowest = least_cosine(encoder, needed)
        if not cosine >= lowest:
            raise BundleError(
                f"{name} doesn't reproduce its golden numbers on {encoder.runtime} in "
                f"{encoder.precision}: cosine {cosine:.5f}, needed {lowest}. "
                + _advice(encoder, cosine)
            )
        return cosine


def least_cosine(encoder: NetworkEncoder, needed: Mapping[str, float] = MIN_COSINE) -> float:
    """The cosine that an encoder's vectors need to golden ones, by what it computes in.

    Parameters
    ----------
    encoder : that is checked
    needed : lowest cosine by precision, as a card's "golden_cosine" has it. An integer network is
        checked by "int8", or where that isn't given, by the precision of its other layers. Where
        it says nothing, `MIN_COSINE` does
    """
    floats = encoder.float_precision
    if not encoder.is_quantized:
        return needed.get(floats, MIN_COSINE[floats])
    return needed.get("int8", needed.get(floats, MIN_COSINE["int8"]))


def _advice(encoder: NetworkEncoder, cosine: float) -> str:
    if encoder.is_quantized or cosine < MIN_COSINE["bfloat16"]:
        return (
            "Its files don't belong together or the runtime computes it wrongly; fetch or export "
            "the bundle again, or choose another runtime."
        )
    return (
        "Golden vectors are float32; these differ by about as much as bfloat16 rounds. Compute "
        'them in float32, `open_encoder(..., precision="float32")`, or leave them to '
        "`write_bundle`. `kinlens rewrite-golden FOLDER` corrects a bundle that is written already."
    )
