"""How fast are exact neighbors found, in bulk and one query at a time?

    python benchmarks/neighbors.py [--only bulk single pairs small limits] [--rounds 3] [--quick]

bulk    10,000 queries among 90,000 vectors of 2048 numbers, k = 3: of a real encoder (see
        encoder_vectors.py) and uniform random, the hardest there are. Slow peers get a part of the
        queries; `s_for_all` is what all of them would take
single  one query after the other, and 64 in one call as the server's batches come, k = 10, among
        100,000 and 1,000,000 unit vectors of 512 numbers; filters; graphs with their recall
pairs   the 20 nearest of each of 100,000 vectors of 512 numbers among them, as the nightly job
        finds them; and as queries, which is all that peers offer, a part of them
small   64 and 1,000 queries in one call, k = 10, among 1,000 to 30,000 vectors of 64 and 512
        numbers, as many who use scikit-learn have them
limits  what the cores do at most: int8 and float32 products in the cache, bytes read from memory

The vectors of 512 numbers are those of the encoder along their 512 main axes, brought to length 1;
a million are made around 20,000 of them, scattered as these are. Queries are of pictures held out.
`same` is the share of queries whose k distances, computed in float64 from the rows a peer gives,
are those that Kinlens gives. Kinlens's own answers are compared with its float64 kernel first.
Building an index isn't counted but reported for Kinlens.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import neighbor_peers as peers
import numkong
import numpy as np
import numpy.typing as npt
from data import more_like
from encoder_vectors import encoder_vectors
from report import Report

from kinlens.config import usable_cores
from kinlens.neighbors import ExactIndex, Neighbors
from kinlens.neighbors.all_pairs import search_all
from kinlens.neighbors.exact import distances as exact_distances
from kinlens.neighbors.result import stacked
from kinlens.types import Vectors

PARTS = ("bulk", "single", "pairs", "small", "limits")
SHARES = {"kinlens": 1.0, "faiss flat": 0.2, "numpy blocks": 0.2}
"""Of the queries, those that a peer gets."""
SLOW = 0.1
CALM = 0.25
"""Seconds that threads get to stop in."""
KEPT = (0.5, 0.05, 0.001)
BREADTHS = (16, 32, 64, 128, 256)
CHECKED = 20
TOGETHER = 64

Rows = peers.Rows
Timed = dict[str, list[float]]
Data = tuple[Vectors, Vectors, npt.NDArray[np.float64]]
"""Vectors, queries, and the distances of the true neighbors."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the vectors")
    options = parser.parse_args()
    scale = 50 if options.quick else 1
    some = "" if set(options.only) == set(PARTS) else "-".join(["", *sorted(options.only)])
    report = Report(f"neighbors{some}", __doc__.splitlines()[0])
    for name in peers.absent():
        report.add(measured="peers", peer=name, left_out="not installed: pip install it")
    vectors, queries = encoder_vectors(90_000 // scale, 10_000 // scale)
    if "limits" in options.only:
        limits(report, options.rounds)
    if "bulk" in options.only:
        bulk(report, "encoder", (vectors, queries), options.rounds)
        bulk(report, "uniform", _uniform(vectors.shape, len(queries)), options.rounds)
    short, asked = _shortened(vectors, queries[: options.rounds * TOGETHER])
    del vectors
    if "pairs" in options.only:
        pairs(report, more_like(short, 100_000 // scale), options.rounds)
    if "small" in options.only:
        for count in (1000, 4000, 12_000, 30_000):
            for dim in (64, 512):
                small(report, np.ascontiguousarray(short[: count // scale, -dim:]), options.rounds)
    if "single" in options.only:
        for count in (100_000 // scale, 1_000_000 // scale):
            made = more_like(short[:20_000], count)
            single(report, (made, asked), options.rounds, with_graphs=count <= 100_000)
    report.write()


def bulk(report: Report, name: str, data: tuple[Vectors, Vectors], rounds: int, k: int = 3) -> None:
    """All queries in one call, peers taking turns."""
    vectors, queries = data
    started = time.perf_counter()
    index = peers.indexed(vectors)
    built = time.perf_counter() - started
    found = index.search(queries, k)  # also arranges the codes for products
    about = {"measured": "bulk", "data": name, "vectors": len(vectors), "dim": vectors.shape[1]}
    report.add(**about, k=k, build_s=built, kernel=found.kernel, **_checked(index, queries, k))
    searches = dict(peers.exact_peers(vectors))
    seconds, same = _turns(searches, (vectors, queries, found.distances), rounds)
    own = median(seconds["kinlens"])
    for peer, rounds_s in seconds.items():
        report.add(
            **about,
            k=k,
            peer=peer,
            queries=_share(peer, len(queries)),
            s_for_all=median(rounds_s),
            kinlens_times_as_fast=median(rounds_s) / own,
            same=same[peer],
            rounds_s=[round(one, 2) for one in rounds_s],
        )


def _turns(
    searches: dict[str, peers.Search], data: Data, rounds: int
) -> tuple[Timed, dict[str, float]]:
    vectors, queries, expected = data
    k = expected.shape[1]
    seconds: Timed = defaultdict(list)
    same: dict[str, float] = {}
    for _ in range(rounds):
        for peer, search in searches.items():
            count = _share(peer, len(queries))
            some = queries[:: len(queries) // count][:count]
            took, rows = _timed(lambda one=search, part=some: one(part, k))
            seconds[peer].append(took * len(queries) / count)
            if peer not in same:
                nearest = expected[:: len(queries) // count][:count]
                same[peer] = _same(vectors, some, rows, nearest)
    return seconds, same


def single(
    report: Report, data: tuple[Vectors, Vectors], rounds: int, *, with_graphs: bool, k: int = 10
) -> None:
    """One query in each call, and many in one."""
    vectors, queries = data
    started = time.perf_counter()
    index = peers.indexed(vectors)
    built = time.perf_counter() - started
    found = index.search(queries, k)
    about = {"measured": "single", "vectors": len(vectors), "dim": vectors.shape[1], "k": k}
    memory = {"vectors_mb": index.vector_bytes / 1e6, "screen_mb": index.screen_bytes / 1e6}
    checked = _checked(index, queries, k)
    report.add(**about, build_s=built, kernel=found.kernel, **memory, **checked)
    searches: dict[str, peers.Search] = {"kinlens": lambda some, k: index.search(some, k).rows}
    for peer in (("faiss flat", peers.faiss_flat), ("usearch exact", peers.usearch_exact)):
        if peer[0].split()[0] not in peers.absent() and (with_graphs or peer[0] == "faiss flat"):
            searches[peer[0]] = peer[1](vectors)
    found_all = found.distances
    _one_by_one(report, about, searches, (vectors, queries, found_all), rounds)
    for kept in KEPT:
        mask = np.random.default_rng(7).random(len(vectors)) < kept
        found = index.search(queries, k, mask=mask)
        searches = {"kinlens": lambda some, k, m=mask: index.search(some, k, mask=m).rows}
        if "faiss" not in peers.absent():
            searches["faiss flat"] = peers.faiss_filtered(vectors, mask)
        filtered = {**about, "filter_keeps": kept, "kernel": found.kernel}
        _one_by_one(report, filtered, searches, (vectors, queries, found.distances), rounds)
    if with_graphs:
        for name, graph in peers.graphs(vectors):
            at = {f"{name}, breadth {breadth}": graph(breadth) for breadth in BREADTHS}
            _one_by_one(report, about, at, (vectors, queries, found_all), rounds)


def _one_by_one(
    report: Report,
    about: dict[str, object],
    searches: dict[str, peers.Search],
    data: Data,
    rounds: int,
) -> None:
    vectors, queries, expected = data
    k = expected.shape[1]
    ones: Timed = defaultdict(list)
    together: Timed = defaultdict(list)
    rows: dict[str, list[Rows]] = defaultdict(list)
    for turn in range(rounds):
        for peer, search in searches.items():
            for query in range(turn * TOGETHER, (turn + 1) * TOGETHER):
                took, found = _timed(lambda one=search, at=query: one(queries[at : at + 1], k))
                ones[peer].append(took)
                rows[peer].append(found)
            part = queries[turn * TOGETHER : (turn + 1) * TOGETHER]
            together[peer].append(_timed(lambda one=search, part=part: one(part, k))[0])
    for peer in searches:
        every = np.concatenate(rows[peer])
        report.add(
            **about,
            peer=peer,
            p50_ms=median(ones[peer]) * 1e3,
            p99_ms=float(np.percentile(ones[peer], 99)) * 1e3,
            together=TOGETHER,
            per_s_together=TOGETHER / median(together[peer]),
            recall=_recall(vectors, queries[: len(every)], every, expected[: len(every)]),
        )


def pairs(report: Report, vectors: Vectors, rounds: int, k: int = 20) -> None:
    """Neighbors of an index's own vectors: of all at once, peers taking turns with a part."""
    index = peers.indexed(vectors)
    asked = np.arange(0, len(vectors), max(1, len(vectors) // 10_000))
    others = {f"{peer}, as queries": search for peer, search in peers.exact_peers(vectors)}
    seconds: Timed = defaultdict(list)
    same = {}
    for _ in range(rounds):
        runs: list[Neighbors] = []
        took, _rows = _timed(lambda to=runs: to.extend(search_all(index, k, metric="euclidean")))
        seconds["kinlens, all at once"].append(took)
        found = stacked(runs)
        part, same = _turns(others, (vectors, vectors[asked], found.distances[asked]), 1)
        for peer, (one,) in part.items():
            seconds[peer].append(one * len(vectors) / len(asked))
    own = median(seconds["kinlens, all at once"])
    for peer, rounds_s in seconds.items():
        report.add(
            measured="pairs",
            vectors=len(vectors),
            dim=vectors.shape[1],
            k=k,
            peer=peer,
            kernel=found.kernel if peer not in same else "",
            s_for_all=median(rounds_s),
            ms_a_query=median(rounds_s) / len(vectors) * 1e3,
            kinlens_times_as_fast=median(rounds_s) / own,
            same=same.get(peer, 1.0),
            rounds_s=[round(one, 2) for one in rounds_s],
        )


def small(report: Report, vectors: Vectors, rounds: int, k: int = 10) -> None:
    """Batches of queries among few vectors, the median of calls in bursts.

    Threads of OpenMP that have worked go on turning for a while, in wait for more: before each
    burst they get the time to stop, and a first call of it doesn't count.
    """
    searches = dict(peers.exact_peers(vectors))
    for count in (64, 1000):
        queries = vectors[np.arange(count) * 7 % len(vectors)]
        times: Timed = defaultdict(list)
        for _ in range(rounds):
            for peer, search in searches.items():
                time.sleep(CALM)
                burst = [_timed(lambda one=search, some=queries: one(some, k))[0] for _ in range(8)]
                times[peer] += burst[1:]
        for peer, seconds in times.items():
            report.add(
                measured="small",
                vectors=len(vectors),
                dim=vectors.shape[1],
                queries=count,
                k=k,
                peer=peer,
                ms_a_query=median(seconds) / count * 1e3,
                kinlens_times_as_fast=median(seconds) / median(times["kinlens"]),
            )


def limits(report: Report, rounds: int) -> None:
    """Of all cores together."""
    cores = usable_cores()
    rng = np.random.default_rng(0)
    codes = rng.integers(-127, 128, (2048, 1024), dtype=np.int8)
    packed, few = numkong.dots_pack(codes), codes[:64].copy()
    outs = [numkong.zeros((64, 2048), dtype="int32") for _ in range(cores)]
    operations = 2 * 64 * codes.size
    int8 = _rate(lambda turn: numkong.dots_packed(few, packed, out=outs[turn]), operations, rounds)
    report.add(measured="limit", what="int8 products, NumKong", gop_per_s=int8 / 1e9)
    wide = codes.astype(np.float32)
    seconds = min(_timed(lambda: wide @ wide.T)[0] for _ in range(3 * rounds))
    flops = 2 * len(wide) * wide.size / seconds
    report.add(measured="limit", what="float32 products, BLAS", gop_per_s=flops / 1e9)
    large = np.ones((cores, 1 << 25), np.int64)
    read = _rate(lambda turn: large[turn].max(), large[0].nbytes, rounds, calls=1)
    report.add(measured="limit", what="read from memory", gb_per_s=read / 1e9)
    brute = 2 * 10_000 * 90_000 * 2048
    report.add(
        measured="limit",
        what="brute force at these rates",
        bulk_int8_s=brute / int8,
        bulk_float32_s=brute / flops,
        single_million_int8_ms=1e6 * 512 / read * 1e3,
        single_million_float32_ms=4e6 * 512 / read * 1e3,
    )


def _rate(call: Callable[[int], object], amount: int, rounds: int, calls: int = 20) -> float:
    """Amount a second, the best of some rounds, in a thread for each core."""
    cores = usable_cores()
    best = 0.0
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(3 * rounds):
            started = time.perf_counter()
            list(pool.map(lambda turn: [call(turn) for _ in range(calls)], range(cores)))
            best = max(best, cores * calls * amount / (time.perf_counter() - started))
    return best


def _checked(index: ExactIndex, queries: Vectors, k: int) -> dict[str, float]:
    """The share of a few queries for which every row in float64 gives the same neighbors."""
    some = queries[:: max(1, len(queries) // CHECKED)]
    plain = ExactIndex(index.dim, kernel="float64")
    plain.append(index.vectors(np.arange(index.capacity)))
    expected, found = plain.search(some, k), index.search(some, k)
    return {"same_as_float64": float((expected.rows == found.rows).all(axis=1).mean())}


def _true(vectors: Vectors, queries: Vectors, rows: Rows) -> Iterator[np.ndarray]:
    for query, found in zip(queries, rows, strict=True):
        yield np.sort(exact_distances(vectors[found], query, "euclidean"))


def _same(vectors: Vectors, queries: Vectors, rows: Rows, expected: np.ndarray) -> float:
    every = zip(_true(vectors, queries, rows), expected, strict=True)
    return float(np.mean([np.allclose(found, true, rtol=1e-6) for found, true in every]))


def _recall(vectors: Vectors, queries: Vectors, rows: Rows, expected: np.ndarray) -> float:
    every = zip(_true(vectors, queries, rows), expected, strict=True)
    return float(np.mean([(found <= true[-1] * (1 + 1e-6)).mean() for found, true in every]))


def _share(peer: str, count: int) -> int:
    return max(1, int(count * SHARES.get(peer.split(",", maxsplit=1)[0], SLOW)))


def _shortened(vectors: Vectors, queries: Vectors) -> tuple[Vectors, Vectors]:
    """Along the 512 main axes, or as many as there are, and of length 1."""
    center = vectors.mean(axis=0)
    sample = vectors[:: max(1, len(vectors) // 8192)] - center
    _, axes = np.linalg.eigh((sample.T @ sample).astype(np.float64))
    main_axes = axes[:, -512:].astype(np.float32)
    short = [(some - center) @ main_axes for some in (vectors, queries)]
    return short[0] / _norms(short[0]), short[1] / _norms(short[1])


def _norms(vectors: Vectors) -> Vectors:
    return np.linalg.norm(vectors, axis=1, keepdims=True)


def _uniform(shape: tuple[int, ...], queries: int) -> tuple[Vectors, Vectors]:
    rng = np.random.default_rng(3)
    return rng.random(shape, np.float32), rng.random((queries, shape[1]), np.float32)


def _timed(call: Callable[[], Rows]) -> tuple[float, Rows]:
    started = time.perf_counter()
    found = call()
    return time.perf_counter() - started, found


if __name__ == "__main__":
    main()
