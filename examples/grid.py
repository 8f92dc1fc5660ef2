"""Queries and their neighbors as one picture: a row a query, the distance under each neighbor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

MARGIN, GAP, QUERY_GAP, CAPTION, HEADER, RADIUS = 28, 12, 28, 34, 30, 10
INK, QUIET, RULE, PAPER = (28, 28, 30), (120, 120, 126), (222, 222, 226), (255, 255, 255)
ORDINALS = ("nearest", "2nd", "3rd")

Pictures = npt.NDArray[np.uint8]


def draw_grid(
    queries: Pictures,
    neighbors: Pictures,
    distances: npt.NDArray[np.floating],
    *,
    side: int = 128,
) -> Image.Image:
    """A picture of q rows and 1 + k columns.

    Parameters
    ----------
    queries : uint8 (q, h, w, 3)
    neighbors : uint8 (q, k, h, w, 3)
    distances : (q, k)
    side : of a tile, in pixels
    """
    count, k = distances.shape
    lefts = [MARGIN, *(MARGIN + QUERY_GAP + place * (side + GAP) for place in range(1, k + 1))]
    width = lefts[-1] + side + MARGIN
    sheet = Image.new("RGB", (width, HEADER + MARGIN + count * (side + CAPTION) + 8), PAPER)
    _header(sheet, lefts, side)
    for row in range(count):
        top = MARGIN + HEADER + row * (side + CAPTION)
        captions = ["", *(f"{distance:.4f}" for distance in distances[row])]
        for left, tile, caption in zip(
            lefts, [queries[row], *neighbors[row]], captions, strict=True
        ):
            _tile(sheet, tile, (left, top), side)
            _text(sheet, caption, (left + side / 2, top + side + 7), INK, size=13)
    return sheet


def draw_pictures(pictures: Pictures, columns: int = 8, *, side: int = 96) -> Image.Image:
    """Some pictures side by side, uint8 (n, h, w, 3)."""
    rows = -(-len(pictures) // columns)
    step = side + GAP
    sheet = Image.new("RGB", (columns * step + GAP, rows * step + GAP), PAPER)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        _tile(sheet, picture, (GAP + column * step, GAP + row * step), side)
    return sheet


def _header(sheet: Image.Image, lefts: Sequence[int], side: int) -> None:
    names = ["query", *(_ordinal(place) for place in range(1, len(lefts)))]
    for left, name in zip(lefts, names, strict=True):
        _text(sheet, name, (left + side / 2, MARGIN - 2), QUIET, size=13)
    across = (lefts[0] + side + lefts[1]) / 2 if len(lefts) > 1 else 0
    ImageDraw.Draw(sheet).line(
        (across, MARGIN + HEADER, across, sheet.height - CAPTION - 8), RULE, 1
    )


def _ordinal(place: int) -> str:
    return ORDINALS[place - 1] if place <= len(ORDINALS) else str(place)


def _tile(sheet: Image.Image, picture: Pictures, place: tuple[int, int], side: int) -> None:
    tile = Image.fromarray(np.ascontiguousarray(picture))
    tile = tile.resize((side, side), Image.Resampling.LANCZOS)
    sheet.paste(tile, place, _rounded(side))


def _rounded(side: int) -> Image.Image:
    fine = 4
    mask = Image.new("L", (side * fine, side * fine))
    ImageDraw.Draw(mask).rounded_rectangle(
        (0, 0, side * fine - 1, side * fine - 1), RADIUS * fine, fill=255
    )
    return mask.resize((side, side), Image.Resampling.LANCZOS)


def _text(
    sheet: Image.Image,
    text: str,
    place: tuple[float, float],
    color: tuple[int, int, int],
    *,
    size: int,
) -> None:
    font = ImageFont.load_default(size)
    ImageDraw.Draw(sheet).text(place, text, color, font, anchor="ma")
