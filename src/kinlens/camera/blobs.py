"""Connected regions of a mask, by the runs of its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Blob:
    """A region whose pixels touch by side or corner; right and bottom are exclusive."""

    area: int
    left: int
    top: int
    right: int
    bottom: int


def largest_blob(mask: Mask) -> Blob | None:
    """The region with the most pixels; of equals, the one that begins first.

    Parameters
    ----------
    mask : bool (height, width)
    """
    rows, starts, ends, regions = _regions(mask)
    if not len(rows):
        return None
    areas = np.bincount(regions, ends - starts)
    mine = regions == int(np.argmax(areas))
    return Blob(
        int(areas.max()),
        int(starts[mine].min()),
        int(rows[mine].min()),
        int(ends[mine].max()),
        int(rows[mine].max()) + 1,
    )


def outside(mask: Mask) -> Mask:
    """The part of a mask that touches the picture's edge, or is joined to what does."""
    ringed = np.pad(mask, 1, constant_values=True)
    rows, starts, ends, regions = _regions(ringed)
    found = np.zeros_like(ringed)
    for run in np.flatnonzero(regions == 0):
        found[rows[run], starts[run] : ends[run]] = True
    return found[1:-1, 1:-1]


def _regions(mask: Mask) -> tuple[npt.NDArray[np.intp], ...]:
    """Row, start and end of each run of true pixels, and the first run of its region."""
    rows, starts, ends = _runs(mask)
    return rows, starts, ends, _joined(rows.tolist(), starts.tolist(), ends.tolist())


def _runs(mask: Mask) -> tuple[npt.NDArray[np.intp], ...]:
    """Row, start and end of each run of true pixels, in order."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    return rows, starts, ends


def _joined(rows: list[int], starts: list[int], ends: list[int]) -> npt.NDArray[np.intp]:
    """For each run, the first run of its region."""
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    above = 0
    for run, row in enumerate(rows):
        while rows[above] < row - 1 or (rows[above] == row - 1 and ends[above] < starts[run]):
            above += 1
        other = above
        while other < run and rows[other] == row - 1 and starts[other] <= ends[run]:
            first, second = sorted((root(other), root(run)))
            parent[second] = first
            other += 1
    return np.array([root(run) for run in range(len(rows))])
