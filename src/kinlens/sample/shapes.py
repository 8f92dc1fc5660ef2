"""Outlines of the sample products, in a unit square with y downwards.

A product is a list of parts, painted in order. Outlines are closed Catmull-Rom curves; a point
named twice in a row is a corner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Point = tuple[float, float]
Role = Literal["body", "trim", "light", "dark", "metal", "wood", "inside"]


@dataclass(frozen=True, slots=True)
class Part:
    """One painted area.

    Parameters
    ----------
    outline : points around it
    role : which color it takes; "body" takes the product's color and pattern
    puff : how round it looks, 0 flat to 1 inflated
    hole : outline cut out of it
    """

    outline: tuple[Point, ...]
    role: Role = "body"
    puff: float = 0.6
    hole: tuple[Point, ...] = ()


def curve(points: tuple[Point, ...], steps: int = 12) -> npt.NDArray[np.float64]:
    """Closed Catmull-Rom curve through the points, float64 (n, 2)."""
    control = np.asarray(points, float)
    before, after, beyond = (np.roll(control, shift, axis=0) for shift in (1, -1, -2))
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    path = 0.5 * (
        2 * control
        + (after - before) * t
        + (2 * before - 5 * control + 4 * after - beyond) * t**2
        + (3 * control - before - 3 * after + beyond) * t**3
    )
    # Between the two points of a corner the curve would make a small loop.
    segments = path.transpose(1, 0, 2)[np.any(control != after, axis=1)]
    return np.asarray(segments.reshape(-1, 2))


def _mirror(half: tuple[Point, ...]) -> tuple[Point, ...]:
    """Close a right half, given from top to bottom, over the axis x = 0.5."""
    return half + tuple((1 - x, y) for x, y in reversed(half))


def _box(
    left: float, top: float, right: float, bottom: float, round_: float = 0.0
) -> tuple[Point, ...]:
    if not round_:
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        return tuple(corner for corner in corners for _ in range(2))
    middles = (
        (right - round_, top + round_),
        (right - round_, bottom - round_),
        (left + round_, bottom - round_),
        (left + round_, top + round_),
    )
    return tuple(
        point for turn, middle in enumerate(middles) for point in _corner(middle, round_, turn - 1)
    )


def _corner(middle: Point, radius: float, quarter: int) -> list[Point]:
    """A quarter of a circle, and a point on the straight at each end, or the curve overshoots."""
    angles = (quarter + np.linspace(0, 1, 4)) * np.pi / 2
    x, y = middle[0] + radius * np.cos(angles), middle[1] + radius * np.sin(angles)
    step = radius / 2
    before = (x[0] + step * np.sin(angles[0]), y[0] - step * np.cos(angles[0]))
    after = (x[-1] - step * np.sin(angles[-1]), y[-1] + step * np.cos(angles[-1]))
    arc = zip(x, y, strict=True)
    return [(float(px), float(py)) for px, py in (before, *arc, after)]


def _ellipse(x: float, y: float, rx: float, ry: float, n: int = 16) -> tuple[Point, ...]:
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return tuple((x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in angles)


PRODUCTS: dict[str, tuple[Part, ...]] = {
    "t-shirt": (
        Part(_mirror((
            (0.57, 0.17), (0.57, 0.17), (0.70, 0.20), (0.83, 0.30), (0.92, 0.43), (0.92, 0.43),
            (0.80, 0.50), (0.80, 0.50), (0.735, 0.42), (0.735, 0.42), (0.73, 0.62), (0.74, 0.85),
            (0.74, 0.85), (0.62, 0.865),
        )), puff=0.35),
        Part(_ellipse(0.5, 0.175, 0.105, 0.052), "inside", 0.0),
        Part(_ellipse(0.5, 0.175, 0.115, 0.072), "trim", 0.4, _ellipse(0.5, 0.165, 0.095, 0.05)),
    ),
    "dress": (
        Part(_mirror((
            (0.575, 0.10), (0.575, 0.10), (0.615, 0.10), (0.615, 0.10), (0.625, 0.20),
            (0.655, 0.28), (0.635, 0.36), (0.605, 0.45), (0.605, 0.45), (0.68, 0.62), (0.76, 0.87),
            (0.76, 0.87), (0.66, 0.90), (0.56, 0.905),
        )), puff=0.45, hole=_ellipse(0.5, 0.10, 0.075, 0.12)),
        Part(_box(0.39, 0.435, 0.61, 0.475, 0.01), "trim", 0.5),
    ),
    "mug": (
        Part(_ellipse(0.76, 0.53, 0.135, 0.165), "body", 0.9, _ellipse(0.75, 0.53, 0.08, 0.11)),
        Part((
            (0.22, 0.27), (0.22, 0.27), (0.74, 0.27), (0.74, 0.27), (0.735, 0.55), (0.71, 0.78),
            (0.66, 0.83), (0.48, 0.845), (0.30, 0.83), (0.25, 0.78), (0.225, 0.55),
        ), puff=0.9),
        Part(_ellipse(0.48, 0.27, 0.26, 0.052), "light", 0.2),
        Part(_ellipse(0.48, 0.275, 0.235, 0.04), "inside", 0.0),
    ),
    "sneaker": (
        Part((
            (0.10, 0.40), (0.16, 0.34), (0.24, 0.385), (0.34, 0.36), (0.43, 0.345), (0.52, 0.43),
            (0.63, 0.52), (0.80, 0.57), (0.895, 0.63), (0.905, 0.71), (0.905, 0.71), (0.10, 0.71),
            (0.10, 0.71), (0.085, 0.55),
        ), puff=0.75),
        Part(((0.70, 0.55), (0.82, 0.575), (0.90, 0.64), (0.905, 0.71), (0.905, 0.71), (0.72, 0.71),
              (0.72, 0.71), (0.675, 0.62)), "trim", 0.7),
        Part(((0.09, 0.55), (0.17, 0.53), (0.21, 0.62), (0.20, 0.71), (0.20, 0.71), (0.10, 0.71),
              (0.10, 0.71)), "trim", 0.6),
        Part(((0.28, 0.66), (0.44, 0.60), (0.60, 0.54), (0.60, 0.54), (0.50, 0.645), (0.34, 0.695)),
             "light", 0.3),
        *(Part(_box(x, y, x + 0.07, y + 0.017, 0.008), "light", 0.6)
          for x, y in ((0.405, 0.385), (0.457, 0.427), (0.509, 0.469), (0.561, 0.511))),
        Part(_box(0.07, 0.695, 0.925, 0.785, 0.035), "light", 0.5),
    ),
    "lamp": (
        Part(_box(0.485, 0.44, 0.515, 0.84), "metal", 0.9),
        Part(_ellipse(0.5, 0.85, 0.155, 0.038), "metal", 0.7),
        Part(_mirror(((0.60, 0.13), (0.60, 0.13), (0.735, 0.47), (0.735, 0.47), (0.62, 0.49))),
             puff=0.8),
        Part(_ellipse(0.5, 0.132, 0.10, 0.018), "light", 0.0),
    ),
    "backpack": (
        Part(_ellipse(0.5, 0.16, 0.085, 0.075), "dark", 0.8, _ellipse(0.5, 0.165, 0.055, 0.045)),
        Part(_box(0.165, 0.45, 0.30, 0.80, 0.06), "body", 0.8),
        Part(_box(0.70, 0.45, 0.835, 0.80, 0.06), "body", 0.8),
        Part(_mirror(((0.60, 0.165), (0.715, 0.23), (0.765, 0.40), (0.775, 0.70), (0.745, 0.86),
                      (0.62, 0.885))), puff=0.7),
        Part(_box(0.31, 0.54, 0.69, 0.83, 0.06), "trim", 0.6),
        Part(_box(0.33, 0.585, 0.67, 0.597, 0.004), "metal", 0.3),
        Part(_box(0.28, 0.375, 0.72, 0.389, 0.005), "dark", 0.3),
        Part(_box(0.655, 0.38, 0.672, 0.45, 0.006), "metal", 0.6),
    ),
    "bottle": (
        Part(_mirror(((0.565, 0.22), (0.565, 0.22), (0.57, 0.30), (0.635, 0.37), (0.65, 0.45),
                      (0.65, 0.84), (0.635, 0.885), (0.57, 0.895))), puff=1.0),
        Part(_box(0.425, 0.10, 0.575, 0.225, 0.025), "dark", 0.8),
        Part(_box(0.35, 0.56, 0.65, 0.72), "trim", 0.9),
    ),
    "vase": (
        Part(_mirror(((0.565, 0.14), (0.585, 0.15), (0.565, 0.25), (0.60, 0.33), (0.71, 0.46),
                      (0.735, 0.60), (0.68, 0.76), (0.60, 0.86), (0.60, 0.875), (0.55, 0.88))),
             puff=1.0),
        Part(_ellipse(0.5, 0.145, 0.082, 0.019), "inside", 0.0),
    ),
    "cushion": (
        Part(((0.13, 0.14), (0.13, 0.14), (0.30, 0.19), (0.50, 0.20), (0.70, 0.19), (0.87, 0.14),
              (0.87, 0.14), (0.82, 0.32), (0.81, 0.50), (0.82, 0.68), (0.87, 0.86), (0.87, 0.86),
              (0.70, 0.81), (0.50, 0.80), (0.30, 0.81), (0.13, 0.86), (0.13, 0.86), (0.18, 0.68),
              (0.19, 0.50), (0.18, 0.32)), puff=1.0),
    ),
    "armchair": (
        Part(_box(0.235, 0.80, 0.265, 0.92), "wood", 0.8),
        Part(_box(0.735, 0.80, 0.765, 0.92), "wood", 0.8),
        Part(_mirror(((0.60, 0.14), (0.72, 0.17), (0.765, 0.30), (0.76, 0.62), (0.70, 0.68),
                      (0.60, 0.69))), puff=0.8),
        Part(_box(0.245, 0.56, 0.755, 0.73, 0.05), "body", 0.9),
        Part(_box(0.20, 0.68, 0.80, 0.83, 0.04), "body", 0.6),
        Part(_box(0.115, 0.42, 0.265, 0.83, 0.065), "body", 0.9),
        Part(_box(0.735, 0.42, 0.885, 0.83, 0.065), "body", 0.9),
    ),
    "cap": (
        Part(((0.17, 0.60), (0.18, 0.45), (0.27, 0.31), (0.42, 0.245), (0.57, 0.27), (0.67, 0.38),
              (0.705, 0.52), (0.70, 0.60), (0.45, 0.63)), puff=1.0),
        Part(((0.40, 0.60), (0.55, 0.545), (0.72, 0.545), (0.88, 0.61), (0.93, 0.675), (0.88, 0.70),
              (0.72, 0.655), (0.55, 0.66), (0.42, 0.655)), "trim", 0.6),
        Part(_ellipse(0.435, 0.245, 0.028, 0.016), "trim", 0.9),
    ),
    "tote bag": (
        Part(_mirror(((0.54, 0.13), (0.62, 0.17), (0.655, 0.28), (0.665, 0.40), (0.665, 0.40),
                      (0.625, 0.40), (0.625, 0.40), (0.61, 0.28), (0.58, 0.20), (0.53, 0.175))),
             "trim", 0.8),
        Part(_mirror(((0.60, 0.37), (0.80, 0.37), (0.80, 0.37), (0.815, 0.60), (0.80, 0.875),
                      (0.80, 0.875), (0.62, 0.885))), puff=0.4),
    ),
}  # fmt: skip
"""Product category -> parts, back to front."""
