"""What is searched for, and what remains of it for float64 to decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.result import Distances, Mask, NeighborMetric, Rows
from kinlens.neighbors.storage import Chunk
from kinlens.types import Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What a kernel works on.

    Parameters
    ----------
    chunks : none of them empty
    passing : for each chunk bool (count,), the slots that may be returned; None for all
    living : how many slots that is
    queries : float32 (q, dim), q from 1 up
    k : from 1 to `living`
    metric : see `Neighbors.distances`
    """

    chunks: tuple[Chunk, ...]
    passing: tuple[Mask | None, ...]
    living: int
    queries: Vectors
    k: int
    metric: NeighborMetric

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return int(self.queries.shape[1])


class Decided(NamedTuple):
    """The neighbors of some queries.

    Parameters
    ----------
    distances : float64 (q', k), ascending, to the last bit those of `exact.distances`
    rows : int64 (q', k), ties by the lower row
    candidates : for how many slots a distance was computed, over all queries
    """

    distances: Distances
    rows: Rows
    candidates: int


@dataclass(frozen=True, slots=True, eq=False)
class Shortlist:
    """Slots that hold the k nearest of each query for certain, ties of the last one included.

    One entry for each pair of query and slot; ascending by query and, of a query, likely neighbors
    first.

    Parameters
    ----------
    query : int (n,), position in the task's queries
    chunk : int (n,), position in the task's chunks
    slot : int (n,), of the chunk
    lower : float64 (n,), at most the key: the squared distance for the euclidean metrics, minus
        the product, or minus the cosine
    lost : bool (q,), queries for which too many slots remained; they have no entries
    decided : of the queries that aren't lost, where the kernel has computed distances itself; then
        there are no entries
    """

    query: npt.NDArray[np.intp]
    chunk: npt.NDArray[np.intp]
    slot: npt.NDArray[np.intp]
    lower: npt.NDArray[np.float64]
    lost: Mask
    decided: Decided | None = None

    def with_rest(self, rest: Shortlist, which: Mask) -> Shortlist:
        """With the entries of some queries, of which this one has none.

        Parameters
        ----------
        rest : of these queries alone
        which : bool (q,), the queries
        """
        query = np.concatenate([self.query, np.flatnonzero(which)[rest.query]])
        order = np.argsort(query, kind="stable")
        lost = self.lost.copy()
        lost[which] = rest.lost
        return Shortlist(
            query=query[order],
            chunk=np.concatenate([self.chunk, rest.chunk])[order],
            slot=np.concatenate([self.slot, rest.slot])[order],
            lower=np.concatenate([self.lower, rest.lower])[order],
            lost=lost,
        )

    @staticmethod
    def without_entries(lost: Mask, decided: Decided | None = None) -> Shortlist:
        """Where all queries are lost, or decided on."""
        none = np.empty(0, np.intp)
        return Shortlist(none, none, none, np.empty(0), lost, decided)


def key_of(distance: npt.NDArray[np.float64], metric: NeighborMetric) -> npt.NDArray[np.float64]:
    """Keys as `Shortlist.lower` bounds them, of distances."""
    if metric == "euclidean":
        return np.square(distance)
    return distance - 1.0 if metric == "cosine" else distance
