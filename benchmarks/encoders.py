"""How many pictures a second does each runtime encode, and how long does one take?

    python benchmarks/encoders.py [--encoder NAME_OR_PATH] [--batches 1 8 32] [--seconds 2]

Times are of the network alone (`run`), of pixels to vectors (`encode`, pictures of 224 x 299, as a
scaled JPEG comes out of the decoder), and of opening in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from statistics import median

import numpy as np
from report import Report, timings

from kinlens.config import DEFAULT_ENCODER
from kinlens.encoders import NetworkEncoder, installed_runtimes, open_encoder

OPEN = """
import sys, time
import numpy, PIL.Image
start = time.perf_counter()
from kinlens.encoders import open_encoder
open_encoder(sys.argv[1], runtime=sys.argv[2])
print(time.perf_counter() - start)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", default=DEFAULT_ENCODER)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each figure")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    report = Report("encoders", __doc__.splitlines()[0])
    for runtime in installed_runtimes():
        encoder = open_encoder(options.encoder, runtime=runtime, threads=options.threads)
        about = {
            "encoder": encoder.identity.name,
            "runtime": runtime,
            "precision": encoder.precision,
        }
        opened = median(open_seconds(options.encoder, runtime) for _ in range(3))
        report.add(**about, measured="open", ms=opened * 1e3)
        for batch in options.batches:
            measure(report, encoder, about, batch, options.seconds)
    report.write()


def measure(
    report: Report, encoder: NetworkEncoder, about: dict[str, str], batch: int, seconds: float
) -> None:
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (batch, 299, 224, 3), dtype=np.uint8))
    prepared = encoder.recipe.prepare(images)
    for measured, call in (
        ("run", lambda: encoder.run(prepared)),
        ("encode", lambda: encoder.encode_images(images)),
    ):
        taken = timings(call, at_least=seconds)
        report.add(
            **about,
            measured=measured,
            batch=batch,
            images_per_s=batch / median(taken),
            best_images_per_s=batch / min(taken),
            ms=median(taken) * 1e3,
            p95_ms=float(np.percentile(taken, 95)) * 1e3,
        )


def open_seconds(encoder: str, runtime: str) -> float:
    """From importing Kinlens to an encoder that has reproduced its golden numbers."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN, encoder, runtime], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


if __name__ == "__main__":
    main()
