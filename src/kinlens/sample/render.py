"""Paints a product as a studio photograph: patterns, soft light, contact shadow.

Each part's blurred mask serves as a height field; its slope gives the light, in the manner of
"inflated" shading (Johnston, "Lumo: illumination for cel animation", 2002).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from kinlens.sample.shapes import Part, Point, Role, curve

Plane: TypeAlias = npt.NDArray[np.float32]
Color = tuple[int, int, int]

LIGHT = np.array([-0.45, -0.65, 0.62], np.float32)


@dataclass(frozen=True, slots=True)
class Look:
    """How one product looks.

    Parameters
    ----------
    color, accent : sRGB 0..255; the accent paints trims and the second color of patterns
    pattern : one of `PATTERNS`
    scale, tilt, stretch : of the outline; tilt in radians
    mirrored : flipped left to right
    background : sRGB 0..255
    seed : of the pattern's phase
    """

    color: Color
    accent: Color
    pattern: str
    scale: float
    tilt: float
    stretch: float
    mirrored: bool
    background: Color
    seed: int


def paint(parts: tuple[Part, ...], look: Look, side: int = 320) -> Image.Image:
    """Square RGB picture of a product."""
    canvas = _backdrop(look.background, side)
    masks = [_mask(part, look, side) for part in parts]
    silhouette = np.maximum.reduce(masks)
    canvas *= 1 - 0.55 * _shadow(silhouette, side)[..., None]
    x, y = _product_grid(look, side)
    for part, whole in zip(parts, masks, strict=True):
        window = _window(whole, side // 5)
        mask, area = whole[window], canvas[window]
        light, gloss = _shade(mask, part.puff, side)
        lit = _albedo(part.role, look, x[window], y[window]) * light[..., None]
        lit = np.clip(lit + gloss[..., None] * 60, 0, 255)
        area += (lit - area) * mask[..., None]
        area *= 1 - 0.18 * _seam(mask, side)[..., None]
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))


def _backdrop(color: Color, side: int) -> npt.NDArray[np.float32]:
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    glow = 1.03 - 0.10 * ((x - 0.5) ** 2 + (y - 0.42) ** 2) / 0.5 - 0.03 * (y > 0.86)
    return np.asarray(np.asarray(color, np.float32) * glow[..., None], np.float32)


def _place(points: npt.NDArray[np.float64], look: Look) -> npt.NDArray[np.float64]:
    centered = (points - 0.5) * (look.scale * look.stretch, look.scale)
    if look.mirrored:
        centered[:, 0] *= -1
    cos, sin = np.cos(look.tilt), np.sin(look.tilt)
    return np.asarray(centered @ np.array([[cos, sin], [-sin, cos]]) + (0.5, 0.49))


def _mask(part: Part, look: Look, side: int) -> Plane:
    fine = 3 * side
    image = Image.new("L", (fine, fine))
    draw = ImageDraw.Draw(image)

    def fill(outline: tuple[Point, ...], value: int) -> None:
        path = _place(curve(outline), look) * fine
        draw.polygon([(float(x), float(y)) for x, y in path], fill=value)

    fill(part.outline, 255)
    if part.hole:
        fill(part.hole, 0)
    return np.asarray(image.reduce(3), np.float32) / np.float32(255)


def _window(mask: Plane, margin: int) -> tuple[slice, slice]:
    """The part of the picture that a mask and its blur touch."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + margin),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + margin),
    )


def _blur(plane: Plane, radius: float) -> Plane:
    image = Image.fromarray((plane * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32) / np.float32(255)


def _shadow(silhouette: Plane, side: int) -> Plane:
    """A soft shadow falling down to the right, darkest where the product stands."""
    cast = np.roll(silhouette, (side // 40, side // 55), axis=(0, 1))
    rows = np.flatnonzero(silhouette.max(axis=1) > 0.5)
    foot = int(rows[-1]) if len(rows) else side - 1
    columns = np.flatnonzero(silhouette[max(foot - side // 8, 0) : foot + 1].max(axis=0) > 0.5)
    contact = np.zeros_like(silhouette)
    contact[max(foot - side // 60, 0) : foot + side // 60, columns.min() : columns.max() + 1] = 1
    return np.clip(0.28 * _blur(cast, side / 28) + 0.75 * _blur(contact, side / 50), 0, 1) * (
        1 - silhouette
    )


def _shade(mask: Plane, puff: float, side: int) -> tuple[Plane, Plane]:
    """Diffuse light around 1, and gloss in 0..1."""
    wide = _blur(mask, side * 0.075)
    height = (0.65 * wide + 0.35 * _blur(mask, side * 0.025)) * mask
    smooth = np.asarray(_blur(height, side * 0.012), np.float32)
    slope_y, slope_x = np.gradient(smooth * puff * side * 0.11)
    normal = np.stack([-slope_x, -slope_y, np.ones_like(slope_x)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light = LIGHT / np.linalg.norm(LIGHT)
    diffuse = np.clip(normal @ light, 0, 1)
    halfway = light + np.array([0, 0, 1], np.float32)  # the viewer looks along z
    gloss = np.clip(normal @ halfway / np.linalg.norm(halfway), 0, 1) ** 24
    return (
        np.asarray(0.42 + 0.86 * diffuse, np.float32),
        np.asarray(gloss * max(puff - 0.4, 0) * 0.8, np.float32),
    )


def _seam(mask: Plane, side: int) -> Plane:
    """A thin dark line along the outline, where parts meet."""
    edge = np.clip(_blur(mask, side / 160) * 2 - 1, 0, 1)
    return np.asarray((mask - edge).clip(0, 1) * 0.9, np.float32)


def _product_grid(look: Look, side: int) -> tuple[Plane, Plane]:
    """Pixel positions in the product's own frame, so that patterns tilt and scale with it."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    cos, sin = np.float32(np.cos(look.tilt)), np.float32(np.sin(look.tilt))
    u, v = x - np.float32(0.5), y - np.float32(0.49)
    return (u * cos + v * sin) / np.float32(look.scale), (v * cos - u * sin) / np.float32(
        look.scale
    )


def _albedo(role: Role, look: Look, x: Plane, y: Plane) -> npt.NDArray[np.float32]:
    if role != "body":
        flat = {
            "trim": look.accent,
            "light": (238, 236, 230),
            "dark": (52, 50, 52),
            "metal": (176, 172, 164),
            "wood": (150, 106, 66),
            "inside": tuple(int(channel * 0.42) for channel in look.color),
        }[role]
        return np.broadcast_to(np.asarray(flat, np.float32), (*x.shape, 3))
    amount = PATTERNS[look.pattern](x, y, np.random.default_rng(look.seed))[..., None]
    first, second = np.asarray(look.color, np.float32), np.asarray(look.accent, np.float32)
    return np.asarray(first + (second - first) * amount, np.float32)


def _soft(wave: Plane, width: float = 0.12) -> Plane:
    """Step at 0 with an anti-aliased edge."""
    return np.asarray(np.clip(wave / width + 0.5, 0, 1), np.float32)


def _solid(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    weave = np.sin(x * 620) * np.sin(y * 620)
    return np.asarray(0.03 * weave + 0.03, np.float32).clip(0, 1)


def _stripes(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    return _soft(np.sin((y + rng.uniform(0, 0.1)) * rng.uniform(65, 95)), 0.25)


def _pinstripes(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    return _soft(np.sin((x + rng.uniform(0, 0.1)) * rng.uniform(100, 130)) - 0.72, 0.3) * 0.9


def _dots(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    pitch = rng.uniform(0.07, 0.10)
    row = np.floor(y / pitch)
    dx = (x / pitch + row * 0.5) % 1 - 0.5
    dy = (y / pitch) % 1 - 0.5
    return _soft((0.27 - np.hypot(dx, dy)).astype(np.float32), 0.1)


def _checks(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    pitch = rng.uniform(50, 75)
    return 0.5 * (_soft(np.sin(x * pitch), 0.2) + _soft(np.sin(y * pitch), 0.2))


def _zigzag(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    pitch = rng.uniform(0.10, 0.14)
    teeth = np.abs((x / pitch) % 1 - 0.5) * pitch
    return _soft(np.sin((y + teeth) * rng.uniform(70, 90)), 0.25)


def _gradient(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    return np.asarray(np.clip((y + 0.38) / 0.76, 0, 1) ** 1.2, np.float32)


def _floral(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    pitch = 0.095
    row, column = np.floor(y / pitch), np.floor(x / pitch)
    jitter = rng.uniform(-0.2, 0.2, (3, 64))
    cell = (row * 7 + column * 3).astype(int) % 64  # one flower a cell, each a little elsewhere
    dx = (x / pitch - column - 0.5 - jitter[0][cell]) * pitch
    dy = (y / pitch - row - 0.5 - jitter[1][cell]) * pitch
    radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx) + jitter[2][cell] * 15
    petals = _soft((0.029 * (0.72 + 0.28 * np.cos(5 * angle)) - radius).astype(np.float32), 0.006)
    heart = _soft((0.008 - radius).astype(np.float32), 0.004)
    return np.asarray(petals * (1 - 0.75 * heart), np.float32)


PATTERNS = {
    "solid": _solid,
    "stripes": _stripes,
    "pinstripes": _pinstripes,
    "dots": _dots,
    "checks": _checks,
    "zigzag": _zigzag,
    "gradient": _gradient,
    "floral": _floral,
}
"""Pattern name -> amount of the accent color at each point, 0..1."""
