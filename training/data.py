"""The pictures kinlens-mini learns from, and the splits that keep its figures honest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from kinlens.types import Pixels

UNSEEN_EVERY = 5
"""Every fifth category of `objects` is never trained on: on those the encoder is measured."""

UNLABELED = -1


@dataclass(frozen=True, slots=True)
class Picture:
    """A file to learn from.

    Parameters
    ----------
    path : the file
    source : "clothing", "objects" or "tiny"
    label : class name, or None where labels are not ours to use
    """

    path: Path
    source: str
    label: str | None


def training_pictures(data: Path) -> list[Picture]:
    """All pictures that may be trained on, in a fixed order."""
    clothing = labeled(data / "clothing" / "train", "clothing")
    seen, _ = object_categories(data)
    objects = [
        picture for name in seen for picture in _files(data / "objects" / name, "objects", name)
    ]
    tiny = [
        Picture(path, "tiny", None)
        for path in sorted((data / "tiny").iterdir())
        if path.suffix.upper() == ".JPEG"
    ]
    return clothing + objects + tiny


def labeled(folder: Path, source: str) -> list[Picture]:
    """Pictures of a folder with one sub-folder a class."""
    return [
        picture
        for child in sorted(folder.iterdir())
        if child.is_dir()
        for picture in _files(child, source, child.name)
    ]


def object_categories(data: Path) -> tuple[list[str], list[str]]:
    """Names of the categories trained on, and of those kept unseen."""
    names = sorted(child.name for child in (data / "objects").iterdir() if child.is_dir())
    unseen = names[UNSEEN_EVERY - 1 :: UNSEEN_EVERY]
    return [name for name in names if name not in unseen], unseen


def class_ids(pictures: list[Picture]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """A number for each picture's class, `UNLABELED` for none, and the names behind them."""
    names = sorted({f"{p.source}/{p.label}" for p in pictures if p.label is not None})
    numbers = {name: number for number, name in enumerate(names)}
    ids = [numbers.get(f"{p.source}/{p.label}", UNLABELED) for p in pictures]
    return np.array(ids, np.int64), names


def load(path: Path) -> Pixels:
    """One picture, uint8 (H, W, 3)."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def _files(folder: Path, source: str, label: str) -> list[Picture]:
    return [Picture(path, source, label) for path in sorted(folder.glob("*.jpg"))]
