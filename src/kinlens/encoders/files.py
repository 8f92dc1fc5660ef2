"""Model files on this machine: JSON, recipes, and ONNX files with a recipe beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinlens.encoders.network import Network
from kinlens.encoders.pooling import Pooling, as_pooling
from kinlens.errors import BundleError, ModelUnavailable
from kinlens.preprocess import Recipe

EXAMPLE_RECIPE = (
    '{"size": 224, "resize": "stretch", '
    '"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}'
)
"""The figures of networks trained on ImageNet with PyTorch."""


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """Content of a recipe file.

    Parameters
    ----------
    recipe : of the network's input
    output : name of the output that is the vector or the map, where there are several
    pooling : of a map
    model : path of the ONNX file, where the recipe doesn't lie beside it
    """

    recipe: Recipe
    output: str | None
    pooling: Pooling | None
    model: str | None

    def network(self, name: str, onnx: bytes) -> Network:
        """The network that this is the recipe of."""
        return Network(name, onnx, self.recipe, self.output, self.pooling)


def read_network(path: Path, recipe: Path | None = None) -> Network:
    """A user's own network.

    Parameters
    ----------
    path : an ONNX file, or a recipe file whose "model" names one (relative to the recipe)
    recipe : recipe file of an ONNX file; by default `NAME.recipe.json` beside `NAME.onnx`

    Raises
    ------
    BundleError : no recipe, or one that can't be used or doesn't fit the network
    ModelUnavailable : no such file
    """
    if path.suffix.lower() == ".json":
        said = read_recipe(path)
        if said.model is None:
            raise BundleError(
                f'{path} needs "model": the path of its ONNX file; or name the ONNX file itself.'
            )
        return _network(path.parent / said.model, said)
    beside = path.with_name(f"{path.stem}.recipe.json")
    chosen = recipe or beside
    if path.is_file() and not chosen.is_file():
        raise BundleError(
            f"{path} needs a recipe that says how pictures become its input, and {chosen} doesn't "
            f"exist. Write one, with the figures the network was trained with, such as "
            f'{EXAMPLE_RECIPE}; pixels are (p - mean) / std of 0 to 255, and "output" may name '
            'the output that is the vector. A recipe elsewhere names its network by "model": PATH '
            "and is opened itself."
        )
    if not path.is_file():
        raise ModelUnavailable(f"There is no file {path}; name an ONNX file that exists.")
    return _network(path, read_recipe(chosen))


def read_recipe(path: Path) -> RecipeFile:
    """Read a recipe file; `BundleError` if it can't be used."""
    return parse_recipe(read_bytes(path), path)


def parse_recipe(data: bytes, path: Path) -> RecipeFile:
    """Read the content of a recipe file, which `path` names in messages."""
    values = parse_json(data, path)
    texts: dict[str, str | None] = {}
    for key in ("output", "model"):
        text = values.get(key)
        if text is not None and not (isinstance(text, str) and text):
            raise BundleError(f'"{key}" in {path} needs to be a text; got {text!r}.')
        texts[key] = text
    pooling = values.get("pooling")
    rest = {key: value for key, value in values.items() if key not in {*texts, "pooling"}}
    try:
        recipe = Recipe.from_dict(rest)
        checked = None if pooling is None else as_pooling(pooling)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    return RecipeFile(recipe, texts["output"], checked, texts["model"])


def parse_json(data: bytes, path: Path) -> Mapping[str, Any]:
    """A JSON object; `BundleError` if it is none."""
    try:
        values = json.loads(data)
    except ValueError as error:
        raise BundleError(f"{path} needs to be JSON: {error}.") from error
    if not isinstance(values, dict):
        raise BundleError(f"{path} needs to hold a JSON object; got {type(values).__name__}.")
    return values


def read_bytes(path: Path) -> bytes:
    """Content of a file; `BundleError` if it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} can't be read: {error.strerror}.") from error


def _network(model: Path, said: RecipeFile) -> Network:
    if not model.is_file():
        raise ModelUnavailable(f"There is no file {model}; name an ONNX file that exists.")
    return said.network(model.stem, read_bytes(model))
