"""The sample shop is the same everywhere, and each product can be told from the next."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinlens.sample import PRODUCTS, Product, build_sample, products
from kinlens.sample.render import PATTERNS, paint


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_sample(tmp_path_factory.mktemp("shop"), 24).parent


def test_table_names_every_picture(shop: Path) -> None:
    with (shop / "catalog.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 24
    assert list(rows[0]) == [*Product.FIELDS, "image"]
    assert {row["category"] for row in rows} == set(PRODUCTS)
    for row in rows:
        with Image.open(shop / row["image"]) as picture:
            assert picture.size == (320, 320)
        assert float(row["price"]) > 0
        assert row["in_stock"] in {"true", "false"}


def test_is_the_same_each_time(tmp_path: Path, shop: Path) -> None:
    again = build_sample(tmp_path, 24)
    assert again.read_bytes() == (shop / "catalog.csv").read_bytes()
    name = "images/t-shirt-0000.jpg"
    assert (tmp_path / name).read_bytes() == (shop / name).read_bytes()


def test_keeps_pictures_that_are_there(shop: Path) -> None:
    picture = shop / "images/mug-0002.jpg"
    before = picture.stat().st_mtime_ns
    build_sample(shop, 24)
    assert picture.stat().st_mtime_ns == before


def test_more_products_keep_the_first() -> None:
    assert products(40)[:12] == products(12)
    assert len({product.id for product in products(360)}) == 360


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_every_pattern_shows(pattern: str) -> None:
    import dataclasses

    shirt = products(1)[0]
    plain = paint(PRODUCTS["t-shirt"], dataclasses.replace(shirt.look, pattern="solid"), 96)
    patterned = paint(PRODUCTS["t-shirt"], dataclasses.replace(shirt.look, pattern=pattern), 96)
    difference = np.abs(np.asarray(plain, int) - np.asarray(patterned, int)).mean()
    assert difference > 1 if pattern != "solid" else difference == 0
