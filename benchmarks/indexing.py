"""How near does indexing come to the speed of its stages, and how far is a plain torch loop?

    python benchmarks/indexing.py [--pictures N] [--rounds 5]

Each round measures one after the other, on the photos of clothes and with kinlens-mini:

decode   `PictureLoader.load` of bytes in memory, a thread a core
encode   `encode_images` of decoded pictures in memory, batches as the pipeline's, a thread a core
index    `kinlens index` of the folder into a new catalog on the disk, as its report states the time
peer     a loop of Pillow and torch fp32 with the same network, batches of 32; it stores nothing

Decode and encode each have all cores here and share them in the index, which therefore can't be
faster than 1 / (1 / decode + 1 / encode), the `shared` limit. The peak of memory is taken from runs
over 500 pictures and over all.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
import processes
import torch
from data import photos
from PIL import Image
from report import Report
from torch_network import TorchNetwork

from kinlens.config import DEFAULT_ENCODER, usable_cores
from kinlens.encoders import list_models, open_encoder
from kinlens.encoders.network import NetworkEncoder
from kinlens.images import PictureLoader
from kinlens.ingest.pipeline import BATCH
from kinlens.types import Pixels, Vectors

T = TypeVar("T")
FEW = 500
SAMPLE = 1024
LIKE = 0.99
"""Cosine of the peer's vectors to the golden ones: of an integer network it rounds nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, help="fewer than all")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    report = Report("indexing", __doc__.splitlines()[0])
    paths = photos(options.pictures)
    encoder = open_encoder(DEFAULT_ENCODER)
    peer = Peer(encoder)
    sample = photos(min(SAMPLE, len(paths)))
    with tempfile.TemporaryDirectory(prefix="kinlens-indexing-") as folder:
        work = Path(folder)
        few, many = _folder(work / "few", paths[:FEW]), _folder(work / "many", paths)
        rates: dict[str, list[float]] = {"decode": [], "encode": [], "index": [], "peer": []}
        cpu: list[float] = []
        for _ in range(options.rounds):
            rates["decode"].append(decode_rate(encoder, sample))
            rates["encode"].append(encode_rate(encoder, sample))
            rate, ended = index_rate(many, work / "data")
            rates["index"].append(rate)
            cpu.append(ended.cpu_seconds / len(paths) * 1e3)
            rates["peer"].append(peer.rate(sample))
        _, small = index_rate(few, work / "data")
    for name, found in rates.items():
        rounds = [round(value, 1) for value in found]
        report.add(measured=name, images_per_s=median(found), rounds=rounds)
    _ratios(report, {name: median(found) for name, found in rates.items()})
    report.add(measured="processor time of the whole command", ms_per_image=median(cpu))
    for name, count, run in (("few", len(paths[:FEW]), small), ("many", len(paths), ended)):
        report.add(measured=f"peak memory, {name}", pictures=count, peak_mb=run.peak_mb)
    report.write()


def decode_rate(encoder: NetworkEncoder, paths: Sequence[Path]) -> float:
    """Pictures a second, decoded as small as the encoder allows."""
    contents = [path.read_bytes() for path in paths]
    with PictureLoader() as loader:
        return _rate(lambda data: _size(loader, data, encoder.recipe.min_side), contents)


def _size(loader: PictureLoader, data: bytes, min_side: int) -> int:
    return loader.load(data, min_side=min_side).pixels.size


def encode_rate(encoder: NetworkEncoder, paths: Sequence[Path]) -> float:
    """Pictures a second, from decoded to vector, in batches as the pipeline's."""
    with PictureLoader() as loader:
        images = [
            loader.load(path.read_bytes(), min_side=encoder.recipe.min_side).pixels
            for path in paths
        ]
    batches: list[list[Pixels]] = [images[i : i + BATCH] for i in range(0, len(images), BATCH)]
    encoder.encode_images(batches[0])
    return _rate(encoder.encode_images, batches) * len(images) / len(batches)


def index_rate(source: Path, data: Path) -> tuple[float, processes.Ended]:
    """Pictures a second that the report of `kinlens index` states, and what the command took."""
    shutil.rmtree(data, ignore_errors=True)
    ended = processes.run("index", str(source), "--data", str(data), "--json")
    told = json.loads(ended.output)
    assert not told["failed"], told["failures"]
    return told["indexed"] / told["seconds"], ended


class Peer:
    """What one writes without Kinlens: open, resize, stack, run, normalize."""

    def __init__(self, encoder: NetworkEncoder) -> None:
        [model] = [model for model in list_models() if model.name == encoder.identity.name]
        bundle = model.read()
        self._recipe = encoder.recipe
        self._network = TorchNetwork(bundle.network.onnx)
        torch.set_num_threads(usable_cores())
        similarity = (self._vectors(list(bundle.golden.images)) * bundle.golden.vectors).sum(1)
        assert similarity.min() > LIKE, f"torch gives other vectors: {similarity.min()}"

    def rate(self, paths: Sequence[Path]) -> float:
        """Pictures a second."""
        start = time.perf_counter()
        for first in range(0, len(paths), 32):
            self._vectors([self._open(path) for path in paths[first : first + 32]])
        return len(paths) / (time.perf_counter() - start)

    @staticmethod
    def _open(path: Path) -> Pixels:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))

    def _vectors(self, images: list[Pixels]) -> Vectors:
        output = self._network(torch.from_numpy(self._recipe.prepare(images)))
        return torch.nn.functional.normalize(output).numpy()


def _ratios(report: Report, rate: dict[str, float]) -> None:
    slower = min(rate["decode"], rate["encode"])
    shared = 1 / (1 / rate["decode"] + 1 / rate["encode"])
    report.add(measured="shared limit", images_per_s=shared)
    for name, limit in (("slower limit", slower), ("shared limit", shared), ("peer", rate["peer"])):
        report.add(measured=f"index / {name}", ratio=rate["index"] / limit)


def _rate(call: Callable[[T], object], values: Sequence[T]) -> float:
    with ThreadPoolExecutor(usable_cores()) as pool:
        start = time.perf_counter()
        list(pool.map(call, values))
        return len(values) / (time.perf_counter() - start)


def _folder(folder: Path, paths: Sequence[Path]) -> Path:
    """A folder of links to pictures."""
    for number, path in enumerate(paths):
        link = folder / path.parent.name / f"{number}{path.suffix}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.resolve())
    return folder


if __name__ == "__main__":
    main()
