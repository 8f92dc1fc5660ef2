"""A small shop to try Kinlens on: rendered products with metadata, the same on every machine."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from kinlens.config import usable_cores
from kinlens.sample.render import PATTERNS, Color, Look, paint
from kinlens.sample.shapes import PRODUCTS

COUNT = 300
COLORS: dict[str, Color] = {
    "black": (48, 47, 52),
    "white": (236, 233, 226),
    "gray": (146, 148, 152),
    "red": (190, 50, 48),
    "orange": (222, 122, 52),
    "yellow": (228, 186, 70),
    "green": (74, 128, 84),
    "teal": (52, 134, 140),
    "blue": (58, 96, 168),
    "navy": (40, 52, 92),
    "purple": (118, 80, 146),
    "pink": (222, 142, 160),
    "brown": (128, 88, 62),
    "beige": (206, 184, 152),
}
PRICES = {
    "t-shirt": 24, "dress": 69, "mug": 14, "sneaker": 89, "lamp": 58, "backpack": 79,
    "bottle": 26, "vase": 34, "cushion": 29, "armchair": 349, "cap": 22, "tote bag": 32,
}  # fmt: skip
STYLES = {
    "solid": "Plain", "stripes": "Striped", "pinstripes": "Pinstripe", "dots": "Dotted",
    "checks": "Checked", "zigzag": "Zigzag", "gradient": "Ombré", "floral": "Floral",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Product:
    """A row of the sample catalog; `look` is how it is painted."""

    id: str
    title: str
    category: str
    color: str
    pattern: str
    price: float
    in_stock: bool
    look: Look

    FIELDS = ("id", "title", "category", "color", "pattern", "price", "in_stock")


def products(count: int = COUNT) -> list[Product]:
    """The first `count` products; always the same."""
    return [_product(number) for number in range(count)]


def _product(number: int) -> Product:
    rng = np.random.default_rng((7, number))
    category = list(PRODUCTS)[number % len(PRODUCTS)]
    color, second = (str(name) for name in rng.choice(list(COLORS), 2, replace=False))
    pattern = str(rng.choice(list(PATTERNS), p=_weights()))
    accent = COLORS["white"] if rng.random() < 0.35 and color != "white" else COLORS[second]
    look = Look(
        color=COLORS[color],
        accent=accent,
        pattern=pattern,
        scale=float(rng.uniform(0.86, 1.02)),
        tilt=float(rng.normal(0, 0.035)),
        stretch=float(rng.uniform(0.94, 1.07)),
        mirrored=bool(rng.random() < 0.3),
        background=_backdrop(rng),
        seed=int(rng.integers(1 << 30)),
    )
    price = round(PRICES[category] * float(rng.uniform(0.7, 1.5))) - 0.05
    return Product(
        id=f"{category.replace(' ', '-')}-{number:04d}",
        title=f"{STYLES[pattern]} {category} in {color}",
        category=category,
        color=color,
        pattern=pattern,
        price=round(price, 2),
        in_stock=bool(rng.random() < 0.85),
        look=look,
    )


def _backdrop(rng: np.random.Generator) -> Color:
    """A studio's off-white, each time a little other."""
    level = rng.integers(238, 247)
    red, green, blue = (int(level + drift) for drift in rng.integers(-3, 4, 3))
    return red, green, blue


def _weights() -> list[float]:
    """Plain things are the most common, as in a shop."""
    weights = [3.0 if name == "solid" else 1.0 for name in PATTERNS]
    return [weight / sum(weights) for weight in weights]


def build_sample(
    folder: Path, count: int = COUNT, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write the pictures and their table; keeps what is there already.

    Parameters
    ----------
    folder : created; gets `catalog.csv` and `images/<id>.jpg`
    count : how many products
    progress : called with how many pictures are painted, and how many will be

    Returns
    -------
    table : path of `catalog.csv`, whose columns are `Product.FIELDS` and `image`
    """
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    shop = products(count)
    missing = [product for product in shop if not (images / f"{product.id}.jpg").exists()]
    if missing:
        # Threads: painting leaves the interpreter's lock, and a fork could hang among others.
        with ThreadPoolExecutor(usable_cores()) as pool:
            for done, _ in enumerate(pool.map(partial(_write, images), missing), 1):
                if progress is not None:
                    progress(done, len(missing))
    table = folder / "catalog.csv"
    table.write_text(_table(shop), encoding="utf-8", newline="")
    return table


def _write(images: Path, product: Product) -> None:
    path = images / f"{product.id}.jpg"
    partly = path.with_suffix(".part")
    paint(PRODUCTS[product.category], product.look).save(partly, "JPEG", quality=90)
    partly.replace(path)


def _table(shop: list[Product]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow((*Product.FIELDS, "image"))
    for product in shop:
        row = [getattr(product, name) for name in Product.FIELDS]
        writer.writerow(
            [
                *(str(v).lower() if isinstance(v, bool) else v for v in row),
                f"images/{product.id}.jpg",
            ]
        )
    return stream.getvalue()
