"""Views: random crops of the training pictures with what the teacher says of each.

Function matching (Beyer et al., "Knowledge distillation: a good teacher is patient and
consistent", CVPR 2022): teacher and student look at the very same crop. The teacher is the
costlier part here, so a few views of each picture are made once, kept as files, and reused.

    python training/views.py --data ../shared/data --teacher ../shared/models/... --work /tmp/mini
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from data import Picture, load, training_pictures
from teacher import Teacher, color_histograms

from kinlens.preprocess import Recipe
from kinlens.types import Pixels

VIEW_SIZE = 144
"""Side of a stored view; training cuts its inputs, smaller, out of it."""

VIEWS = {"clothing": 10, "objects": 5, "tiny": 3}
TEACHER_SIZES = {"clothing": 224, "objects": 224, "tiny": 160}
BATCH = 32
SEED = 20261121

_STUDENT = Recipe(VIEW_SIZE, "stretch", (0, 0, 0), (1, 1, 1))


def make_view(
    pictures: list[Picture], source: str, view: int, teacher: Teacher, work: Path
) -> None:
    """Write one view of every picture of a source: `<source>-<view>.npz`."""
    target = work / f"{source}-{view}.npz"
    chosen = [index for index, picture in enumerate(pictures) if picture.source == source]
    if target.exists() or not chosen:
        return
    started = time.monotonic()
    views = np.empty((len(chosen), VIEW_SIZE, VIEW_SIZE, 3), np.uint8)

    def cut(row: int) -> Pixels:
        crop = random_crop(load(pictures[chosen[row]].path), view, chosen[row])
        views[row] = _STUDENT.square(crop)
        return crop

    def batches() -> Iterator[npt.NDArray[np.float32]]:
        with ThreadPoolExecutor(2) as pool:
            for start in range(0, len(chosen), BATCH):
                rows = range(start, min(start + BATCH, len(chosen)))
                yield teacher.recipe.prepare(list(pool.map(cut, rows)))

    embeddings = teacher.embed(batches(), len(chosen))
    partial = target.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(
            file,
            index=np.array(chosen),
            views=views,
            teacher=embeddings.astype(np.float16),
            color=color_histograms(views).astype(np.float16),
        )
    partial.rename(target)
    seconds = time.monotonic() - started
    print(f"{target.name}: {len(chosen)} views, {len(chosen) / seconds:.0f} a second", flush=True)


def random_crop(image: Pixels, view: int, index: int) -> Pixels:
    """The whole picture for view 0, else a random box of 25 to 100 % of its area."""
    if view == 0:
        return image
    rng = np.random.default_rng((SEED, index, view))
    height, width = image.shape[:2]
    area = rng.uniform(0.25, 1.0)
    stretch = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    high = min(height, max(1, round(height * np.sqrt(area / stretch))))
    wide = min(width, max(1, round(width * np.sqrt(area * stretch))))
    top = int(rng.integers(0, height - high + 1))
    left = int(rng.integers(0, width - wide + 1))
    return image[top : top + high, left : left + wide]


def main() -> None:
    """Make what is missing, the first views of every source first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, nargs=2, default=(0, max(VIEWS.values())))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    pictures = training_pictures(options.data)
    teachers = {size: Teacher(options.teacher, size) for size in set(TEACHER_SIZES.values())}
    for view in range(*options.rounds):
        for source, count in VIEWS.items():
            if view < count:
                teacher = teachers[TEACHER_SIZES[source]]
                make_view(pictures, source, view, teacher, options.work)


if __name__ == "__main__":
    main()
