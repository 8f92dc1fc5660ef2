"""The search alone, one query at a time: Kinlens's index beside NumPy, FAISS and usearch.

All get the same unit vectors and queries, use all cores and give the 24 nearest by inner product,
which is by cosine. All are exact: NumPy, FAISS and usearch up to the rounding of float32.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
from report import Report
from usearch.index import MetricKind
from usearch.index import search as usearch_search

from kinlens.config import usable_cores
from kinlens.neighbors import ExactIndex
from kinlens.types import Vectors

K = 24
Rows = npt.NDArray[np.integer[Any]]
Peer = Callable[[Vectors], Rows]


def measure(report: Report, vectors: Vectors, queries: Vectors, rounds: int) -> None:
    """Median milliseconds of a query (1, dim), over rounds in which the peers take turns."""
    peers = _peers(vectors)
    expected = [peers["numpy"](queries[i : i + 1]) for i in range(len(queries))]
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    agree: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, peer in peers.items():
            for query, best in enumerate(expected):
                start = time.perf_counter()
                found = peer(queries[query : query + 1])
                seconds[name].append(time.perf_counter() - start)
                agree[name].append(len(np.intersect1d(found, best)) / K)
    for name in peers:
        report.add(
            measured="search alone",
            peer=name,
            items=len(vectors),
            dim=vectors.shape[1],
            p50_ms=median(seconds[name]) * 1e3,
            p99_ms=float(np.percentile(seconds[name], 99)) * 1e3,
            same_as_numpy=float(np.mean(agree[name])),
        )


def _peers(vectors: Vectors) -> dict[str, Peer]:
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    faiss.omp_set_num_threads(usable_cores())
    ours = ExactIndex(vectors.shape[1])
    ours.append(vectors)

    def with_numpy(query: Vectors) -> Rows:
        products = vectors @ query[0]
        best = np.argpartition(products, -K)[-K:]
        return best[np.argsort(-products[best])]

    def with_usearch(query: Vectors) -> Rows:
        found = usearch_search(
            vectors, query[0], K, MetricKind.IP, exact=True, threads=usable_cores()
        )
        return np.asarray(found.keys)

    return {
        "kinlens": lambda query: ours.search(query, K, metric="cosine").rows[0],
        "numpy": with_numpy,
        "faiss": lambda query: flat.search(query, K)[1][0],
        "usearch": with_usearch,
    }
