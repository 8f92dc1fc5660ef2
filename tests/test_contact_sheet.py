"""Contact sheets show the query, every tile, and names in any script, cut where they don't fit."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFont

from kinlens import glyphs as module
from kinlens.contact_sheet import (
    ACCENT,
    GAP,
    LINE,
    PAPER,
    SIZE,
    TILE,
    Tile,
    _cut,
    _lines,
    contact_sheet,
)
from kinlens.glyphs import Glyphs, has_glyph
from kinlens.types import Crop


def white() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (TILE, TILE), PAPER).save(file, "PNG")
    return file.getvalue()


def test_rows_and_columns(make_picture: Callable[..., bytes]) -> None:
    tiles = [Tile(make_picture(80, 60, seed=n), f"item {n}", "score 0.1") for n in range(7)]
    sheet = contact_sheet(tiles, columns=3)
    one = contact_sheet(tiles[:1])
    assert sheet.width > 3 * TILE > one.width
    assert sheet.height > 3 * TILE
    assert sheet.getpixel((0, 0)) == PAPER
    colors = sheet.getcolors(sheet.width * sheet.height)
    assert colors is not None
    assert len(colors) > 50


def test_queries_are_framed_and_in_a_row_above_the_others() -> None:
    found = [Tile(white(), "") for _ in range(2)]
    sheet = np.asarray(contact_sheet([*found, Tile(white(), "", query=True)]))
    rows, columns = np.nonzero((sheet == ACCENT).all(axis=2))
    assert (rows.min(), columns.min()) == (GAP - 4, GAP - 4)
    assert (rows.max(), columns.max()) == (GAP + TILE + 3, GAP + TILE + 3)
    assert len(sheet) > 2 * TILE


def test_the_crop_of_a_query_is_marked() -> None:
    sheet = contact_sheet([Tile(white(), "", crop=Crop(0.25, 0.5, 0.5, 0.25))])
    box = GAP + TILE // 4, GAP + TILE // 2
    assert sheet.getpixel(box) == ACCENT
    assert sheet.getpixel((box[0] + TILE // 2 - 1, box[1] + TILE // 4 - 1)) == ACCENT
    assert sheet.getpixel((box[0] + 5, box[1] + 5)) == PAPER
    assert sheet.getpixel((GAP + 5, GAP + 5)) == (127, 127, 127)


def test_nothing_found_gives_a_blank_sheet() -> None:
    assert contact_sheet([]).getcolors() is not None


def test_long_names_lose_their_middle_on_the_second_line() -> None:
    glyphs = Glyphs(SIZE)
    name = "shop/summer/a very long name that never ends " * 4 + "number 7.jpg"
    first, second = _lines(name, glyphs)
    assert max(glyphs.width(first), glyphs.width(second)) <= TILE
    assert name.startswith(first)
    assert "…" in second
    assert second.endswith("7.jpg")
    assert _lines("mug", glyphs) == ["mug"]
    assert all(glyphs.width(line) <= TILE for line in _lines("x" * 500, glyphs))
    assert _cut("", glyphs) == ""


def test_accents_are_written_rather_than_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FONTS", ())
    glyphs = Glyphs(SIZE)
    assert glyphs.readable("Ombré Größe") == "Ombre Grose"
    assert glyphs.readable("Жук") == "Zheuka"
    assert glyphs.readable("かな 한") == "kana han"
    assert glyphs.readable("中文") == "[4E2D][6587]"
    assert glyphs.readable(" a\tb\n\x1b[31m\u202ec ") == "a b [31m c"


@pytest.mark.parametrize(
    "text", ["Ombré", "Привет", "中文名字", "日本語", "한국어", "שלום", "🙂 mug"]
)
def test_no_character_is_drawn_as_missing(text: str) -> None:
    glyphs = Glyphs(SIZE)
    readable = glyphs.readable(text)
    assert readable
    for font, part in glyphs._runs(readable):
        assert isinstance(font, ImageFont.FreeTypeFont)
        assert all(has_glyph(font, char) for char in part if char != " ")


def test_names_are_drawn(make_picture: Callable[..., bytes]) -> None:
    picture = make_picture()
    plain = contact_sheet([Tile(picture, "")])
    for name in ("mug", "Привет", "中文"):
        sheet = contact_sheet([Tile(picture, name)])
        below = np.asarray(sheet)[GAP + TILE : GAP + TILE + 3 * LINE]
        assert sheet.size == plain.size
        assert (below < 128).any()
