"""Vectors of a real encoder in bulk: 2048 non-negative numbers for each view of a picture.

MobileNetV2 sees each of the 23,670 pictures of `KINLENS_TEST_DATA` in five views of 96 x 96, the
whole and the four corners of three quarters of its side. A vector is the average over the picture
of the last layer's 1280 channels and of the first 768 channels of the layer before the last block:
as with other networks that end in a rectifier and an average, they are at least 0, and their
spectrum decays. They aren't brought to one length.

Whole pictures are held out as queries, with all their views, so that no query has its own picture
among the vectors that are searched.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
from data import ROOT
from onnx import TensorProto, helper, numpy_helper

from kinlens.config import usable_cores
from kinlens.encoders.network import Network
from kinlens.encoders.runtimes import connect
from kinlens.images import PictureLoader
from kinlens.preprocess import Recipe
from kinlens.types import Pixels, Vectors

DIM = 2048
MODEL = ROOT / "../shared/models/mobilenet_v2_imagenet.onnx"
RECIPE = Recipe(size=96, resize="stretch", mean=(127.5,) * 3, std=(127.5,) * 3)
FOLDERS = ("clothing", "objects", "products", "tiny")
CORNER = 0.75
BATCH = 32
_LAST = 1280
_BEFORE_LAST = "t168"


def encoder_vectors(count: int, queries: int) -> tuple[Vectors, Vectors]:
    """`count` vectors to search and `queries` of other pictures, both float32 and in mixed order.

    They are made once, in about three minutes on two cores, and kept in the folder for temporary
    files.
    """
    made, picture = _kept()
    mixed = np.random.default_rng(0).permutation(int(picture[-1]) + 1)[picture]
    order = np.argsort(mixed, kind="stable")
    if len(made) < count + queries:
        sys.exit(f"There are {len(made)} vectors; {count + queries} are asked for.")
    rng = np.random.default_rng(1)
    held = rng.permutation(order[:queries])
    apart = np.flatnonzero(~np.isin(picture, picture[held]))
    return made[rng.permutation(apart)[:count]], made[held]


def _kept() -> tuple[Vectors, np.ndarray]:
    paths = _pictures()
    key = "".join(f"{path.name}{path.stat().st_size}" for path in paths) + __doc__
    name = f"kinlens-vectors-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    file, about = (Path(tempfile.gettempdir(), name + end) for end in (".npy", ".pictures.npy"))
    if not about.exists():
        print(f"Encoding {len(paths)} pictures in five views ...", flush=True)
        np.save(file, np.concatenate(list(_encoded(paths))))
        np.save(about, np.repeat(np.arange(len(paths)), 5))
    return np.load(file, mmap_mode="r"), np.load(about)


def _pictures() -> list[Path]:
    folder = ROOT / os.environ.get("KINLENS_TEST_DATA", "../shared/data")
    found = [path for name in FOLDERS for path in sorted((folder / name).rglob("*.[jJ]*[gG]"))]
    if not found or not MODEL.is_file():
        sys.exit(f"Needed: pictures in {', '.join(FOLDERS)} of {folder}, and {MODEL}.")
    return found


def _encoded(paths: list[Path]) -> Iterator[Vectors]:
    network = connect(Network("views", _onnx(), RECIPE))
    loader = PictureLoader()

    def encode(part: list[Path]) -> Vectors:
        pictures = [loader.load(path.read_bytes(), min_side=128).pixels for path in part]
        views = [view for pixels in pictures for view in _views(pixels)]
        return network.run(RECIPE.prepare(views))

    turns = iter(paths)
    parts = iter(lambda: list(islice(turns, BATCH)), [])
    with loader, ThreadPoolExecutor(usable_cores()) as pool:
        yield from pool.map(encode, parts)


def _views(pixels: Pixels) -> list[Pixels]:
    height, width = pixels.shape[:2]
    tall, wide = round(CORNER * height), round(CORNER * width)
    corners = [
        pixels[top : top + tall, left : left + wide]
        for top in (0, height - tall)
        for left in (0, width - wide)
    ]
    return [pixels, *corners]


def _onnx() -> bytes:
    """The network for pictures of this size, ending in both averages."""
    model = onnx.load(str(MODEL))
    graph = model.graph
    make = helper.make_node
    graph.node.extend(
        [
            make("GlobalAveragePool", [_BEFORE_LAST], ["before"]),
            make("Slice", ["before", "first", "end", "axis"], ["some"]),
            make("Concat", ["some", "t172"], ["both"], axis=1),
            make("Flatten", ["both"], ["vectors"]),
        ]
    )
    for name, value in (("first", 0), ("end", DIM - _LAST), ("axis", 1)):
        graph.initializer.append(numpy_helper.from_array(np.array([value]), name))
    side = graph.input[0].type.tensor_type.shape.dim
    side[2].dim_value = side[3].dim_value = RECIPE.size
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", DIM]))
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
