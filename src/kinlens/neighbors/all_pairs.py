"""The nearest of every row of an index, by whichever way is the faster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np

from kinlens.neighbors.index import ExactIndex
from kinlens.neighbors.mutual import Mutual
from kinlens.neighbors.result import NeighborMetric, Neighbors

_RUN = 2048
_PROBED = 16
"""One in so many of the rows is searched for as any query is, to see how long that takes."""
_MOST_LOST = 0.1


def search_all(
    index: ExactIndex, k: int, *, metric: NeighborMetric, begin: int = 0
) -> Iterator[Neighbors]:
    """What `index.search` finds for the index's own vectors: runs of rows, one after the other.

    Where no screen spares most of the products, those of two rows serve both; see `mutual`. The
    clock tells.

    Parameters
    ----------
    index : no row of which was deleted
    k, metric : see `ExactIndex.search`
    begin : the first row of the first run
    """
    return _Search(index, k, metric).run(begin)


class _Search:
    def __init__(self, index: ExactIndex, k: int, metric: NeighborMetric) -> None:
        self._index = index
        self._k = k
        self._metric = metric

    def run(self, begin: int) -> Iterator[Neighbors]:
        rows = len(self._index)
        probed = begin + max(_RUN, (rows - begin) // _PROBED)
        mutual = self._index.mutual(self._k, self._metric) if probed < rows else None
        if mutual is not None:
            started = time.perf_counter()
            found = self._plain(begin, probed)
            pace = (time.perf_counter() - started) / (probed - begin)
            yield found
            begin = probed
            for found in self._mutually(mutual(begin), begin, pace):
                begin += len(found.rows)
                yield found
        for start in range(begin, rows, _RUN):
            yield self._plain(start, min(start + _RUN, rows))

    def _mutually(self, mutual: Mutual, begin: int, pace: float) -> Iterator[Neighbors]:
        """As long as it is faster than so many seconds for a query, and can tell keys apart."""
        lost, left = 0, len(self._index) - begin
        started = time.perf_counter()
        with closing(mutual.run()) as runs:
            for turn, (size, decided) in enumerate(runs):
                seconds = time.perf_counter() - started
                lost += decided is None
                if decided is None:
                    yield self._plain(begin, begin + size)
                else:
                    yield Neighbors(
                        decided.distances, decided.rows, True, "float32", decided.candidates
                    )
                is_slow = turn == 0 and seconds > mutual.share_of_first * pace * left
                begin += size
                if is_slow or lost > 1 + _MOST_LOST * turn:
                    return

    def _plain(self, start: int, stop: int) -> Neighbors:
        queries = self._index.vectors(np.arange(start, stop))
        return self._index.search(queries, self._k, metric=self._metric)
