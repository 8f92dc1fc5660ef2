"""1-NN accuracy: how often the nearest neighbor of a picture is of the same kind.

    python training/evaluate.py --data ../shared/data --model path/to/kinlens-mini/model.onnx

prints the figures of the card as JSON: clothing as in its own split, and, to see whether the
encoder is general, object categories and shop pictures that it was never trained on, each picture
against all others.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from data import labeled, load, object_categories
from teacher import unit

from kinlens.preprocess import Recipe
from kinlens.types import Pixels

Matrix = npt.NDArray[np.float32]
Embed = Callable[[Pixels], Matrix]
Labels = npt.NDArray[np.str_]

BATCH = 64
COMMON = 10
"""A product class counts if at least so many products have it."""


class Evaluation:
    """The evaluation pictures, as squares in memory."""

    def __init__(self, data: Path, recipe: Recipe) -> None:
        self.data, self.recipe = data, recipe
        self._squares: dict[str, tuple[Pixels, Labels]] = {}

    def during_training(self, network: torch.nn.Module) -> dict[str, float]:
        """The two figures that steer training; the test split stays untouched."""

        def embed(squares: Pixels) -> Matrix:
            inputs = torch.from_numpy(self.recipe.normalize(squares))
            with torch.inference_mode():
                return network(inputs.contiguous(memory_format=torch.channels_last)).numpy()

        was_training = network.training
        network.eval()
        figures = {
            "clothing_validation": self.clothing(embed, "validation"),
            "objects_unseen": self.objects(embed),
        }
        network.train(was_training)
        return figures

    def all(self, embed: Embed) -> dict[str, float]:
        """Every figure of the card."""
        return {
            "clothing_test": self.clothing(embed, "test"),
            "clothing_validation": self.clothing(embed, "validation"),
            "objects_unseen": self.objects(embed),
            "products_article_type": self.products(embed, "articleType"),
            "products_color": self.products(embed, "baseColour"),
        }

    def clothing(self, embed: Embed, split: str) -> float:
        """A split of clothing against its training split."""
        gallery, classes = self._folder("clothing/train")
        queries, truth = self._folder(f"clothing/{split}")
        return nearest_accuracy(
            vectors_of(gallery, embed), classes, vectors_of(queries, embed), truth
        )

    def objects(self, embed: Embed) -> float:
        """The categories kept out of training, each picture against the others."""
        squares, classes = self._folder("objects")
        _, unseen = object_categories(self.data)
        kept = np.isin(classes, unseen)
        return leave_one_out_accuracy(vectors_of(squares[kept], embed), classes[kept])

    def products(self, embed: Embed, field: str) -> float:
        """Shop pictures, never trained on, each against the others."""
        squares, _ = self._products()
        with (self.data / "products" / "products.csv").open(newline="") as file:
            classes = np.array([row[field] for row in csv.DictReader(file)])
        names, counts = np.unique(classes, return_counts=True)
        kept = np.isin(classes, names[counts >= COMMON])
        return leave_one_out_accuracy(vectors_of(squares, embed)[kept], classes[kept])

    def _folder(self, name: str) -> tuple[Pixels, Labels]:
        if name not in self._squares:
            pictures = labeled(self.data / name, name)
            classes = np.array([str(picture.label) for picture in pictures])
            self._squares[name] = self._load([picture.path for picture in pictures]), classes
        return self._squares[name]

    def _products(self) -> tuple[Pixels, Labels]:
        if "products" not in self._squares:
            with (self.data / "products" / "products.csv").open(newline="") as file:
                ids = np.array([row["id"] for row in csv.DictReader(file)])
            paths = [self.data / "products" / "images" / f"{name}.jpg" for name in ids]
            self._squares["products"] = self._load(paths), ids
        return self._squares["products"]

    def _load(self, paths: Sequence[Path]) -> Pixels:
        with ThreadPoolExecutor(2) as pool:
            return np.stack(list(pool.map(lambda path: self.recipe.square(load(path)), paths)))


def vectors_of(squares: Pixels, embed: Embed) -> Matrix:
    """Unit vectors of squares, batch by batch."""
    starts = range(0, len(squares), BATCH)
    return unit(np.concatenate([embed(squares[start : start + BATCH]) for start in starts]))


def nearest_accuracy(gallery: Matrix, classes: Labels, queries: Matrix, truth: Labels) -> float:
    """Share of queries whose nearest gallery vector by cosine has their class."""
    nearest = (queries @ gallery.T).argmax(axis=1)
    return round(float((classes[nearest] == truth).mean()), 4)


def leave_one_out_accuracy(vectors: Matrix, classes: Labels) -> float:
    """Share of vectors whose nearest other vector has their class."""
    similarities = vectors @ vectors.T
    np.fill_diagonal(similarities, -np.inf)
    return round(float((classes[similarities.argmax(axis=1)] == classes).mean()), 4)


def onnx_embedder(model: Path, recipe: Recipe, output: str | None = None) -> Embed:
    """An ONNX model as a function from squares to vectors."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def embed(squares: Pixels) -> Matrix:
        outputs = session.run([output] if output else None, {name: recipe.normalize(squares)})
        return np.asarray(outputs[0], np.float32)

    return embed


def main() -> None:
    """Print the figures of a bundle, or of any ONNX file with a recipe."""
    parser = argparse.ArgumentParser(description="1-NN accuracy of an ONNX encoder")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, help="default: recipe.json beside the model")
    parser.add_argument("--output", help="name of the output to take; default: the first")
    options = parser.parse_args()
    recipe_file = options.recipe or options.model.parent / "recipe.json"
    recipe = Recipe.from_dict(json.loads(recipe_file.read_text()))
    embed = onnx_embedder(options.model, recipe, options.output)
    print(json.dumps(Evaluation(options.data, recipe).all(embed), indent=2))


if __name__ == "__main__":
    main()
