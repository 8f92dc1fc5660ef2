"""Which items of a catalog stand on the shelf of the recorded walk."""

from __future__ import annotations

import random

from kinlens.camera.shelf import BOX, Shown, build_shelf
from kinlens.camera.walk import Walk
from kinlens.errors import KinlensError, NotFound
from kinlens.search import Search
from kinlens.types import Item, Value

THINGS = 12
CONSIDERED = 2000
"""Items of which some are chosen; of a larger catalog, the first by id."""

_PRICES = ("price", "Price", "cost", "amount")


def walk_past(search: Search, seed: int = 0, *, things: int = THINGS, fps: float = 15.0) -> Walk:
    """A walk past items of a catalog.

    Parameters
    ----------
    search : whose catalog, and whose loader reads its pictures
    seed : chooses the items, and all else that varies
    things : on the shelf at most
    fps : frames a second

    Raises
    ------
    NotFound : no item whose picture can be read
    """
    items = list(search.items(limit=CONSIDERED))
    random.Random(seed).shuffle(items)  # noqa: S311
    shown: list[Shown] = []
    for item in items:
        if len(shown) == things:
            break
        try:
            data, _ = search.picture(item.id)
            pixels = search.parts.loader.load(data, min_side=max(BOX)).pixels
        except KinlensError:  # the ledger tells of it; there are others
            continue
        shown.append(Shown(item.id, pixels, _label(item)))
    if not shown:
        raise NotFound(
            f"The recorded walk needs pictures, but the catalog in {search.data} has none that can "
            "be read; index some with `kinlens index SOURCE`."
        )
    return Walk(build_shelf(shown, seed), seed, fps=fps)


def _label(item: Item) -> str:
    return next((_price(item.metadata[name]) for name in _PRICES if name in item.metadata), "")


def _price(value: Value) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.2f}"
    return value if isinstance(value, str) else ""
