"""How often are the matches of the recorded walk right, and what does a frame of it cost?

    python benchmarks/walk.py [--items 300] [--walks 5]

The walk of `kinlens live --demo`: a hand-held camera that goes past catalog pictures on a shelf,
with blur, noise and drifting light, and pauses before each. Which thing is in the middle is known
for each frame; it counts as right if that very item is the first match, or among the first five.

pausing, moving  share of frames, with the region that the demo looks at and with the whole frame
frame            milliseconds to draw one frame
device           milliseconds that a device spends on one frame, by step; `cpu` is of all threads
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from report import Report

from kinlens.camera.base import Frame
from kinlens.camera.eye import Eye, SmallPicture
from kinlens.camera.film import to_jpeg
from kinlens.camera.measure import measure
from kinlens.camera.selection import walk_past
from kinlens.camera.walk import AIM, Walk
from kinlens.images.geometry import upright
from kinlens.ingest import index
from kinlens.sample import build_sample
from kinlens.search import Search
from kinlens.sources import SourceOptions, open_source
from kinlens.types import Crop, Example, Query
from kinlens.wiring import open_search

EVERY = 3
WHOLE = Crop(0, 0, 1, 1)
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=300, help="of the sample catalog")
    parser.add_argument("--walks", type=int, default=5, help="past other items each")
    options = parser.parse_args()
    report = Report("walk", __doc__.splitlines()[0])
    with tempfile.TemporaryDirectory() as folder:
        table = build_sample(Path(folder) / "shop", options.items)
        with open_search(Path(folder) / "catalog") as search:
            index(search, open_source(table, SourceOptions()))
            walks = [walk_past(search, seed) for seed in range(options.walks)]
            for region, crop in (("aimed", AIM), ("whole frame", WHOLE)):
                for pausing in (True, False):
                    report.add(
                        measure="pausing" if pausing else "moving",
                        region=region,
                        **shares(search, walks, crop, pausing=pausing),
                    )
            drawing(report, walks[0])
            device(report, search, walks[0])
    report.write()


def shares(
    search: Search, walks: Sequence[Walk], region: Crop, *, pausing: bool
) -> dict[str, float]:
    """How often the thing in the middle is the first match, and among the first five."""
    first = among = total = 0
    for walk in walks:
        shots = [walk.shot(number) for number in range(0, walk.count, EVERY)]
        shots = [shot for shot in shots if shot.pausing == pausing]
        for start in range(0, len(shots), BATCH):
            batch = shots[start : start + BATCH]
            seen = [upright(walk.frame(shot.number), 1, region) for shot in batch]
            vectors = search.parts.encoder.encode_images(seen)
            for shot, vector in zip(batch, vectors, strict=True):
                hits = search.search(Query((Example(vector=vector),), k=5)).hits
                ids = [hit.id for hit in hits]
                first += ids[0] == shot.item
                among += shot.item in ids
                total += 1
    return {"frames": total, "first": first / total, "among_5": among / total}


def drawing(report: Report, walk: Walk) -> None:
    times = []
    for number in range(90):
        start = time.thread_time()
        walk.frame(number)
        times.append(time.thread_time() - start)
    report.add(measure="frame", ms=median(times) * 1000, slowest_ms=max(times) * 1000)


def device(report: Report, search: Search, walk: Walk) -> None:
    eye = Eye(search.parts.encoder, search.parts.loader, region=AIM, picture=SmallPicture())
    frames = [Frame(to_jpeg(walk.frame(number))) for number in range(100)]
    report.add(measure="device", encoder=search.encoder.name, **asdict(measure(eye, frames)))


if __name__ == "__main__":
    main()
