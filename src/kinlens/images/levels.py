"""Eight-bit levels of samples that have no white of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_TOPS = {"f": (1.0, 255.0, 65535.0), "u": (255.0, 4095.0, 65535.0), "i": (255.0,)}
_LEAST_USED = 0.25
"""Part of a scale that values must reach to be taken on it; else they would be nearly black."""

_FAR = 10.0
"""Times the extent of all other values, beyond which a lone lowest or highest value is no data."""

_LARGEST = 1e30
"""Floats from here on stand for no data: such fill values are near the largest of the type."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Which values become black and white.

    Parameters
    ----------
    low, high : the value of level 0 and of level 255
    missing : values that stand for no data; they become white, as transparency does
    """

    low: float
    high: float
    missing: tuple[float, ...]

    def levels(self, values: Array) -> Array:
        """Levels, uint8 of the same shape; values beyond the scale are clipped."""
        if values.dtype.kind == "u" and values.dtype.itemsize <= 2 and not self.missing:
            return self._looked_up(values)
        absent = ~is_number(values)
        for value in self.missing:
            absent |= values == value
        numbers = values.astype(np.float64)
        numbers[absent] = self.low
        numbers -= self.low
        numbers *= 255 / ((self.high - self.low) or 1.0)
        found = np.rint(np.clip(numbers, 0, 255)).astype(np.uint8)
        found[absent] = 255
        return found

    def _looked_up(self, values: Array) -> Array:
        steps = np.arange(1 << 8 * values.dtype.itemsize)
        if (self.low, self.high) == (0.0, 65535.0):
            table = steps >> 8  # as Pillow reads 16-bit color
        else:
            table = np.rint(np.clip((steps - self.low) * (255 / self.high), 0, 255))
        return table.astype(np.uint8)[values]


def find_scale(values: Array, no_data: float | None = None) -> Scale:
    """The scale on which values are seen.

    Values from 0 up, whose largest is in the upper three quarters of [0, 1] (floats), [0, 255],
    [0, 4095] (unsigned) or [0, 65535] (floats and unsigned), are taken on that scale; those of 16
    bits on the smallest of these that holds them. Others are stretched from least to most.

    Parameters
    ----------
    values : of any shape and of a numeric dtype
    no_data : the value that stands for none, where the picture states it
    """
    missing = () if no_data is None else (no_data,)
    kind = values.dtype.kind
    valid = values if kind != "f" else values[is_number(values)]
    for value in missing:
        valid = valid[valid != value]
    for pick in (np.min, np.max) if kind != "u" else ():
        if valid.size and (far := _far_value(valid, pick(valid))) is not None:
            missing = (*missing, far)
            valid = valid[valid != far]
    if not valid.size:
        return Scale(0.0, 1.0, missing)
    low, high = float(valid.min()), float(valid.max())
    # Sixteen bits have a white of their own; a lone level has no contrast to stretch.
    is_own = low == high or (kind == "u" and values.dtype.itemsize <= 2)
    least = 0.0 if is_own else _LEAST_USED
    top = next((t for t in _TOPS[kind] if low >= 0 and t * least <= high <= t), None)
    return Scale(low, high, missing) if top is None else Scale(0.0, top, missing)


def is_number(values: Array) -> Array:
    """Where values are finite and no fill value of the largest size."""
    if values.dtype.kind != "f":
        return np.ones(values.shape, bool)
    # Float16 holds no number that large; comparing beyond its range would warn.
    bound = min(_LARGEST, float(np.finfo(values.dtype).max))
    return (values <= bound) & (values >= -bound)


def _far_value(valid: Array, extreme: Any) -> float | None:
    """`extreme`, if it lies so far from all other values that these would lose their contrast."""
    others = valid[valid != extreme]
    if not others.size:
        return None
    low, high, value = float(others.min()), float(others.max()), float(extreme)
    gap = low - value if value < low else value - high
    return value if high > low and gap > _FAR * (high - low) else None
