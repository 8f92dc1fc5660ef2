"""What has to be searched since the last table, so that the next one equals a new one.

A list holds the k nearest of the candidates there were. If all of its neighbors are there still,
the next one is the k nearest of the list and of the candidates that are new since; that holds too
where the list was shorter than k, because then it had them all. Else it has to be made anew: the
next after the lost one isn't known. A candidate that changed counts as one that went and one that
came. Candidates ascend by rows that they keep, so ties stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kinlens.neighbor_table.asked import Asked
from kinlens.neighbor_table.candidates import Candidates, Digests, Keys
from kinlens.neighbors.array_files import take_array
from kinlens.neighbors.leaving_out import NOBODY
from kinlens.neighbors.result import Distances, Rows

_PART = 8192

DISTANCES, ROWS = "distances.npy", "rows.npy"
"""Of a finished run: float64 and int64 (lists, k), positions of candidates, filled up."""


@dataclass(frozen=True, slots=True)
class Former:
    """A finished run.

    Parameters
    ----------
    folder : of the run
    candidates, asked : that it had
    """

    folder: Path
    candidates: Candidates
    asked: Asked

    def lists(self, numbers: Keys) -> tuple[Distances, Rows]:
        """Lists by number."""
        distances = take_array(self.folder / DISTANCES, numbers)
        return distances, take_array(self.folder / ROWS, numbers)


@dataclass(frozen=True, slots=True)
class Changes:
    """The work to do.

    Parameters
    ----------
    anew : lists to be searched among all candidates
    updated : lists that go on from their former ones, with new candidates only
    came_from : for each of these, the number of the former list
    fresh : positions of the candidates that are new since
    moved : for each former candidate, its position now; -1 if it is none any more
    """

    anew: Keys
    updated: Keys
    came_from: Keys
    fresh: Keys
    moved: Keys

    def by_group(self, signatures: Keys) -> Changes:
        """Lists of one group follow one another, so that they are searched together.

        Parameters
        ----------
        signatures : of all lists
        """
        anew = np.argsort(signatures[self.anew], kind="stable")
        updated = np.argsort(signatures[self.updated], kind="stable")
        return replace(
            self,
            anew=self.anew[anew],
            updated=self.updated[updated],
            came_from=self.came_from[updated],
        )

    def begun(self, former: Former) -> Iterator[tuple[int, tuple[Distances, Rows]]]:
        """What remains of the former lists of `updated`, in parts, each with its offset."""
        for start in range(0, len(self.came_from), _PART):
            distances, rows = former.lists(self.came_from[start : start + _PART])
            rows = _moved(self.moved, rows)
            distances = np.where(rows == NOBODY, np.inf, distances)
            order = np.argsort(rows == NOBODY, axis=1, kind="stable")
            yield (
                start,
                (np.take_along_axis(distances, order, 1), np.take_along_axis(rows, order, 1)),
            )


def changes(former: Former | None, candidates: Candidates, asked: Asked) -> Changes:
    """What has to be done after a former run; everything after none."""
    passing = np.flatnonzero(candidates.passes)
    if former is None:
        nothing = np.empty(0, np.int64)
        return Changes(np.arange(len(asked)), nothing, nothing, passing, nothing)
    before = former.candidates
    was = _counterparts(before.keys, before.digests, candidates.keys, candidates.digests)
    stayed = (was != NOBODY) & candidates.passes
    stayed[stayed] = before.passes[was[stayed]]
    moved = np.full(len(before.keys), NOBODY)
    moved[was[stayed]] = np.flatnonzero(stayed)
    lists = _counterparts(former.asked.keys, former.asked.digests, asked.keys, asked.digests)
    known = np.flatnonzero(lists != NOBODY)
    good = ~_lost(former, lists[known], moved)
    anew = np.ones(len(asked), np.bool_)
    anew[known[good]] = False
    return Changes(
        anew=np.flatnonzero(anew),
        updated=known[good],
        came_from=lists[known[good]],
        fresh=passing[~stayed[passing]],
        moved=moved,
    )


def _counterparts(old: Keys, old_digests: Digests, new: Keys, new_digests: Digests) -> Keys:
    """For each of the new, the offset of the same one among the old; -1 for none."""
    if not len(old):
        return np.full(len(new), NOBODY)
    place = np.minimum(np.searchsorted(old, new), len(old) - 1)
    same = (old[place] == new) & (old_digests[place] == new_digests).all(axis=1)
    return np.where(same, place, NOBODY)


def _lost(former: Former, lists: Keys, moved: Keys) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Bool (lists,): full ones of which a neighbor has gone."""
    lost = np.zeros(len(lists), np.bool_)
    for start in range(0, len(lists), _PART):
        _, rows = former.lists(lists[start : start + _PART])
        gone = (rows != NOBODY) & (_moved(moved, rows) == NOBODY)
        lost[start : start + _PART] = gone.any(axis=1) & (rows[:, -1] != NOBODY)
    return lost


def _moved(moved: Keys, rows: Rows) -> Rows:
    """Positions now of neighbors; NOBODY stays what it is, being the last of one more."""
    return np.append(moved, NOBODY)[rows]
