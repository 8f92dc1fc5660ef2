"""Looks again, in float64, at what a search among float32 images found.

The k nearest images and a few more are looked at first: if the last of them is farther than
rounding can explain (`margins`), no neighbor was missed. Else all rows within that margin are
looked at, however many they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from kinlens.neighbors import exact
from kinlens.neighbors.index import ExactIndex
from kinlens.neighbors.margins import Rounding
from kinlens.neighbors.result import Distances, Neighbors, Rows, Within
from kinlens.neighbors.scaling import Doubles

Real = npt.NDArray[np.float32] | Doubles
Positions = npt.NDArray[np.intp]
Answer = tuple[int, Distances, Rows]
"""A query with distances and rows."""

_AT_ONCE = 1 << 20
"""Numbers of the vectors that are gathered for float64."""
_MOST_QUERIES = 64
_PAIRS = 1 << 21
"""Queries times rows of a search within a radius that may find all of them."""


class Look:
    """A few queries, and what was found for them.

    Parameters
    ----------
    index : of the images
    vectors : gives those of rows, as they were before rounding
    rounding : what the images are
    queries : float64 (q, dim)
    """

    def __init__(
        self,
        index: ExactIndex,
        vectors: Callable[[Rows | slice], Real],
        rounding: Rounding,
        queries: Doubles,
    ) -> None:
        self._index = index
        self._vectors = vectors
        self._rounding = rounding
        self._images = rounding.images(queries)
        self._queries = queries
        self._candidates = 0
        self._kernels: list[str] = []

    def nearest(self, k: int) -> Neighbors:
        """The k nearest rows of each query, for k from 0 to n."""
        n = len(self._index)
        asked = min(k + 4 + k // 8, n)
        found = self._index.search(self._images.vectors, asked, metric=self._rounding.screen_metric)
        self._note(found)
        query = np.repeat(np.arange(len(found.rows)), asked)
        distances = self._distances(query, found.rows.ravel()).reshape(found.rows.shape)
        order = np.lexsort((found.rows, distances), axis=1)[:, :k]
        distances = np.take_along_axis(distances, order, axis=1)
        rows = np.take_along_axis(found.rows, order, axis=1)
        limit = self._images.limit(distances.max(axis=1, initial=-np.inf))
        settled = self._images.fits & ((asked == n) | (found.distances[:, -1] > limit))
        for one, near, numbers in self._within(np.flatnonzero(~settled), limit):
            best = exact.nearest(near, numbers, k)
            distances[one], rows[one] = near[best], numbers[best]
        return Neighbors(distances, rows, True, self._kernel(), self._candidates)

    def within(self, radius: Distances) -> Within:
        """All rows within the radius of each query, float64 (q,)."""
        limit = self._images.limit(radius)
        distances: list[Distances] = [np.empty(0)]
        rows: list[Rows] = [np.empty(0, np.int64)]
        counts = np.zeros(len(limit) + 1, np.int64)
        for one, near, numbers in self._within(np.arange(len(limit)), limit):
            order = np.lexsort((numbers, near))
            order = order[near[order] <= radius[one]]
            distances.append(near[order])
            rows.append(numbers[order])
            counts[one + 1] = len(order)
        return Within(
            np.concatenate(distances),
            np.concatenate(rows),
            np.cumsum(counts),
            certified=True,
            kernel=self._kernel(),
            candidates=self._candidates,
        )

    def _within(self, which: Positions, limit: Doubles) -> Iterator[Answer]:
        """Of these queries, in order, at least all rows whose image is within the limit."""
        n = len(self._index)
        step = min(_MOST_QUERIES, max(1, _PAIRS // n))
        for start in range(0, len(which), step):
            part = which[start : start + step]
            found = self._index.within(
                self._images.vectors[part], limit[part], metric=self._rounding.screen_metric
            )
            self._note(found)
            for turn, one in enumerate(part):
                _, rows = found.of(turn)
                if not self._images.fits[one]:
                    rows = np.arange(n)
                yield int(one), self._distances(np.full(len(rows), one), rows), rows

    def _distances(self, query: Positions, rows: Rows) -> Distances:
        """Of pairs, in float64."""
        found = np.empty(len(rows))
        step = max(1, _AT_ONCE // self._queries.shape[1])
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            vectors = self._vectors(rows[part]).astype(np.float64)
            queries = self._queries[query[part]]
            found[part] = exact.wide_distances(vectors, queries, self._rounding.metric)
        self._candidates += len(rows)
        return found

    def _note(self, found: Neighbors | Within) -> None:
        self._candidates += found.candidates
        self._kernels += found.kernel.split("+")

    def _kernel(self) -> str:
        return "+".join(dict.fromkeys(self._kernels))
