"""From a network's spatial map to one vector a picture."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from kinlens.errors import BundleError
from kinlens.preprocess import Layout

Pooling: TypeAlias = Literal["average", "max", "none"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


def as_pooling(name: object) -> Pooling:
    """The pooling of this name; `BundleError` if there is none."""
    if name not in POOLINGS:
        raise BundleError(f'"pooling" is one of {", ".join(POOLINGS)}; got {name!r}.')
    return name


def pooled(
    maps: npt.NDArray[np.float32], pooling: Pooling, layout: Layout
) -> npt.NDArray[np.float32]:
    """One vector a picture.

    Kinlens feeds squares, so a map's two equal axes are its sides, whatever the input's layout is:
    exporters turn maps around. Where the shape doesn't tell, the layout does.

    Parameters
    ----------
    maps : float32 (n, c, s, s) or (n, s, s, c)
    pooling : "average" or "max" over the sides, or "none" for all numbers in the network's order
    layout : of the network's input

    Returns
    -------
    vectors : float32 (n, c), or (n, c * s * s) for "none"
    """
    if pooling == "none":
        return maps.reshape(len(maps), -1)
    sides = _sides(maps.shape, layout)
    reduce = np.mean if pooling == "average" else np.max
    return np.asarray(reduce(maps, axis=sides), np.float32)


def _sides(shape: tuple[int, ...], layout: Layout) -> tuple[int, int]:
    last, first = shape[1] == shape[2], shape[2] == shape[3]
    if last == first:
        last = layout == "nhwc"
    return (1, 2) if last else (2, 3)
