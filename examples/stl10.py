"""The exact neighbors of 10,000 pictures among 90,000, beside scikit-learn's.

    python examples/stl10.py --download stl10                 fetches STL-10, 2.6 GB, once
    python examples/stl10.py --path stl10/unlabeled_X.bin     where it was unpacked before
    python examples/stl10.py --pictures FOLDER [FOLDER ...]   any pictures, as 96 x 96 squares

What the RAPIDS sample of Alibaba Cloud does on a V100 GPU, step by step: read the pictures, split
them 9 to 1, make vectors with a network, find the 3 nearest of each query by brute force, compare
with scikit-learn, and draw some with their distances. README.md beside this tells how to have the
sample's ResNet50.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from grid import draw_grid
from stl10_data import Pictures, download, progress, read_binary, read_folders

from kinlens import NearestNeighbors
from kinlens.encoders import NetworkEncoder, open_encoder
from kinlens.errors import KinlensError, MissingDependency
from kinlens.types import Vectors

K = 3
SHOWN = 5
BLOCK = 256
ROUNDING = 1e-9
"""Of a squared distance in float64, relative to the squares of the lengths: far more than it is."""

Distances = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """Neighbors of all queries.

    Parameters
    ----------
    distances, rows : float64 and int64 (q, k)
    fit, search : seconds
    """

    distances: Distances
    rows: Rows
    fit: float
    search: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """How another's neighbors differ from ours, by distances in float64.

    Parameters
    ----------
    queries : all of them
    same : queries with the same rows in the same order
    as_near : queries with others, each as near as ours
    farther : queries with a neighbor that is farther than ours
    nearer : queries with a neighbor that is nearer than ours: ours would be wrong
    apart : largest difference between the distances as reported
    """

    queries: int
    same: int
    as_near: int
    farther: int
    nearer: int
    apart: float


def split(count: int, seed: int = 0) -> tuple[Rows, Rows]:
    """The places of nine tenths and of one tenth of the pictures, in mixed order."""
    mixed = np.random.default_rng(seed).permutation(count)
    return mixed[count // 10 :], mixed[: count // 10]


def encode(encoder: NetworkEncoder, pictures: Pictures, places: Rows) -> Vectors:
    """One unit vector a picture, float32 (len(places), dim)."""
    vectors = np.empty((len(places), encoder.identity.dim), np.float32)
    starts = range(0, len(places), BLOCK)
    for start in progress(starts, "Encoding", len(starts)):
        block = pictures[places[start : start + BLOCK]]
        vectors[start : start + BLOCK] = encoder.encode_images(list(block))
    return vectors


def search(base: Vectors, queries: Vectors, k: int = K) -> Found:
    """With Kinlens."""
    began = time.perf_counter()
    index = NearestNeighbors(n_neighbors=k).fit(base)
    fitted = time.perf_counter()
    distances, rows = index.kneighbors(queries)
    return Found(distances, rows, fitted - began, time.perf_counter() - fitted)


def search_scikit_learn(base: Vectors, queries: Vectors, k: int = K) -> Found:
    """With scikit-learn: another import, the same calls."""
    try:
        from sklearn import neighbors  # not a part of Kinlens
    except ImportError as error:
        raise MissingDependency(
            "Comparing needs scikit-learn: pip install scikit-learn, or leave it out by --alone."
        ) from error
    began = time.perf_counter()
    index = neighbors.NearestNeighbors(n_neighbors=k, algorithm="brute").fit(base)
    fitted = time.perf_counter()
    distances, rows = index.kneighbors(queries)
    return Found(distances, rows, fitted - began, time.perf_counter() - fitted)


def compare(base: Vectors, queries: Vectors, ours: Found, theirs: Found) -> Comparison:
    """Look at each neighbor that isn't the same, in float64."""
    same = (ours.rows == theirs.rows).all(axis=1)
    other = np.flatnonzero(~same)
    longest = np.linalg.norm(base, axis=1).max() + np.linalg.norm(queries, axis=1).max()
    # Their order may be off by their rounding, so the nearest is held against the nearest.
    excess = np.sort(_squares(base, queries, other, theirs.rows)) - np.sort(
        _squares(base, queries, other, ours.rows)
    )
    limit = ROUNDING * float(longest) ** 2
    nearer = (excess < -limit).any(axis=1)
    farther = (excess > limit).any(axis=1) & ~nearer
    return Comparison(
        queries=len(queries),
        same=int(same.sum()),
        as_near=int((~nearer & ~farther).sum()),
        farther=int(farther.sum()),
        nearer=int(nearer.sum()),
        apart=float(np.abs(ours.distances - theirs.distances).max(initial=0)),
    )


def _squares(base: Vectors, queries: Vectors, which: Rows, rows: Rows) -> Distances:
    """Squared distances of some queries to their rows, in float64."""
    found = np.empty((len(which), rows.shape[1]))
    for place, query in enumerate(which):
        apart = base[rows[query]].astype(np.float64) - queries[query]
        found[place] = np.square(apart).sum(axis=1)
    return found


def main() -> None:
    """See the top of the file."""
    options = _options()
    try:
        run(options)
    except KinlensError as error:
        sys.exit(f"stl10: {error}")


def run(options: argparse.Namespace) -> None:
    """All steps."""
    pictures = _pictures(options)
    of_base, of_queries = split(len(pictures), options.seed)
    print(f"{len(pictures):,} pictures, {len(of_queries):,} of them queries among {len(of_base):,}")
    encoder = open_encoder(options.encoder, output=options.output, pooling=options.pooling)
    began = time.perf_counter()
    base, queries = encode(encoder, pictures, of_base), encode(encoder, pictures, of_queries)
    speed = len(pictures) / (time.perf_counter() - began)
    print(
        f"{encoder.identity.name}: {encoder.identity.dim:,} numbers a picture, "
        f"{speed:,.0f} pictures/s"
    )
    search(base[:2], queries[:1], 1)  # a first call loads libraries, which isn't what is compared
    ours = search(base, queries, options.k)
    _say("Kinlens", ours)
    if not options.alone:
        search_scikit_learn(base[:2], queries[:1], 1)
        theirs = search_scikit_learn(base, queries, options.k)
        _say("scikit-learn", theirs, f"{theirs.search / ours.search:.1f} times as long")
        _judge(compare(base, queries, ours, theirs))
    shown = np.arange(min(SHOWN, len(queries)))
    rows = of_base[ours.rows[shown]]
    sheet = draw_grid(pictures[of_queries[shown]], pictures[rows], ours.distances[shown])
    sheet.save(options.save, optimize=True)
    print(options.save)


def _pictures(options: argparse.Namespace) -> Pictures:
    if options.pictures:
        return read_folders(options.pictures, options.most)
    pictures = read_binary(download(options.download) if options.download else options.path)
    return pictures[: options.most]


def _say(name: str, found: Found, more: str = "") -> None:
    print(f"{name:13} fit {found.fit:8.3f} s   search {found.search:9.3f} s   {more}".rstrip())


def _judge(compared: Comparison) -> None:
    print(
        f"{compared.same:,} of {compared.queries:,} queries have the same neighbors; of the "
        f"others, {compared.as_near:,} have neighbors as near, and scikit-learn's are farther for "
        f"{compared.farther:,}. Distances differ by at most {compared.apart:.1e}."
    )
    if compared.nearer:
        sys.exit(f"stl10: scikit-learn found nearer neighbors for {compared.nearer} queries.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], epilog="See examples/README.md."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--download", type=Path, metavar="FOLDER", help="fetch STL-10 to here")
    source.add_argument("--path", type=Path, help="unlabeled_X.bin, or another binary file")
    source.add_argument("--pictures", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--most", type=int, help="pictures to use at most")
    parser.add_argument("--encoder", default="kinlens-mini", help="as kinlens --encoder takes it")
    parser.add_argument("--output", help="a tensor within the network, instead of its recipe's")
    parser.add_argument("--pooling", choices=["average", "max", "none"], help="of a spatial map")
    parser.add_argument("-k", type=int, default=K, help="neighbors (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the split (%(default)s)")
    parser.add_argument("--alone", action="store_true", help="don't run scikit-learn")
    parser.add_argument("--save", type=Path, default=Path("stl10.png"), help="(%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
