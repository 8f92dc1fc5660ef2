"""Which candidates share a value of every field that has to be the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kinlens.neighbor_table.candidates import Candidates, Flags, Keys


class Groups:
    """The masks of a block of candidates, by signature.

    Parameters
    ----------
    candidates : all
    block : positions of those in the block
    """

    def __init__(self, candidates: Candidates, block: Keys) -> None:
        self._groups = candidates.groups
        self._size = len(block)
        signatures = candidates.signatures[block]
        fields = range(len(candidates.groups[0])) if candidates.groups else ()
        self._fields = [_Postings(candidates.groups, field, signatures) for field in fields]

    def mask(self, signature: int) -> Flags:
        """Bool (block,): those that share a value of every field with an item of the signature."""
        found = np.ones(self._size, np.bool_)
        for field, values in zip(self._fields, self._groups[signature], strict=True):
            found &= field.mask(values)
        return found


class _Postings:
    """Where each value of a field occurs in a block."""

    def __init__(
        self, groups: Sequence[Sequence[Sequence[int]]], field: int, signatures: Keys
    ) -> None:
        self._size = len(signatures)
        counts = np.array([len(group[field]) for group in groups])[signatures]
        values = np.concatenate(
            [np.empty(0, np.int64), *(groups[signature][field] for signature in signatures)]
        ).astype(np.int64)
        owners = np.repeat(np.arange(self._size), counts)
        order = np.argsort(values, kind="stable")
        self._owners: npt.NDArray[np.intp] = owners[order]
        self._values = values[order]

    def mask(self, values: Sequence[int]) -> Flags:
        found = np.zeros(self._size, np.bool_)
        for value in values:
            first, last = np.searchsorted(self._values, [value, value + 1])
            found[self._owners[first:last]] = True
        return found
