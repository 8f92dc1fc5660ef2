"""What a neighbor search gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

NeighborMetric: TypeAlias = Literal["euclidean", "sqeuclidean", "cosine", "inner"]
NEIGHBOR_METRICS: tuple[NeighborMetric, ...] = get_args(NeighborMetric)

Rows: TypeAlias = npt.NDArray[np.int64]
Distances: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The k nearest rows of each query, and how they were found.

    Parameters
    ----------
    distances : float64 (q, k'), ascending; computed in float64 from the vectors as kept.
        euclidean: L2; sqeuclidean: its square; cosine: 1 - cosine similarity, in [0, 2];
        inner: the negative inner product
    rows : int64 (q, k'), ties by the lower row; k' is the lesser of k and the rows that pass
    certified : whether these are provably the true neighbors in float64 terms
    kernel : name of the kernel that screened; if some queries needed a finer one, it is
        appended: "int8+float32"
    candidates : rows that were decided in float64, over all queries
    """

    distances: Distances
    rows: Rows
    certified: bool
    kernel: str
    candidates: int


@dataclass(frozen=True, slots=True)
class Within:
    """All rows within a radius of each query, and how they were found.

    Those of query i are at `begins[i]` to `begins[i + 1]`; `of` cuts them out.

    Parameters
    ----------
    distances : float64 (m,), ascending within each query, in the terms of `Neighbors.distances`
    rows : int64 (m,), ties by the lower row
    begins : int64 (q + 1,), ascending from 0 to m
    certified : whether these are provably all rows that float64 finds within the radius
    kernel : names of the kernels that screened: "int8+float32"
    candidates : rows that were decided in float64, over all queries
    """

    distances: Distances
    rows: Rows
    begins: Rows
    certified: bool
    kernel: str
    candidates: int

    def __len__(self) -> int:
        """How many queries."""
        return len(self.begins) - 1

    def of(self, query: int) -> tuple[Distances, Rows]:
        """Distances and rows of one query, views of the whole."""
        part = slice(self.begins[query], self.begins[query + 1])
        return self.distances[part], self.rows[part]


def by_row(found: Within) -> Within:
    """The same with rows ascending within each query, instead of distances."""
    query = np.repeat(np.arange(len(found)), np.diff(found.begins))
    order = np.lexsort((found.rows, query))
    return replace(found, distances=found.distances[order], rows=found.rows[order])


def stacked(parts: Sequence[Neighbors]) -> Neighbors:
    """The neighbors of queries and of those that follow, as one."""
    return Neighbors(
        np.concatenate([part.distances for part in parts]),
        np.concatenate([part.rows for part in parts]),
        certified=all(part.certified for part in parts),
        kernel=_kernels(parts),
        candidates=sum(part.candidates for part in parts),
    )


def chained(parts: Sequence[Within]) -> Within:
    """The same of rows within a radius."""
    counts = np.concatenate([np.diff(part.begins) for part in parts])
    return Within(
        np.concatenate([part.distances for part in parts]),
        np.concatenate([part.rows for part in parts]),
        begins=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        certified=all(part.certified for part in parts),
        kernel=_kernels(parts),
        candidates=sum(part.candidates for part in parts),
    )


def _kernels(parts: Sequence[Neighbors] | Sequence[Within]) -> str:
    return "+".join(dict.fromkeys(name for part in parts for name in part.kernel.split("+")))
