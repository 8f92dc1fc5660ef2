"""A shelf with catalog pictures on it: the long picture that a recorded walk looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from kinlens.camera.cutout import Colors, Cutout, Plane, cut_out
from kinlens.types import Pixels

HEIGHT = 660
PITCH = 430
"""Pixels from one thing to the next."""

BOX = (310, 350)
"""Pixels, width and height, that a thing may take."""

BAY = 4
"""Things between two uprights."""

CEILING, FOOT, EDGE, GAP = 58, 506, 518, 562
"""Rows of the upper board's edge, of where things stand, of the board's front and its end."""

WALL = np.array((233, 230, 224), np.float32)
WOOD = np.array((184, 143, 101), np.float32)
METAL = np.array((158, 160, 163), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A thing to put on the shelf.

    Parameters
    ----------
    id : of the item
    pixels : uint8 (height, width, 3)
    label : on its price tag
    """

    id: str
    pixels: Pixels = field(repr=False)
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """A shelf that begins anew where it ends.

    Parameters
    ----------
    picture : of `length` + 2 `margin` columns; the margins repeat what is at the other end
    length : columns until it begins anew
    margin : columns before the first
    ids : of the things; number n stands around column (n + 0.5) PITCH
    """

    picture: Image.Image = field(repr=False)
    length: int
    margin: int
    ids: tuple[str, ...]


def build_shelf(things: Sequence[Shown], seed: int = 0, margin: int = 640) -> Shelf:
    """Put things side by side on a shelf.

    Parameters
    ----------
    things : at least one
    seed : of wood and small irregularities
    margin : see `Shelf`
    """
    rng = np.random.default_rng((11, seed))
    length = len(things) * PITCH
    canvas = _bare(length, rng)
    tags = []
    for place, thing in enumerate(things):
        middle = round((place + 0.5) * PITCH + rng.uniform(-8, 8))
        _put(canvas, cut_out(thing.pixels, *BOX), middle)
        tags.append((middle, thing.label))
    picture = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    for middle, label in tags:
        _tag(picture, middle + int(rng.integers(-12, 12)), label, rng)
    pixels = np.asarray(picture)
    wrapped = np.take(pixels, range(-margin, length + margin), axis=1, mode="wrap")
    ids = tuple(thing.id for thing in things)
    return Shelf(Image.fromarray(wrapped), length, margin, ids)


def _bare(length: int, rng: np.random.Generator) -> Colors:
    """Wall, boards and uprights."""
    y = np.arange(HEIGHT, dtype=np.float32)[:, None]
    light = 1.03 - 0.10 * ((y - CEILING) / (FOOT - CEILING)) ** 2
    light -= 0.42 * np.exp(-np.maximum(y - CEILING, 0) / 26)  # below a board it is dark
    lower = np.maximum(y - GAP, 0)
    light = np.where(y >= GAP, 0.36 + 0.40 * (1 - np.exp(-lower / 70)), light)
    canvas = np.empty((HEIGHT, length, 3), np.float32)
    canvas[:] = (WALL * light[..., None]).astype(np.float32)
    canvas += rng.normal(0, 1.2, (HEIGHT, length, 1)).astype(np.float32)
    for left in range(0, length, BAY * PITCH):
        _upright(canvas, left)
    grain = _grain(GAP - FOOT + 40 + CEILING, length, rng)
    _board(canvas, 0, CEILING, grain[:CEILING])
    _board(canvas, FOOT - 22, GAP, grain[CEILING : CEILING + GAP - FOOT + 22])
    return canvas


def _grain(rows: int, length: int, rng: np.random.Generator) -> Plane:
    """Streaks along the board, around 0."""
    layers = []
    for stretch, strength in ((160, 1.0), (28, 0.5)):
        noise = rng.normal(0, strength, (rows, length // stretch + 2)).astype(np.float32)
        layers.append(np.asarray(Image.fromarray(noise).resize((length, rows))))
    return np.asarray(sum(layers), np.float32)


def _board(canvas: Colors, top: int, bottom: int, grain: Plane) -> None:
    edge = max(bottom - (GAP - EDGE), top)
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    light = np.where(rows < edge, 1.06, 0.92 - 0.14 * (rows - edge) / (bottom - edge))
    light -= 0.25 * np.exp(-np.abs(rows - edge) / 1.2)  # a bevel
    canvas[top:bottom] = WOOD * (light + 0.035 * grain)[..., None]
    for joint in range(0, canvas.shape[1], BAY * PITCH):
        canvas[top:bottom, joint : joint + 2] *= 0.55


def _upright(canvas: Colors, left: int) -> None:
    """A metal rail with slots in the wall."""
    across = np.arange(16, dtype=np.float32)
    shade = 0.92 + 0.12 * np.sin(across / 15 * np.pi)
    canvas[CEILING:FOOT, left : left + 16] *= (METAL / 255 * shade[:, None])[None] * 1.35
    for top in range(CEILING + 14, FOOT - 40, 24):
        canvas[top : top + 11, left + 6 : left + 10] *= 0.45


def _put(canvas: Colors, thing: Cutout, middle: int) -> None:
    """Stand a thing on the board, with its shadows."""
    height, width = thing.alpha.shape
    top, left = FOOT - height, middle - width // 2
    _shade(canvas, thing.alpha, top, left)
    area = canvas[top : top + height, left : left + width]
    alpha = thing.alpha[..., None]
    area *= thing.veil * (1 - alpha) + alpha
    area += (thing.colors - area) * alpha


def _shade(canvas: Colors, alpha: Plane, top: int, left: int) -> None:
    """A soft shadow on the wall, falling to the right, and a dark one where the thing stands."""
    height, width = alpha.shape
    pad = 40
    cast = _blurred(np.pad(alpha, pad), 14)
    _darken(canvas, 0.22 * cast, top - pad + 10, left - pad + 16)
    standing = alpha[-max(4, height // 12) :].max(axis=0)
    contact = np.zeros((2 * pad, width + 2 * pad), np.float32)
    contact[pad - 5 : pad + 4, pad : pad + width] = standing
    _darken(canvas, 1.6 * _blurred(contact, 6), top + height - pad, left - pad)


def _blurred(plane: Plane, radius: float) -> Plane:
    image = Image.fromarray((plane * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32) / np.float32(255)


def _darken(canvas: Colors, amount: Plane, top: int, left: int) -> None:
    """Take light away from where `amount` lies, as far as that is on the canvas."""
    right, bottom = left + amount.shape[1], min(top + amount.shape[0], EDGE)
    columns = slice(max(left, 0), min(right, canvas.shape[1]))
    rows = slice(max(top, 0), bottom)
    part = amount[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    canvas[rows, columns] *= 1 - np.clip(part, 0, 0.85)[..., None]


def _tag(picture: Image.Image, middle: int, label: str, rng: np.random.Generator) -> None:
    """A price tag on the board's front."""
    draw = ImageDraw.Draw(picture)
    left, top, right, bottom = middle - 48, EDGE + 6, middle + 48, GAP - 6
    draw.rounded_rectangle((left + 2, top + 3, right + 2, bottom + 3), 3, fill=(112, 84, 58))
    draw.rounded_rectangle((left, top, right, bottom), 3, fill=(248, 247, 243))
    if label:
        font = ImageFont.load_default(17)
        draw.text((left + 7, (top + bottom) / 2), label[:6], (52, 50, 48), font, anchor="lm")
    x = right - 32
    while x < right - 6:
        bar = int(rng.integers(1, 4))
        draw.rectangle((x, top + 7, x + bar - 1, bottom - 7), fill=(70, 68, 66))
        x += bar + int(rng.integers(1, 4))
