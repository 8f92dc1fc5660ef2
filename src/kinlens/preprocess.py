"""From pixels to network input: a recipe that is data, used for training and for serving alike."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from kinlens.errors import BundleError, InvalidInput
from kinlens.types import Pixels

Resize = Literal["stretch", "crop", "pad"]
Resample = Literal["box", "bilinear", "bicubic"]
Layout = Literal["nchw", "nhwc"]
Channels = Literal["rgb", "bgr"]
Color = tuple[float, float, float]

MAX_SIZE = 4096

_FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How pictures become the input of a network: a square, resized and normalized.

    A pixel value p of 0 to 255 becomes ``(p - mean) / std``, channel by channel (R, G, B).

    Parameters
    ----------
    size : side S of the square, in pixels, 1 to 4096
    resize : "stretch" the whole picture to the square; "crop" its largest centered square;
        or "pad" it with `fill`, centered, so that all is seen undistorted
    mean, std : on the scale of 0 to 255; std above 0
    layout : "nchw" for (n, 3, S, S) or "nhwc" for (n, S, S, 3)
    resample : antialiased filter of the resize
    fill : gray of the padding, 0 to 255
    channels : order in which the network takes them, "bgr" for one whose training read pictures
        with OpenCV or Caffe; `mean` and `std` stay in the order R, G, B

    Raises
    ------
    BundleError : a value that can't be used
    """

    size: int
    resize: Resize
    mean: Color
    std: Color
    layout: Layout = "nchw"
    resample: Resample = "bilinear"
    fill: int = 255
    channels: Channels = "rgb"

    def __post_init__(self) -> None:
        _check_whole("size", self.size, 1, MAX_SIZE)
        _check_whole("fill", self.fill, 0, 255)
        _check_choice("resize", self.resize, get_args(Resize))
        _check_choice("layout", self.layout, get_args(Layout))
        _check_choice("resample", self.resample, get_args(Resample))
        _check_choice("channels", self.channels, get_args(Channels))
        object.__setattr__(self, "mean", _color("mean", self.mean))
        object.__setattr__(self, "std", _color("std", self.std))
        if min(self.std) <= 0:
            raise BundleError(f"A recipe's std is above 0 in every channel; got {self.std}.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Read the content of a `recipe.json`.

        Raises
        ------
        BundleError : a field that is missing, unknown or of a value that can't be used
        """
        if not isinstance(values, Mapping):
            raise BundleError(f"A recipe is a JSON object; got {type(values).__name__}.")
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        missing = sorted({"size", "resize", "mean", "std"} - set(values))
        if unknown or missing:
            raise BundleError(
                f"A recipe needs size, resize, mean and std and may have {_listed(known)}; "
                f"missing: {_listed(missing)}; unknown: {_listed(unknown)}."
            )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The content of a `recipe.json`; `from_dict` reads it back."""
        values = {**asdict(self), "mean": list(self.mean), "std": list(self.std)}
        if self.channels == "rgb":
            del values["channels"]  # fingerprints are older than it
        return values

    def canonical_json(self) -> str:
        """One spelling for equal recipes, defaults included: what a fingerprint is taken of."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))

    @property
    def min_side(self) -> int:
        """Shorter side, in pixels, down to which a JPEG may be scaled while it is decoded.

        From there on the resize still only shrinks, in every mode.
        """
        return self.size

    def square(self, image: Pixels) -> Pixels:
        """Resize one picture, uint8 (H, W, 3) of any size, to uint8 (S, S, 3)."""
        height, width = _checked_shape(image)
        if self.resize == "pad":
            return self._padded(image, height, width)
        if (height, width) == (self.size, self.size):
            return image
        side = min(height, width)
        box = None
        if self.resize == "crop":
            left, top = (width - side) / 2, (height - side) / 2
            box = (left, top, left + side, top + side)
        return self._resized(image, (self.size, self.size), box)

    def prepare(self, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """Network input for pictures whose sizes may differ.

        Parameters
        ----------
        images : uint8 (H, W, 3) each, sRGB, upright

        Returns
        -------
        batch : float32 (n, 3, S, S), or (n, S, S, 3) for the layout "nhwc"; C-contiguous

        Raises
        ------
        InvalidInput : a picture of another dtype or shape, or without pixels
        """
        squares = np.empty((len(images), self.size, self.size, 3), np.uint8)
        for square, image in zip(squares, images, strict=True):
            square[...] = self.square(image)
        return self.normalize(squares)

    def normalize(self, squares: Pixels) -> npt.NDArray[np.float32]:
        """Network input for pictures that are squares already, uint8 (n, S, S, 3)."""
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        if self.channels == "bgr":
            squares, mean, std = squares[..., ::-1], mean[::-1], std[::-1]
        if self.layout == "nchw":
            squares = squares.transpose(0, 3, 1, 2)
            mean, std = mean[:, None, None], std[:, None, None]
        batch = np.ascontiguousarray(squares, np.float32)
        batch -= mean
        batch /= std
        return batch

    def _padded(self, image: Pixels, height: int, width: int) -> Pixels:
        scale = self.size / max(height, width)
        wide, high = max(1, round(width * scale)), max(1, round(height * scale))
        left, top = (self.size - wide) // 2, (self.size - high) // 2
        square = np.full((self.size, self.size, 3), self.fill, np.uint8)
        square[top : top + high, left : left + wide] = self._resized(image, (wide, high), None)
        return square

    def _resized(
        self,
        image: Pixels,
        size: tuple[int, int],
        box: tuple[float, float, float, float] | None,
    ) -> Pixels:
        picture = Image.fromarray(np.ascontiguousarray(image))
        return np.asarray(picture.resize(size, _FILTERS[self.resample], box=box))


def _checked_shape(image: Pixels) -> tuple[int, int]:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InvalidInput(
            "A picture is uint8 (height, width, 3) with at least one pixel; "
            f"got {image.dtype} {image.shape}."
        )
    return image.shape[0], image.shape[1]


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BundleError(
            f"A recipe's {name} is a whole number from {low} to {high}; got {value!r}."
        )


def _check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise BundleError(f"A recipe's {name} is one of {', '.join(choices)}; got {value!r}.")


def _color(name: str, values: Any) -> Color:
    is_three = isinstance(values, list | tuple) and len(values) == 3
    if not is_three or not all(_is_finite(value) for value in values):
        raise BundleError(
            f"A recipe's {name} is three finite numbers, for R, G and B; got {values!r}."
        )
    red, green, blue = values
    return float(red), float(green), float(blue)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _listed(names: Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
