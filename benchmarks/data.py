"""What the benchmarks measure on: real photos, and catalogs made of them in any size.

A made catalog holds vectors that lie as real ones do: around those of real photos, with the
spectrum that they have. The pictures of its items are the photos themselves.
"""

from __future__ import annotations

import os
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinlens.encoders import open_encoder
from kinlens.encoders.base import Encoder
from kinlens.images import PictureLoader
from kinlens.types import Item, Metadata, Pixels, Vectors
from kinlens.wiring import open_search

ROOT = Path(__file__).parent.parent
BLOCK = 2000
COLORS = ("black", "white", "red", "green", "blue", "yellow", "brown", "pink", "gray", "beige")


def photos(most: int | None = None) -> list[Path]:
    """Photos of clothes, evenly over all classes; see `KINLENS_TEST_DATA`."""
    folder = ROOT / os.environ.get("KINLENS_TEST_DATA", "../shared/data") / "clothing"
    found = sorted(folder.rglob("*.jpg"))
    if not found:
        sys.exit(f"Needed: photos (*.jpg) in {folder}. KINLENS_TEST_DATA names their folder.")
    step = 1 if most is None else max(1, len(found) // most)
    return found[::step][:most]


def decoded(paths: list[Path], min_side: int) -> list[Pixels]:
    """The photos as the pipeline decodes them."""
    with PictureLoader() as loader:
        return [loader.load(path.read_bytes(), min_side=min_side).pixels for path in paths]


def real_vectors(encoder: Encoder, paths: list[Path]) -> Vectors:
    """Unit vectors of photos."""
    return encoder.encode_images(decoded(paths, encoder.recipe.min_side))


def more_like(vectors: Vectors, count: int, seed: int = 0) -> Vectors:
    """Any number of unit vectors around these, scattered as these are."""
    rng = np.random.default_rng(seed)
    _, spread, axes = np.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
    scatter = (0.5 * spread / np.sqrt(len(vectors)))[:, None] * axes
    made = np.empty((count, vectors.shape[1]), np.float32)
    for start in range(0, count, BLOCK):
        block = made[start : start + BLOCK]
        noise = rng.standard_normal((len(block), len(scatter))).astype(np.float32)
        block[:] = vectors[rng.integers(0, len(vectors), len(block))] + noise @ scatter
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


def make_catalog(folder: Path, encoder: str, count: int, paths: list[Path]) -> Vectors:
    """Write a catalog through its own upsert; gives its vectors."""
    vectors = more_like(real_vectors(open_encoder(encoder), paths), count)
    metadata = _metadata(np.random.default_rng(1), count)
    with open_search(folder, encoder) as search:
        rows = iter(range(count))
        while block := list(islice(rows, BLOCK)):
            items = [_item(row, paths[row % len(paths)], metadata[row]) for row in block]
            search.parts.catalog.upsert(items, vectors[block])
    return vectors


def _item(row: int, path: Path, metadata: Metadata) -> Item:
    return Item(
        id=f"item-{row:06}",
        picture=f"path:{path.resolve()}",
        content_hash=f"{row:064x}",
        width=400,
        height=533,
        metadata=metadata,
    )


def _metadata(rng: np.random.Generator, count: int) -> list[Metadata]:
    """Six fields; `sale` keeps half of the items, a `shelf` one in 20, a `lot` one in 1,000."""
    draw: dict[str, npt.NDArray[np.int64]] = {
        name: rng.integers(0, values, count)
        for name, values in (("color", 10), ("brand", 200), ("sale", 2), ("shelf", 20))
    }
    prices = np.round(rng.lognormal(3.5, 0.7, count), 2)
    lots = rng.integers(0, 1000, count)
    return [
        {
            "color": COLORS[draw["color"][row]],
            "brand": f"brand {draw['brand'][row]}",
            "sale": bool(draw["sale"][row]),
            "shelf": int(draw["shelf"][row]),
            "lot": int(lots[row]),
            "price": float(prices[row]),
        }
        for row in range(count)
    ]
