"""A query and its look-alikes as one picture: rows of thumbnails with their distances."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

TILE = 200
GAP = 16
CAPTION = 40
INK, QUIET, PAPER, ACCENT = (28, 28, 30), (120, 120, 126), (255, 255, 255), (46, 92, 220)
SIZE = 13
FONTS = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf")
"""For what isn't ASCII, which is all that Pillow's own font has: of Linux, macOS and Windows."""

_Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


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
    font = _font(chain.from_iterable((tile.title, tile.note) for tile in tiles))
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        _paste(sheet, tile, GAP + column * step_x, GAP + row * step_y, font)
    return sheet


def _font(texts: Iterable[str]) -> _Font | None:
    """One that can write them all; None if this machine has none."""
    if all(map(str.isascii, texts)):
        return ImageFont.load_default(SIZE)
    for name in FONTS:
        with suppress(OSError):
            return ImageFont.truetype(name, SIZE)
    return None


def _plain(text: str) -> str:
    """ASCII only: letters without their accents, and question marks."""
    letters = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return bare.encode("ascii", "replace").decode()


def _paste(sheet: Image.Image, tile: Tile, left: int, top: int, font: _Font | None) -> None:
    draw = ImageDraw.Draw(sheet)
    with Image.open(io.BytesIO(tile.picture)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    sheet.paste(picture, (left + (TILE - picture.width) // 2, top + (TILE - picture.height) // 2))
    if tile.query:
        draw.rectangle(
            (left - 4, top - 4, left + TILE + 3, top + TILE + 3), outline=ACCENT, width=3
        )
    lines = [tile.title, tile.note]
    if font is None:
        lines, font = [_plain(line) for line in lines], ImageFont.load_default(SIZE)
    for line, down, color in zip(lines, (6, 23), (INK, QUIET), strict=True):
        draw.text((left, top + TILE + down), _cut(line, font), color, font)


def _cut(text: str, font: _Font) -> str:
    """The text, ended with dots where it is wider than a tile."""
    text = " ".join(text.split())
    if font.getlength(text) <= TILE:
        return text
    while text and font.getlength(text + "…") > TILE:
        text = text[:-1]
    return text + "…"
