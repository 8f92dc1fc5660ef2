"""Contact sheets hold every tile and cut what doesn't fit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PIL import ImageFont

from kinlens import contact_sheet as module
from kinlens.contact_sheet import TILE, Tile, _cut, contact_sheet


def test_rows_and_columns(make_picture: Callable[..., bytes]) -> None:
    tiles = [Tile(make_picture(80, 60, seed=n), f"item {n}", "distance 0.1") for n in range(7)]
    sheet = contact_sheet(tiles, columns=3)
    one = contact_sheet(tiles[:1])
    assert sheet.width > 3 * TILE > one.width
    assert sheet.height > 3 * TILE
    assert sheet.getpixel((0, 0)) == (255, 255, 255)
    colors = sheet.getcolors(sheet.width * sheet.height)
    assert colors is not None
    assert len(colors) > 50


def test_query_is_framed(make_picture: Callable[..., bytes]) -> None:
    picture = make_picture()
    framed = contact_sheet([Tile(picture, "query", query=True)])
    assert framed.tobytes() != contact_sheet([Tile(picture, "query")]).tobytes()


def test_nothing_found_gives_a_blank_sheet() -> None:
    assert contact_sheet([]).getcolors() is not None


def test_long_titles_are_cut() -> None:
    font = ImageFont.load_default(13)
    short = _cut("a very long title that never ends " * 5, font)
    assert short.endswith("…")
    assert font.getlength(short) <= TILE
    assert _cut("mug", font) == "mug"


@pytest.mark.parametrize("fonts", [module.FONTS, ()], ids=["system", "none"])
def test_accents_are_written_rather_than_boxes(
    make_picture: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, fonts: tuple[str, ...]
) -> None:
    monkeypatch.setattr(module, "FONTS", fonts)
    picture = make_picture()

    def drawn(title: str) -> bytes:
        return contact_sheet([Tile(picture, title, "Größe 42")]).tobytes()

    assert drawn("Ombré mug") != drawn("Ombr\uffff mug")
    if not fonts:
        assert drawn("Ombré mug") == drawn("Ombre mug")
