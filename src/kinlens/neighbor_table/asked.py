"""Whose lists a table holds: items of the catalog, or vectors from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from kinlens.neighbor_table.candidates import (
    Candidates,
    Digests,
    Keys,
    digests_of,
    read_ids,
    write_ids,
)
from kinlens.neighbors.array_files import take_array, write_error
from kinlens.types import Vectors

OUTSIDE = "queries.npy"
_IDS = "queries.txt"
_FACTS = "queries.npz"
_NOBODY = -1


@dataclass(frozen=True)
class Asked:
    """Lists by number.

    Parameters
    ----------
    keys : int64 (m,), ascending
    digests : of all that a list depends on besides the candidates
    positions : int64 (m,), which candidate asks; -1 for none
    candidates : of the same run
    outside : folder of vectors from outside the catalog; None where candidates ask
    """

    keys: Keys
    digests: Digests
    positions: Keys
    candidates: Candidates
    outside: Path | None = None

    @staticmethod
    def load(folder: Path, candidates: Candidates, *, outside: bool) -> Asked:
        """What a run's folder says."""
        if not outside:
            positions = np.flatnonzero(candidates.wanted)
            keys, digests = candidates.keys[positions], candidates.digests[positions]
            return Asked(keys, digests, positions, candidates)
        with np.load(folder / _FACTS) as facts:
            digests = facts["digests"]
        keys = np.arange(len(digests))
        return Asked(keys, digests, np.full(len(keys), _NOBODY), candidates, folder)

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, numbers: Keys) -> Vectors:
        """The vectors of lists."""
        if self.outside is not None:
            return take_array(self.outside / OUTSIDE, numbers)
        return take_array(self.candidates.vectors, self.positions[numbers])

    @cached_property
    def ids(self) -> list[str]:
        """By number."""
        if self.outside is not None:
            return read_ids(self.outside / _IDS)
        ids = self.candidates.ids
        return [ids[position] for position in self.positions]


def note_outside(folder: Path, ids: Sequence[str], digests: Digests) -> None:
    """Keep what is known of the vectors of `OUTSIDE`, for `Asked.load`."""
    try:
        write_ids(folder / _IDS, ids)
        np.savez(folder / _FACTS, digests=digests)
    except OSError as error:
        raise write_error(error, folder) from error


def outside_digests(ids: Sequence[str], vectors: Vectors) -> Digests:
    """See `Asked.digests`."""
    return digests_of(ids, vectors)
