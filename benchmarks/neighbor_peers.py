"""The searches that Kinlens stands beside, exact and approximate; those that are installed.

Each gets float32 vectors and uses all cores. What isn't installed is named, and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from kinlens.config import usable_cores
from kinlens.neighbors import ExactIndex
from kinlens.types import Vectors

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Search = Callable[[Vectors, int], Rows]
"""Queries (q, dim) and k to rows (q, k); distances are Euclidean."""

NEEDS = {"scikit-learn": "sklearn", "faiss": "faiss", "usearch": "usearch"}
ROWS, QUERIES = 8192, 512


def absent() -> list[str]:
    """Peers that aren't installed."""
    return [name for name, module in NEEDS.items() if find_spec(module) is None]


def exact_peers(vectors: Vectors) -> Iterator[tuple[str, Search]]:
    """Name and search, Kinlens first; one at a time is made."""
    yield "kinlens", kinlens(vectors)
    yield "numpy blocks", blocked(vectors)
    if find_spec("faiss"):
        yield "faiss flat", faiss_flat(vectors)
    if find_spec("sklearn"):
        yield "scikit-learn brute", scikit_learn(vectors)
    if find_spec("usearch"):
        yield "usearch exact", usearch_exact(vectors)


def kinlens(vectors: Vectors) -> Search:
    """An `ExactIndex`."""
    index = indexed(vectors)
    return lambda queries, k: index.search(queries, k).rows


def indexed(vectors: Vectors) -> ExactIndex:
    index = ExactIndex(vectors.shape[1])
    for start in range(0, len(vectors), 20_000):
        index.append(vectors[start : start + 20_000])
    return index


def blocked(vectors: Vectors) -> Search:
    """What one writes by hand: float32 products in blocks, and the best of each block kept."""
    squares = np.einsum("ij,ij->i", vectors, vectors)

    def some(queries: Vectors, k: int) -> Rows:
        best = np.full((len(queries), k), np.inf, np.float32)
        rows = np.zeros((len(queries), k), np.int64)
        for start in range(0, len(vectors), ROWS):
            part = slice(start, start + ROWS)
            found = squares[part] - 2 * (queries @ vectors[part].T)
            near = np.argpartition(found, k - 1, axis=1)[:, :k]
            both = np.hstack([best, np.take_along_axis(found, near, 1)])
            order = np.argsort(both, axis=1)[:, :k]
            best = np.take_along_axis(both, order, 1)
            rows = np.take_along_axis(np.hstack([rows, near + start]), order, 1)
        return rows

    def search(queries: Vectors, k: int) -> Rows:
        parts = range(0, len(queries), QUERIES)
        return np.concatenate([some(queries[start : start + QUERIES], k) for start in parts])

    return search


def faiss_flat(vectors: Vectors) -> Search:
    """`IndexFlatL2`."""
    import faiss

    faiss.omp_set_num_threads(usable_cores())
    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(vectors)
    return lambda queries, k: np.asarray(index.search(queries, k)[1], np.int64)


def faiss_filtered(vectors: Vectors, mask: Mask) -> Search:
    """`IndexFlatL2` with a bitmap of the rows that may be returned."""
    import faiss

    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(vectors)
    allowed = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
    options = faiss.SearchParameters(sel=allowed)
    return lambda queries, k: np.asarray(index.search(queries, k, params=options)[1], np.int64)


def scikit_learn(vectors: Vectors) -> Search:
    """`NearestNeighbors(algorithm="brute")`."""
    from sklearn.neighbors import NearestNeighbors

    model = NearestNeighbors(algorithm="brute").fit(vectors)
    return lambda queries, k: np.asarray(model.kneighbors(queries, k, return_distance=False))


def usearch_exact(vectors: Vectors) -> Search:
    """`search(..., exact=True)`."""
    from usearch.index import MetricKind, search

    def run(queries: Vectors, k: int) -> Rows:
        found = search(vectors, queries, k, MetricKind.L2sq, exact=True, threads=usable_cores())
        return np.asarray(found.keys, np.int64).reshape(len(queries), k)

    return run


def graphs(vectors: Vectors) -> Iterator[tuple[str, Callable[[int], Search]]]:
    """Name of an HNSW graph and, for a breadth of search, its search; both with 16 edges."""
    if find_spec("faiss"):
        yield "faiss HNSW", _faiss_graph(vectors)
    if find_spec("usearch"):
        yield "usearch HNSW", _usearch_graph(vectors)


def _faiss_graph(vectors: Vectors) -> Callable[[int], Search]:
    import faiss

    graph = faiss.IndexHNSWFlat(vectors.shape[1], 16)
    graph.hnsw.efConstruction = 64
    graph.add(vectors)

    def at(breadth: int) -> Search:
        options = faiss.SearchParametersHNSW(efSearch=breadth)
        return lambda queries, k: np.asarray(graph.search(queries, k, params=options)[1], np.int64)

    return at


def _usearch_graph(vectors: Vectors) -> Callable[[int], Search]:
    from usearch.index import Index

    graph: Any = Index(ndim=vectors.shape[1], metric="l2sq", connectivity=16, expansion_add=64)
    graph.add(np.arange(len(vectors)), vectors, threads=usable_cores())

    def at(breadth: int) -> Search:
        def run(queries: Vectors, k: int) -> Rows:
            graph.expansion_search = breadth
            found = graph.search(queries, k, threads=usable_cores())
            return np.asarray(found.keys, np.int64).reshape(len(queries), k)

        return run

    return at
