"""Limits that the keys of the nearest don't exceed: for certain, or hoped for. They only fall.

Where a share f of all rows has been seen, about f * k of the k nearest are among these, so the k-th
nearest of all is likely to be no farther than the r-th of those, for an r somewhat above f * k.
Such a limit is hoped for: it leaves a fraction of the work that the k-th of those seen would. Once
all rows have been seen it has come true where a key that is certain isn't above it.
"""

from __future__ import annotations

import math
import threading

import numpy as np

from kinlens.neighbors.result import Mask
from kinlens.neighbors.sieve import Doubles, Positions

_SPREADS = 1.5
"""How far above the mean the r-th is taken, in standard deviations of a Poisson distribution."""


class Limits:
    """For the queries of a task. Safe to use from many threads.

    Parameters
    ----------
    start : float64 (q,), limits that are certain; infinity where nothing is known
    k : how many are searched for
    rows : how many there are in all; None hopes for nothing
    """

    def __init__(self, start: Doubles, k: int, rows: int | None) -> None:
        self.values = start
        """float64 (q,): keys above these are out."""
        self._certain = start
        self._least = np.full((len(start), k), np.inf)
        self._k = k
        self._rows = rows
        self._seen = 0.0
        self._lock = threading.Lock()

    @property
    def missed(self) -> Mask:
        """Bool (q,): queries whose neighbors may have been ruled out by a limit hoped for."""
        return self._certain > self.values

    def certain(self, which: Mask) -> Doubles:
        """float64 (n,): what is known for certain of some queries."""
        return self._certain[which]

    def see(self, rows: float) -> None:
        """So many more have been seen, and their keys given to `improve` if they matter."""
        with self._lock:
            self._seen += rows

    def begin(self, first: int, upper: Doubles, rows: int) -> None:
        """With some keys, taken at their most, of the queries from `first`; of so many rows seen.

        Parameters
        ----------
        upper : float64 (n, k), of rows that `improve` may be told of again
        """
        nearest = np.sort(upper, axis=1)
        with self._lock:
            self._fall(slice(first, first + len(upper)), nearest, rows)

    def improve(self, query: Positions, upper: Doubles, order: Positions) -> None:
        """By keys, taken at their most, of rows not told of before.

        Parameters
        ----------
        query, upper, order : (n,); in this order they ascend by query and then by upper
        """
        query, upper = query[order], upper[order]
        some, first, turn = np.unique(query, return_index=True, return_inverse=True)
        rank = np.arange(len(query)) - first[turn]
        near = rank < self._k
        least = np.full((len(some), 2 * self._k), np.inf)
        least[turn[near], self._k + rank[near]] = upper[near]
        with self._lock:
            least[:, : self._k] = self._least[some]
            least.sort(axis=1)
            self._least[some] = least[:, : self._k]
            self._fall(some, least[:, : self._k], self._seen)

    def close(self, kth: Doubles) -> Doubles:
        """With the k-th of all keys found, taken at their most; gives what is out in the end.

        Where a limit that was hoped for has not come true, everything is.
        """
        with self._lock:
            self._certain = np.minimum(self._certain, kth)
            return np.where(self.missed, -np.inf, self._certain)

    def give_up(self, which: Mask) -> None:
        """Let nothing through for these queries any more."""
        with self._lock:
            self.values = np.where(which, -np.inf, self.values)
            self._certain = np.where(which, -np.inf, self._certain)

    def _fall(self, which: slice | Positions, nearest: Doubles, rows: float) -> None:
        certain, values = self._certain.copy(), self.values.copy()
        certain[which] = np.minimum(certain[which], nearest[:, -1])
        hoped = nearest[:, self._rank(rows) - 1]
        values[which] = np.minimum(values[which], np.minimum(certain[which], hoped))
        self._certain, self.values = certain, values

    def _rank(self, rows: float) -> int:
        """Which of the nearest among so many rows is hoped to be beyond the k nearest of all."""
        if self._rows is None:
            return self._k
        mean = self._k * rows / self._rows
        return min(self._k, math.ceil(mean + _SPREADS * math.sqrt(mean) + 1))
