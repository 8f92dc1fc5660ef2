"""A small drawn shop for the tests of the page."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw
from playwright.sync_api import Page

from kinlens.http.serve import Server
from kinlens.live.service import LiveService
from kinlens.search import Search
from kinlens.types import NewItem

COLORS = {
    "Red": (196, 44, 40),
    "Navy Blue": (28, 40, 96),
    "Green": (40, 130, 70),
    "Yellow": (236, 200, 40),
    "Pink": (236, 140, 170),
    "Black": (24, 24, 26),
}
SHAPES = ("disc", "square", "ring", "bar", "cross", "triangle", "drop", "arch", "flag", "stairs")
HOSTILE = "<img src=x onerror=\"document.title='broken'\">"


def draw(shape: str, color: str, size: tuple[int, int] = (160, 160), format: str = "JPEG") -> bytes:
    """A product on white."""
    picture = Image.new("RGB", size, "white")
    pen, paint = ImageDraw.Draw(picture), COLORS[color]
    w, h = size
    left, top, right, bottom = w * 0.2, h * 0.2, w * 0.8, h * 0.8
    box = (left, top, right, bottom)
    middle = (left + right) / 2
    match shape:
        case "disc":
            pen.ellipse(box, paint)
        case "square":
            pen.rectangle(box, paint)
        case "ring":
            pen.ellipse(box, outline=paint, width=w // 8)
        case "bar":
            pen.rectangle((left, h * 0.4, right, h * 0.6), paint)
        case "cross":
            pen.line((left, top, right, bottom), paint, w // 8)
            pen.line((left, bottom, right, top), paint, w // 8)
        case "triangle":
            pen.polygon([(middle, top), (right, bottom), (left, bottom)], paint)
        case "drop":
            pen.pieslice(box, 200, 520, paint)
        case "arch":
            pen.arc(box, 180, 360, paint, w // 6)
        case "flag":
            pen.polygon([(left, top), (right, h * 0.35), (left, h * 0.5)], paint)
        case _:
            pen.polygon([(left, bottom), (left, h * 0.6), (middle, top), (right, bottom)], paint)
    data = io.BytesIO()
    picture.save(data, format, quality=92)
    return data.getvalue()


def photo(width: int = 300, height: int = 400, format: str = "PNG") -> bytes:
    """A picture that fills its frame: a red disc at the left, a green one at the right."""
    picture = Image.new("RGB", (width, height), (250, 249, 247))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((width * 0.05, height * 0.3, width * 0.45, height * 0.7), COLORS["Red"])
    pen.ellipse((width * 0.55, height * 0.3, width * 0.95, height * 0.7), COLORS["Green"])
    data = io.BytesIO()
    picture.save(data, format)
    return data.getvalue()


def products() -> list[NewItem]:
    """Sixty products of ten shapes in six colors."""
    items = []
    for row, shape in enumerate(SHAPES):
        for column, color in enumerate(COLORS):
            number = row * len(COLORS) + column
            metadata: dict[str, Any] = {
                "name": HOSTILE if number == 7 else f"{color} {shape}",
                "category": shape,
                "color": color,
                "price": 5.5 + number * 2,
                "inStock": number % 3 > 0,
                "tags": ["new", shape] if number % 4 == 0 else [shape],
                "year": 2019 + number % 5,
            }
            items.append(
                NewItem(f"shop/{shape} {column}", image=draw(shape, color), metadata=metadata)
            )
    return items


@dataclass
class Shop:
    """A catalog and the server before it."""

    search: Search
    server: Server

    @property
    def url(self) -> str:
        """Where the page is."""
        return self.server.url


def live_of(shop: Shop) -> LiveService:
    """What cameras show the shop's server."""
    live: LiveService = shop.server.app.state.kinlens.live
    return live


Shops = Callable[..., Shop]
Show = Callable[..., None]
Pages = Callable[..., Page]
