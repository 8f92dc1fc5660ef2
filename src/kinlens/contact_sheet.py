"""A query and its look-alikes as one picture: thumbnails with their names and scores."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from kinlens.glyphs import Glyphs
from kinlens.types import Crop

TILE = 200
GAP = 16
LINE = 17
INK, QUIET, PAPER, ACCENT = (28, 28, 30), (120, 120, 126), (255, 255, 255), (46, 92, 220)
SIZE = 13
TITLE_LINES = 2


@dataclass(frozen=True, slots=True)
class Tile:
    """One cell.

    Parameters
    ----------
    picture : encoded bytes of a thumbnail
    title : its name, on two lines at most; a longer one loses its middle
    note : a line under it, such as the score
    query : what was asked for: framed, and in a row above the others
    crop : the box of the picture that was looked at, which is marked
    """

    picture: bytes
    title: str
    note: str = ""
    query: bool = False
    crop: Crop | None = None


def contact_sheet(tiles: Sequence[Tile], columns: int = 5) -> Image.Image:
    """RGB picture of all tiles, those of the query first, left to right, top to bottom."""
    asked = [tile for tile in tiles if tile.query]
    found = [tile for tile in tiles if not tile.query]
    columns = min(columns, max(len(asked), len(found))) or 1
    placed = [*_places(asked, columns, 0), *_places(found, columns, -(-len(asked) // columns))]
    rows = max((row for _, row, _ in placed), default=0) + 1
    step_x, step_y = TILE + GAP, TILE + (TITLE_LINES + 1) * LINE + GAP
    sheet = Image.new("RGB", (columns * step_x + GAP, rows * step_y + GAP), PAPER)
    glyphs = Glyphs(SIZE)
    for tile, row, column in placed:
        _paste(sheet, tile, GAP + column * step_x, GAP + row * step_y, glyphs)
    return sheet


def _places(tiles: Sequence[Tile], columns: int, first: int) -> list[tuple[Tile, int, int]]:
    """Each tile with its row and column."""
    return [
        (tile, first + number // columns, number % columns) for number, tile in enumerate(tiles)
    ]


def _paste(sheet: Image.Image, tile: Tile, left: int, top: int, glyphs: Glyphs) -> None:
    draw = ImageDraw.Draw(sheet)
    with Image.open(io.BytesIO(tile.picture)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    if tile.crop is not None:
        _mark(picture, tile.crop)
    sheet.paste(picture, (left + (TILE - picture.width) // 2, top + (TILE - picture.height) // 2))
    if tile.query:
        draw.rectangle(
            (left - 4, top - 4, left + TILE + 3, top + TILE + 3), outline=ACCENT, width=3
        )
    lines = [(line, INK) for line in _lines(tile.title, glyphs)]
    lines.append((_cut(glyphs.readable(tile.note), glyphs), QUIET))
    for number, (line, color) in enumerate(lines):
        glyphs.write(draw, (left, top + TILE + 4 + LINE * number + LINE // 2), line, color)


def _mark(picture: Image.Image, crop: Crop) -> None:
    """Draw a box, and darken what is outside of it."""
    width, height = picture.size
    box = (
        round(crop.x * width),
        round(crop.y * height),
        max(round((crop.x + crop.width) * width), round(crop.x * width) + 1),
        max(round((crop.y + crop.height) * height), round(crop.y * height) + 1),
    )
    inside = picture.crop(box)
    picture.paste(Image.blend(picture, Image.new("RGB", picture.size), 0.5))
    picture.paste(inside, box[:2])
    outline = (box[0], box[1], box[2] - 1, box[3] - 1)
    ImageDraw.Draw(picture).rectangle(outline, outline=ACCENT, width=2)


def _lines(text: str, glyphs: Glyphs) -> list[str]:
    """A title on two lines; it is broken between words or path parts, else anywhere."""
    text = glyphs.readable(text)
    if glyphs.width(text) <= TILE:
        return [text]
    end = next(at for at in range(len(text), 0, -1) if glyphs.width(text[:at]) <= TILE or at == 1)
    between = max(text.rfind(mark, 0, end) for mark in " /-_,.")
    end = between + 1 if between > end // 2 else end
    return [text[:end].rstrip(), _cut(text[end:].lstrip(), glyphs)]


def _cut(text: str, glyphs: Glyphs) -> str:
    """A readable text, without its middle where it is wider than a tile."""
    dots = "…"
    if glyphs.width(text) <= TILE:
        return text
    for kept in range(len(text) - 1, 1, -1):
        start = kept - kept // 2
        shown = f"{text[:start].rstrip()}{dots}{text[len(text) - kept // 2 :]}"
        if glyphs.width(shown) <= TILE:
            return shown
    return dots
