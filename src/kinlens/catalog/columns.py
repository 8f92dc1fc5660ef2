"""Metadata as columns: one array of value numbers a field, so that a filter is a gather."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest

import numpy as np
import numpy.typing as npt

from kinlens.catalog.dictionary import MISSING, Dictionary
from kinlens.catalog.filters import AllOf, AnyOf, Compare, Exists, Filter, Not, OneOf, kind, matches
from kinlens.types import FacetCount, Field, FieldKind, Metadata, Scalar

Mask = npt.NDArray[np.bool_]
"""bool (positions,)."""

_WORN = 8
_KIND_ORDER = ("null", "boolean", "number", "string")


class Column:
    """One field: the number of each position's value in the field's dictionary."""

    def __init__(self, size: int) -> None:
        self.dictionary = Dictionary()
        self.codes = np.full(size, MISSING, np.int32)

    def resize(self, size: int) -> None:
        """Make room for positions up to `size`."""
        added = np.full(size - len(self.codes), MISSING, np.int32)
        self.codes = np.concatenate([self.codes, added])

    def counts(self, mask: Mask) -> npt.NDArray[np.intp]:
        """How often each value of the dictionary occurs where the mask holds; lists as wholes."""
        return np.bincount(self.codes[: len(mask)][mask], minlength=len(self.dictionary))

    def element_counts(self, mask: Mask) -> npt.NDArray[np.intp]:
        """The same, but a list counts for each of its elements instead of as a whole."""
        counts = self.counts(mask)
        owners, elements = self.dictionary.elements()
        counts += np.bincount(elements, counts[owners], len(counts)).astype(np.intp)
        counts[self.dictionary.lists] = 0
        return counts


class Columns:
    """The metadata of all positions. Not thread-safe by itself."""

    def __init__(self) -> None:
        self._columns: dict[str, Column] = {}
        self._size = 0
        self._sealed = 0

    def put(self, where: npt.NDArray[np.intp], metadata: Sequence[Metadata]) -> None:
        """Set, or set anew, the metadata at these positions."""
        self._reserve(int(where.max(initial=-1)) + 1)
        for column in self._columns.values():
            column.codes[where] = MISSING
        self._fill(where, metadata)

    def _fill(self, where: npt.NDArray[np.intp], metadata: Sequence[Metadata]) -> None:
        found: dict[str, list[int]] = {}
        for offset, fields in enumerate(metadata):
            for name, value in fields.items():
                codes = found.get(name)
                if codes is None:
                    codes = found[name] = [MISSING] * len(metadata)
                    self._columns.setdefault(name, Column(self._size))
                codes[offset] = self._columns[name].dictionary.code(value)
        for name, codes in found.items():
            self._columns[name].codes[where] = codes

    def _reserve(self, size: int) -> None:
        if size > self._size:
            self._size = max(size, self._size * 3 // 2, 1024)
            for column in self._columns.values():
                column.resize(self._size)

    def seal(self) -> None:
        """Remember how many distinct values there are, for `worn`."""
        self._sealed = self._distinct()

    def worn(self, alive: int) -> bool:
        """Whether since `seal` so many values were met that most may be gone again."""
        return self._distinct() - self._sealed > _WORN * (alive + 1000)

    def _distinct(self) -> int:
        return sum(len(column.dictionary) for column in self._columns.values())

    def mask(self, tree: Filter, size: int) -> Mask:
        """Where a filter holds, for positions below `size`, deleted ones included."""
        match tree:
            case AllOf(parts):
                return _combined(np.logical_and, (self.mask(p, size) for p in parts), True, size)
            case AnyOf(parts):
                return _combined(np.logical_or, (self.mask(p, size) for p in parts), False, size)
            case Not(part):
                return ~self.mask(part, size)
            case _:
                return self._tested(tree, size)

    def _tested(self, test: OneOf | Compare | Exists, size: int) -> Mask:
        column = self._columns.get(test.field)
        if column is None:
            return np.full(size, matches(test, {}), np.bool_)
        return column.dictionary.holds(test)[column.codes[:size]]

    def facets(self, name: str, mask: Mask, limit: int) -> tuple[FacetCount, ...]:
        """Counts of a field's values where the mask holds; see `Catalog.facets`."""
        column = self._columns.get(name)
        if column is None:
            return ()
        counts = column.element_counts(mask)
        counts[MISSING] = 0
        values = column.dictionary.values
        found = [
            FacetCount(_scalar(values[code]), int(counts[code]))
            for code in _most_frequent(counts, values, limit)
        ]
        return tuple(sorted(found, key=lambda facet: (-facet.count, *_order(facet.value))))

    def never_meets(self, name: str, one: str) -> bool:
        """Whether a field is known, and no value of it was ever of this kind."""
        column = self._columns.get(name)
        return column is not None and one not in column.dictionary.kinds

    def kinds(self, name: str, alive: Mask) -> frozenset[str]:
        """The kinds of a field's values, null aside."""
        column = self._columns.get(name)
        return frozenset() if column is None else _kinds(column, column.counts(alive))

    def fields(self, alive: Mask) -> tuple[Field, ...]:
        """What the fields hold, by name; see `Catalog.fields`."""
        found = (_field(name, column, alive) for name, column in sorted(self._columns.items()))
        return tuple(field for field in found if field.count)


def _combined(combine: np.ufunc, masks: Iterable[Mask], start: bool, size: int) -> Mask:
    found = np.full(size, start, np.bool_)
    for mask in masks:
        combine(found, mask, out=found)
    return found


def _kinds(column: Column, counts: npt.NDArray[np.intp]) -> frozenset[str]:
    values = column.dictionary.values
    return frozenset({kind(values[code]) for code in np.flatnonzero(counts).tolist()} - {"null"})


def _field(name: str, column: Column, alive: Mask) -> Field:
    wholes = column.counts(alive)
    wholes[MISSING] = 0
    kinds = set(_kinds(column, wholes))
    elements = column.element_counts(alive)
    elements[:2] = 0
    present = np.flatnonzero(elements)
    field_kind = kinds.pop() if len(kinds) == 1 else "mixed"
    lowest, highest = column.dictionary.range_of(present) if field_kind == "number" else (None,) * 2
    return Field(
        name=name,
        kind=_FIELD_KINDS[field_kind],
        count=int(wholes.sum()),
        distinct=len(present),
        minimum=lowest,
        maximum=highest,
    )


_FIELD_KINDS: Mapping[str, FieldKind] = {
    "string": "string",
    "number": "number",
    "boolean": "boolean",
    "list": "list",
    "mixed": "mixed",
}


def _most_frequent(
    counts: npt.NDArray[np.intp], values: Sequence[Scalar | tuple[str, ...] | None], limit: int
) -> list[int]:
    """At most `limit` codes with the largest counts above 0; of equal ones, those of low values."""
    present = np.flatnonzero(counts)
    if len(present) <= limit:
        return present.tolist()
    least = np.partition(counts[present], -limit)[-limit]
    above = np.flatnonzero(counts > least).tolist()
    tied = np.flatnonzero(counts == least).tolist()
    lowest = nsmallest(limit - len(above), tied, key=lambda code: _order(_scalar(values[code])))
    return [*above, *lowest]


def _scalar(value: Scalar | tuple[str, ...] | None) -> Scalar | None:
    if isinstance(value, tuple):  # `element_counts` leaves no list to be counted as a whole
        raise TypeError(value)
    return value


def _order(value: Scalar | None) -> tuple[int, Scalar]:
    return _KIND_ORDER.index(kind(value)), 0 if value is None else value
