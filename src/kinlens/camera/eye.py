"""From a frame to what is published of it: a vector and a small picture."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from kinlens.camera.base import Frame
from kinlens.camera.follow import Follower
from kinlens.camera.small import Gray, small_gray
from kinlens.encoders.base import Encoder
from kinlens.errors import InvalidInput
from kinlens.images import PictureLoader, encode_thumbnail
from kinlens.images.geometry import upright
from kinlens.types import Crop, Pixels, Vectors

UPRIGHT = 1


@dataclass(frozen=True, slots=True)
class SmallPicture:
    """The picture that is published beside a vector.

    Parameters
    ----------
    side : longest side at most, in pixels
    quality : of the JPEG, 1 to 100
    """

    side: int = 320
    quality: int = 75

    def __post_init__(self) -> None:
        if not 16 <= self.side <= 2048 or not 1 <= self.quality <= 100:
            raise InvalidInput(
                "A picture's side is 16 to 2048 pixels and its quality 1 to 100; got "
                f"{self.side} and {self.quality}."
            )


@dataclass(slots=True)
class Took:
    """Where the time went, in milliseconds."""

    decode: float = 0.0
    encode: float = 0.0
    picture: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """A frame that was decoded, not yet encoded.

    Parameters
    ----------
    frame : as it came
    pixels : uint8 (height, width, 3), of the region
    width, height : of the region in the frame, in pixels
    small : see `small_gray`
    """

    frame: Frame
    pixels: Pixels = field(repr=False)
    width: int
    height: int
    small: Gray = field(repr=False)
    took: Took


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is published of a frame.

    Parameters
    ----------
    vector : float32 (dim,), unit length
    picture : JPEG, or None
    box : the part of the region that was looked at; None for all of it
    """

    vector: Vectors = field(repr=False)
    picture: bytes | None = field(repr=False)
    box: Crop | None


class Eye:
    """Decodes, crops and encodes, by the catalog's own rules.

    Parameters
    ----------
    encoder : the catalog's
    loader : decodes frames that come encoded
    region : the part of each frame to look at; None for all
    follow : look at the largest thing that moves in it
    picture : what to publish beside the vector; None for nothing
    """

    def __init__(
        self,
        encoder: Encoder,
        loader: PictureLoader,
        *,
        region: Crop | None = None,
        follow: bool = False,
        picture: SmallPicture | None = None,
    ) -> None:
        self.encoder = encoder
        self._loader = loader
        self._region = region
        self._follower = Follower() if follow else None
        self._picture = picture

    def glance(self, frame: Frame) -> Glance:
        """Decode the region of a frame, as large as the encoder needs it.

        Raises
        ------
        PictureError : a frame that can't be decoded
        """
        start = time.perf_counter()
        if isinstance(frame.content, bytes):
            # What is followed may be a small part of the region.
            side = None if self._follower else self.encoder.recipe.min_side
            pixels, width, height = self._decoded(frame.content, side)
        else:
            pixels = upright(frame.content, UPRIGHT, self._region)
            height, width = pixels.shape[:2]
        small = small_gray(pixels)
        return Glance(frame, pixels, width, height, small, Took(decode=_since(start)))

    def look(self, glance: Glance, now: float) -> Look:
        """Encode what was glanced at.

        Parameters
        ----------
        now : monotonic seconds

        Raises
        ------
        KinlensError : the encoder finds nothing in it
        """
        box = self._follower.box(glance.small, now) if self._follower else None
        pixels = glance.pixels if box is None else upright(glance.pixels, UPRIGHT, box)
        start = time.perf_counter()
        vector = self.encoder.encode_images([pixels])[0]
        glance.took.encode = _since(start)
        start = time.perf_counter()
        picture = self._small(glance, pixels, box)
        glance.took.picture = _since(start)
        return Look(np.asarray(vector, np.float32), picture, box)

    def notice(self, glance: Glance, now: float) -> None:
        """Let a frame that isn't looked at teach what stands still and what moves."""
        if self._follower:
            self._follower.box(glance.small, now)

    def _decoded(self, data: bytes, min_side: int | None) -> tuple[Pixels, int, int]:
        picture = self._loader.load(data, min_side=min_side, crop=self._region)
        region = self._region or Crop(0, 0, 1, 1)
        width, height = region.width * picture.width, region.height * picture.height
        return picture.pixels, round(width), round(height)

    def _small(self, glance: Glance, pixels: Pixels, box: Crop | None) -> bytes | None:
        wanted = self._picture
        if wanted is None:
            return None
        content = glance.frame.content
        shrunk = max(pixels.shape[:2]) < min(wanted.side, max(glance.width, glance.height))
        if box is None and shrunk and isinstance(content, bytes):
            # The encoder needs fewer pixels than are to be shown.
            short = wanted.side * min(glance.width, glance.height)
            pixels, _, _ = self._decoded(content, short // max(glance.width, glance.height))
        return encode_thumbnail(pixels, wanted.side, wanted.quality)


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
