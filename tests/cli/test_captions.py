"""Items that are shown together have names that tell them apart, by the page's rule."""

from __future__ import annotations

import pytest

from kinlens.cli.captions import Captions
from kinlens.types import Metadata


def names(items: dict[str, Metadata]) -> list[str]:
    captions = Captions(items.items())
    return [captions.name(item_id, metadata) for item_id, metadata in items.items()]


def test_one_item_with_a_title_does_not_hide_the_names_of_others() -> None:
    items: dict[str, Metadata] = {f"i{n}": {"name": f"Mug {n}"} for n in range(4)}
    items["i2"] = {"title": "SALE", "name": "Mug 2"}
    assert names(items) == ["Mug 0", "Mug 1", "Mug 2", "Mug 3"]
    items["i3"] = {"title": "Only a title"}
    assert names(items) == ["Mug 0", "Mug 1", "Mug 2", "Only a title"]


def test_a_title_that_all_share_comes_after_names_that_differ() -> None:
    items = {f"i{n}": {"title": "Mugs", "product_name": f"Mug {n}"} for n in range(4)}
    assert names(items) == ["Mug 0", "Mug 1", "Mug 2", "Mug 3"]


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"Title": "A", "label": "B"}, "A"),
        ({"productDisplayName": "A"}, "A"),
        ({"label": "B"}, "B"),
        ({"name": " ", "caption": "C"}, "C"),
        ({"title": 7, "name": "N"}, "N"),
        ({"title": True}, "one.jpg"),
        ({"title": ["a"]}, "one.jpg"),
        ({"color": "red"}, "one.jpg"),
        ({}, "one.jpg"),
    ],
)
def test_which_field_is_the_title(metadata: Metadata, name: str) -> None:
    assert names({"shop/one.jpg": metadata}) == [name]


def test_short_ids_are_as_long_as_they_need_to_be() -> None:
    ids = [
        "a/x/1.jpg",
        "b/x/1.jpg",
        "b/2.jpg",
        "1.jpg",
        "c/./3",
        "a/b/c/d/e/f",
        "z/b/c/d/e/f",
        "//",
    ]
    assert names({item_id: {} for item_id in ids}) == [
        "a/x/1.jpg", "b/x/1.jpg", "2.jpg", "1.jpg", "3", "a/b/c/d/e/f", "z/b/c/d/e/f", "//",
    ]  # fmt: skip


def test_shared_titles_are_told() -> None:
    captions = Captions([("a", {"name": "Mug"}), ("b", {"name": "Mug"}), ("c", {"name": "Cup"})])
    assert [captions.is_shared({"name": name}) for name in ("Mug", "Cup")] == [True, False]
