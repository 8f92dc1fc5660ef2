"""Searches a block of candidates for lists, by the rules of a table."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kinlens.neighbor_table.asked import Asked
from kinlens.neighbor_table.candidates import Candidates, Keys
from kinlens.neighbor_table.groups import Groups
from kinlens.neighbor_table.options import TableOptions
from kinlens.neighbors import ExactIndex, Neighbors
from kinlens.neighbors.array_files import read_array, take_array
from kinlens.neighbors.leaving_out import NOBODY, Others, search_leaving_out
from kinlens.types import Vectors


@dataclass(frozen=True, slots=True)
class ChosenVectors:
    """The vectors of some candidates, as a `VectorSource`.

    Parameters
    ----------
    candidates : all
    positions : int64 (n,), ascending
    """

    candidates: Candidates
    positions: Keys

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return int(read_array(self.candidates.vectors, 0, 0).shape[1])

    @property
    def mark(self) -> str:
        """Within a run there are no others."""
        return str(self.candidates.folder)

    def read(self, start: int, stop: int) -> Vectors:
        """See `VectorSource.read`."""
        return take_array(self.candidates.vectors, self.positions[start:stop])


class Rules:
    """A `Find` for some lists of a table among some candidates.

    Parameters
    ----------
    options : of the table
    asked : all lists
    numbers : of those that are searched for
    positions : of the candidates among which is searched
    """

    def __init__(self, options: TableOptions, asked: Asked, numbers: Keys, positions: Keys) -> None:
        self._options = options
        self._asked = asked
        self._numbers = numbers
        self._positions = positions
        self._place = np.full(len(asked.candidates.keys) + 1, NOBODY)
        self._place[positions] = np.arange(len(positions))
        self._groups: tuple[int, Groups] | None = None
        self._others = Others(options.k, options.metric)
        # All ask, and all are searched: a plain search among themselves.
        self._is_plain = (
            not options.same
            and options.min_distance is None
            and asked.outside is None
            and np.array_equal(asked.positions[numbers], positions)
        )

    def __call__(self, index: ExactIndex, first: int, start: int, stop: int) -> Neighbors:
        """See `Find`."""
        if self._is_plain and len(index) == len(self._numbers):
            return self._others.take(index, start, stop)
        numbers = self._numbers[start:stop]
        positions = self._asked.positions[numbers]
        place = self._place[positions]  # the place of -1, the last, is NOBODY
        own = np.where(place == NOBODY, NOBODY, place - first)
        queries = self._asked.read(numbers)
        if not self._options.same:
            return self._search(index, queries, own, None)
        return self._by_group(index, first, queries, own, positions)

    def _by_group(
        self, index: ExactIndex, first: int, queries: Vectors, own: Keys, positions: Keys
    ) -> Neighbors:
        groups = self._groups_of(first, len(index))
        signatures = self._asked.candidates.signatures[positions]
        shape = len(queries), self._options.k
        whole = Neighbors(np.full(shape, np.inf), np.full(shape, NOBODY), True, "none", 0)
        for signature in np.unique(signatures):
            some = np.flatnonzero(signatures == signature)
            mask = groups.mask(int(signature))
            if not mask.any():
                continue
            found = self._search(index, queries[some], own[some], mask)
            whole.distances[some], whole.rows[some] = found.distances, found.rows
            whole = _together(whole, found)
        return whole

    def _groups_of(self, first: int, size: int) -> Groups:
        if self._groups is None or self._groups[0] != first:
            block = self._positions[first : first + size]
            self._groups = first, Groups(self._asked.candidates, block)
        return self._groups[1]

    def _search(
        self, index: ExactIndex, queries: Vectors, own: Keys, mask: np.ndarray | None
    ) -> Neighbors:
        options = self._options
        return search_leaving_out(
            index,
            queries,
            options.k,
            metric=options.metric,
            own=own if self._asked.outside is None else None,
            min_distance=options.min_distance,
            mask=mask,
        )


def _together(whole: Neighbors, part: Neighbors) -> Neighbors:
    kernels = [name for name in whole.kernel.split("+") if name not in ("none", part.kernel)]
    return replace(
        whole,
        certified=whole.certified and part.certified,
        kernel="+".join([*kernels, part.kernel]),
        candidates=whole.candidates + part.candidates,
    )
