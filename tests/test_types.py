"""The shared nouns refuse what can't be used, and say why."""

from __future__ import annotations

import math

import pytest

from kinlens.errors import InvalidInput
from kinlens.types import Crop, Example, NewItem, Query, check_id


@pytest.mark.parametrize(
    "box",
    [
        (-0.1, 0, 0.5, 0.5),
        (0, 0, 0, 1),
        (0.6, 0, 0.5, 1),
        (0, 0, 1, 1.1),
        (math.nan, 0, 1, 1),
        (0, 0, math.inf, 1),
    ],
)
def test_a_crop_lies_inside(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(InvalidInput, match="fractions"):
        Crop(*box)


def test_an_example_has_one_source() -> None:
    assert Example(id="a").source == "id"
    with pytest.raises(InvalidInput, match="got none"):
        Example()
    with pytest.raises(InvalidInput, match="url, id"):
        Example(id="a", url="http://x")
    with pytest.raises(InvalidInput, match="crop"):
        Example(vector=[1.0], crop=Crop(0, 0, 1, 1))


@pytest.mark.parametrize("weight", [0, math.nan, math.inf])
def test_an_example_has_a_weight(weight: float) -> None:
    with pytest.raises(InvalidInput, match="weight"):
        Example(id="a", weight=weight)


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "3"])
def test_k_is_a_whole_number_from_1(k: object) -> None:
    with pytest.raises(InvalidInput, match="k is"):
        Query((Example(id="a"),), k=k)  # type: ignore[arg-type]


def test_a_query_has_something_to_be_like() -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        Query(())
    with pytest.raises(InvalidInput, match="positive"):
        Query((Example(id="a", weight=-1),))
    with pytest.raises(InvalidInput, match="metric"):
        Query((Example(id="a"),), metric="manhattan")  # type: ignore[arg-type]


@pytest.mark.parametrize("item_id", ["", "x" * 513, "a\0b", "\ud800", 7, None])
def test_ids_are_texts(item_id: object) -> None:
    with pytest.raises(InvalidInput, match="id"):
        check_id(item_id)  # type: ignore[arg-type]


def test_a_new_item_has_at_most_one_source() -> None:
    assert NewItem("a").image is None
    with pytest.raises(InvalidInput, match="one of"):
        NewItem("a", image=b"x", url="http://x")
