"""How many vectors can't a screen rule out, and how far is its bound from the true error?

    python benchmarks/bound.py [--vectors 20000] [--queries 500]

Counted by the formulas of docs/exact.md in float64, with the codes and the axes that Kinlens makes,
for squared distances: `int8` leaves what has a lower bound that is no more than the k-th least
upper bound, `sketch` what has one no more than the k-th least true value. The engine adds what
float32 rounds, and is coarser where that is faster. `share` is true error / bound, never above 1:
its mean (of the sums), the largest of all pairs, and its histogram over 20 bins a decade from
0.0001 to 1.

Vectors are those of kinlens-mini (256 numbers, unit length) for the pictures of
`KINLENS_TEST_DATA`, those of `encoder_vectors.py` (2048 numbers, at least 0), and uniform random
ones, on which distances hardly differ.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from data import ROOT, real_vectors
from encoder_vectors import FOLDERS, encoder_vectors
from report import Report

from kinlens.encoders import open_encoder
from kinlens.neighbors.coding import Center, Codes
from kinlens.neighbors.sketches import Axes
from kinlens.types import Vectors

KS = (1, 2, 3, 5, 10, 20, 50, 100)
EDGES = np.logspace(-4, 0, 81)
BLOCK = 64

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """Squared distances of some queries to all vectors, float64 (q, n), and what a screen knows."""

    true: Doubles
    estimate: Doubles
    bound: Doubles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=500)
    options = parser.parse_args()
    report = Report("bound", __doc__.splitlines()[0])
    for name, make in DATA.items():
        base, queries = make(options.vectors, options.queries)
        about = {"data": name, "vectors": len(base), "queries": len(queries), "dim": base.shape[1]}
        screen_int8(report, about, base, queries)
        screen_sketch(report, about, base, queries)
    report.write()


def mini(count: int, queries: int) -> tuple[Vectors, Vectors]:
    folder = ROOT / os.environ.get("KINLENS_TEST_DATA", "../shared/data")
    paths = sorted(path for name in FOLDERS for path in (folder / name).rglob("*.[jJ]*[gG]"))
    mixed = np.random.default_rng(0).permutation(len(paths))[: count + queries]
    vectors = real_vectors(open_encoder("kinlens-mini"), [paths[place] for place in mixed])
    return vectors[queries:], vectors[:queries]


def uniform(count: int, queries: int) -> tuple[Vectors, Vectors]:
    made = np.random.default_rng(0).random((count + queries, 2048), np.float32)
    return made[queries:], made[:queries]


DATA: dict[str, Callable[[int, int], tuple[Vectors, Vectors]]] = {
    "kinlens-mini": mini,
    "MobileNetV2": encoder_vectors,
    "uniform random": uniform,
}


def screen_int8(report: Report, about: dict[str, object], base: Vectors, queries: Vectors) -> None:
    codes = Codes.empty(Center.of(base), len(base))
    codes.write(0, np.ascontiguousarray(base))
    left: dict[int, list[int]] = {k: [] for k in KS}
    histogram, errors, bounds, largest = np.zeros(len(EDGES) - 1), 0.0, 0.0, 0.0
    for seen in _by_int8(codes, base, queries):
        error = np.abs(seen.true - seen.estimate)
        share = error / seen.bound
        histogram += np.histogram(share, EDGES)[0]
        errors, bounds = errors + float(error.sum()), bounds + float(seen.bound.sum())
        largest = max(largest, float(share.max()))
        upper = np.sort(seen.estimate + seen.bound, axis=1)
        lower = seen.estimate - seen.bound
        for k in KS:
            left[k] += (lower <= upper[:, k - 1 : k]).sum(axis=1).tolist()
    _add(report, about, "int8", left)
    report.add(
        **about, kernel="int8", measured="share", mean=errors / bounds, largest=largest,
        histogram=[round(float(part), 7) for part in histogram / len(base) / len(queries)],
    )  # fmt: skip


def screen_sketch(
    report: Report, about: dict[str, object], base: Vectors, queries: Vectors
) -> None:
    axes = Axes.learned(np.ascontiguousarray(base))
    if axes is None:
        report.add(**about, kernel="sketch", measured="left", used=False)
        return
    left: dict[int, list[int]] = {k: [] for k in KS}
    for seen in _by_sketch(axes, base, queries):
        kth = np.sort(seen.true, axis=1)
        for k in KS:
            left[k] += (seen.estimate - seen.bound <= kth[:, k - 1 : k]).sum(axis=1).tolist()
    _add(report, {**about, "width": axes.width}, "sketch", left)


def _add(report: Report, about: dict[str, object], kernel: str, left: dict[int, list[int]]) -> None:
    for k, counts in left.items():
        report.add(
            **about, kernel=kernel, measured="left", k=k,
            mean=float(np.mean(counts)), median=float(np.median(counts)), max=max(counts),
        )  # fmt: skip


def _by_int8(codes: Codes, base: Vectors, queries: Vectors) -> Iterator[Seen]:
    middle = codes.center.vector.astype(np.float64)
    centered = base.astype(np.float64) - middle
    square = np.square(centered).sum(axis=1)
    coded = codes.codes * codes.scale.astype(np.float64)[:, None]
    for start in range(0, len(queries), BLOCK):
        p = queries[start : start + BLOCK].astype(np.float64) - middle
        own = np.square(p).sum(axis=1, keepdims=True)
        step = np.abs(p).max(axis=1, keepdims=True) / 127
        rounded = np.rint(p / step) * step
        away = np.linalg.norm(p - rounded, axis=1, keepdims=True)
        length = np.linalg.norm(rounded, axis=1, keepdims=True)
        bound = 2 * (away * np.sqrt(square) + length * codes.residual)
        yield Seen(square + own - 2 * p @ centered.T, square + own - 2 * rounded @ coded.T, bound)


def _by_sketch(axes: Axes, base: Vectors, queries: Vectors) -> Iterator[Seen]:
    middle = axes.center.astype(np.float64)
    centered = base.astype(np.float64) - middle
    square = np.square(centered).sum(axis=1)
    sketch = _sketched(axes, centered)
    coded = np.clip(np.rint(sketch / axes.step), -127, 127) * axes.step
    residual = np.linalg.norm(sketch - coded, axis=1)
    for start in range(0, len(queries), BLOCK):
        p = queries[start : start + BLOCK].astype(np.float64) - middle
        own = np.square(p).sum(axis=1, keepdims=True)
        asked = _sketched(axes, p)
        step = np.abs(asked).max() / 127
        rounded = np.rint(asked / step) * step
        away = np.linalg.norm(asked - rounded, axis=1, keepdims=True)
        length = np.linalg.norm(rounded, axis=1, keepdims=True)
        bound = 2 * (away * np.sqrt(square) + length * residual)
        yield Seen(square + own - 2 * p @ centered.T, square + own - 2 * rounded @ coded.T, bound)


def _sketched(axes: Axes, centered: Doubles) -> Doubles:
    along = centered @ axes.wide.T
    rests = axes.width - len(axes.wide)
    rest = np.square(centered).sum(axis=1) - np.square(along).sum(axis=1)
    each = np.sqrt(np.maximum(rest, 0) / rests)
    return np.hstack([along, np.repeat(each[:, None], rests, axis=1)])


if __name__ == "__main__":
    main()
