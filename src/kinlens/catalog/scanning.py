"""Exact neighbors straight from the database: for a process that searches once.

Loading all vectors into an index costs more than one search. Here they pass by in blocks: float32
keeps the few that can be among the nearest, float64 decides, as it does in `kinlens.neighbors`, so
the answers are the same to the last bit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinlens.catalog.records import id_of_row, vectors_of
from kinlens.catalog.spaces import Head, incomplete
from kinlens.neighbors import exact
from kinlens.types import Metric, Vectors

BLOCK = 2048

Rows = npt.NDArray[np.int64]
Passing = Callable[[Rows], npt.NDArray[np.bool_]]


@dataclass(slots=True)
class _Candidates:
    """What can be among the nearest of a query, of the vectors that have passed so far."""

    rows: Rows
    keys: npt.NDArray[np.float32]
    vectors: Vectors


def nearest(
    connection: sqlite3.Connection,
    head: Head,
    queries: Vectors,
    k: int,
    metric: Metric,
    *,
    passing: Passing | None,
) -> list[tuple[Rows, npt.NDArray[np.float64]]]:
    """The k nearest rows of each query, ascending by distance, ties by the lower row.

    Parameters
    ----------
    connection : in a read transaction
    head : what it shows
    queries : float32 (q, dim), unit length
    k : from 1 up; fewer rows give fewer neighbors
    metric : of the distances
    passing : for rows, which of them may be among the neighbors; None for all

    Returns
    -------
    found : of each query the rows, int64 (k',), and their distances, float64 (k',)

    Raises
    ------
    CatalogError : an item has no vector, or a damaged one
    """
    dim = head.encoder.dim
    nothing = np.empty((0, dim), np.float32)
    best = [_Candidates(np.empty(0, np.int64), np.empty(0, np.float32), nothing) for _ in queries]
    seen = 0
    for block in _blocks(connection, head):
        seen += len(block[0])
        rows, vectors = block if passing is None else _kept(*block, passing)
        keys = _keys(vectors, queries, metric)
        for query, found in enumerate(best):
            best[query] = _narrowed(found, rows, keys[:, query], vectors, k)
    _check_complete(connection, head, seen)
    return [_decided(found, query, k, metric) for found, query in zip(best, queries, strict=True)]


def _blocks(connection: sqlite3.Connection, head: Head) -> Iterator[tuple[Rows, Vectors]]:
    # In the order of the table: by row, it would be twice as slow.
    found = connection.execute("SELECT row, vector FROM vectors WHERE space = ?", (head.space,))
    while block := found.fetchmany(BLOCK):
        rows, blobs = zip(*block, strict=True)

        def name(place: int, rows: tuple[int, ...] = rows) -> str:
            return id_of_row(connection, rows[place])

        yield np.array(rows, np.int64), vectors_of(blobs, head.encoder.dim, name)


def _kept(rows: Rows, vectors: Vectors, passing: Passing) -> tuple[Rows, Vectors]:
    here = passing(rows)
    return rows[here], vectors[here]


def _keys(vectors: Vectors, queries: Vectors, metric: Metric) -> npt.NDArray[np.float32]:
    """Float32 (n, q), less for what is nearer: 1 - cosine, or the squared distance.

    Vectors are of unit length to a thousandth, see `vectors_of`, so their own lengths count.
    """
    squares = np.einsum("ij,ij->i", vectors, vectors)[:, np.newaxis]
    # For so few queries BLAS would wake its threads for nothing.
    products = np.stack([np.einsum("ij,j->i", vectors, query) for query in queries], axis=1)
    if metric == "cosine":
        lengths = np.sqrt(np.einsum("ij,ij->i", queries, queries))
        keys = np.float32(1) - products / (np.sqrt(squares) * lengths)
    else:
        keys = squares - np.float32(2) * products
    return np.asarray(keys, np.float32)


def _margin(dim: int) -> float:
    """At most how far a key is from the one that float64 would give.

    Sums of dim products of float32 are off by dim * 2^-24 of the product of the lengths at most
    (Higham, Accuracy and Stability of Numerical Algorithms, 3.1), in any order of adding up. A key
    has three such sums, each counted once or twice, and a few roundings.
    """
    return 6 * (dim + 16) * 2.0**-24


def _narrowed(
    before: _Candidates, rows: Rows, keys: npt.NDArray[np.float32], vectors: Vectors, k: int
) -> _Candidates:
    margin = 2 * _margin(vectors.shape[1])
    if len(before.keys) >= k:
        limit = np.partition(before.keys, k - 1)[k - 1]
        near = np.flatnonzero(keys <= limit + margin)
        if not len(near):
            return before
        rows, keys, vectors = rows[near], keys[near], vectors[near]
    all_rows = np.concatenate([before.rows, rows])
    all_keys = np.concatenate([before.keys, keys])
    all_vectors = np.concatenate([before.vectors, vectors])
    if len(all_keys) > k:
        near = np.flatnonzero(all_keys <= np.partition(all_keys, k - 1)[k - 1] + margin)
        all_rows, all_keys, all_vectors = all_rows[near], all_keys[near], all_vectors[near]
    return _Candidates(all_rows, all_keys, all_vectors)


def _decided(
    found: _Candidates, query: Vectors, k: int, metric: Metric
) -> tuple[Rows, npt.NDArray[np.float64]]:
    distances = exact.distances(found.vectors, query, metric)
    near = exact.nearest(distances, found.rows, k)
    return found.rows[near], distances[near]


def _check_complete(connection: sqlite3.Connection, head: Head, seen: int) -> None:
    (items,) = connection.execute("SELECT count(*) FROM items").fetchone()
    if items != seen:
        raise incomplete(head)
