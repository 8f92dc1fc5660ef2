"""A query and its look-alikes as one picture: rows of thumbnails with their distances."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

TILE = 200
GAP = 16
CAPTION = 40
INK, QUIET, PAPER, ACCENT = (28, 28, 30), (120, 120, 126), (255, 255, 255), (46, 92, 220)


@dataclass(frozen=True, slots=True)
class Tile:
    """One cell.

    Parameters
    ----------
    picture : encoded bytes of a thumbnail
    title, note : two lines under it, cut to fit
    query : framed as what was asked for
    """

    picture: bytes
    title: str
    note: str = ""
    query: bool = False


def contact_sheet(tiles: Sequence[Tile], columns: int = 5) -> Image.Image:
    """RGB picture of all tiles, left to right, top to bottom."""
    columns = min(columns, len(tiles)) or 1
    rows = -(-len(tiles) // columns) or 1
    step_x, step_y = TILE + GAP, TILE + CAPTION + GAP
    sheet = Image.new("RGB", (columns * step_x + GAP, rows * step_y + GAP), PAPER)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        _paste(sheet, tile, GAP + column * step_x, GAP + row * step_y)
    return sheet


def _paste(sheet: Image.Image, tile: Tile, left: int, top: int) -> None:
    draw = ImageDraw.Draw(sheet)
    with Image.open(io.BytesIO(tile.picture)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    sheet.paste(picture, (left + (TILE - picture.width) // 2, top + (TILE - picture.height) // 2))
    if tile.query:
        draw.rectangle(
            (left - 4, top - 4, left + TILE + 3, top + TILE + 3), outline=ACCENT, width=3
        )
    font = ImageFont.load_default(13)
    draw.text((left, top + TILE + 6), _cut(tile.title, font), INK, font)
    draw.text((left, top + TILE + 23), _cut(tile.note, font), QUIET, font)


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, ended with dots where it is wider than a tile."""
    text = " ".join(text.split())
    if font.getlength(text) <= TILE:
        return text
    while text and font.getlength(text + "…") > TILE:
        text = text[:-1]
    return text + "…"
