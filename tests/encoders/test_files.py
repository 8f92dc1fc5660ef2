"""Tests of kinlens.encoders.files: a user's own network, with its recipe beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from encoders import networks
from kinlens.encoders.files import EXAMPLE_RECIPE, parse_recipe, read_network
from kinlens.errors import BundleError, ModelUnavailable


def test_recipe_beside_it(tmp_path: Path) -> None:
    path = networks.write(tmp_path, networks.pooling(), name="my.net", fill=9)
    assert read_network(path).recipe.fill == 9
    assert read_network(path).name == "my.net"


def test_recipe_elsewhere(tmp_path: Path) -> None:
    path = networks.write(tmp_path, networks.pooling())
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**networks.RECIPE, "fill": 9}))
    assert read_network(path, other).recipe.fill == 9


def test_a_recipe_that_names_its_network(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    networks.write(tmp_path, networks.pooling())
    recipe = tmp_path / "deep" / "r.json"
    recipe.write_text(json.dumps({**networks.RECIPE, "model": "../own.onnx"}))
    assert read_network(recipe).name == "own"
    recipe.write_text(json.dumps(networks.RECIPE))
    with pytest.raises(BundleError, match='needs "model"'):
        read_network(recipe)
    recipe.write_text(json.dumps({**networks.RECIPE, "model": "gone.onnx"}))
    with pytest.raises(ModelUnavailable, match=r"gone\.onnx"):
        read_network(recipe)


def test_no_recipe_shows_one_to_paste(tmp_path: Path) -> None:
    path = networks.write(tmp_path, networks.pooling())
    path.with_suffix(".recipe.json").unlink()
    with pytest.raises(BundleError, match=r"own\.recipe\.json doesn't exist") as caught:
        read_network(path)
    assert EXAMPLE_RECIPE in str(caught.value)
    assert parse_recipe(EXAMPLE_RECIPE.encode(), path).recipe.size == 224


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"no file .*gone\.onnx"):
        read_network(tmp_path / "gone.onnx")


@pytest.mark.parametrize(
    ("recipe", "complaint"),
    [
        ({"output": 3}, '"output"'),
        ({"output": ""}, '"output"'),
        ({"pooling": "mean"}, "average, max, none; got 'mean'"),
        ({"pooling": ["max"]}, "average, max, none"),
        ({"size": 0}, "size"),
        ({"sizes": 8}, "unknown: sizes"),
    ],
)
def test_recipes_that_cannot_be_used(
    tmp_path: Path, recipe: dict[str, object], complaint: str
) -> None:
    path = networks.write(tmp_path, networks.pooling(), **recipe)
    with pytest.raises(BundleError, match=rf"own\.recipe\.json.*{complaint}|{complaint}.*own"):
        read_network(path)


def test_the_recipe_that_the_docs_show() -> None:
    page = Path(__file__).parents[2] / "docs" / "encoders.md"
    block = page.read_text(encoding="utf-8").split("```json\n")[1].split("```")[0]
    shown = parse_recipe(block.encode(), page)
    assert shown.output == "embedding"
    assert shown.recipe.mean == parse_recipe(EXAMPLE_RECIPE.encode(), page).recipe.mean
