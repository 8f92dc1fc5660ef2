"""The distinct values of a metadata field, numbered; filters are decided once for each of them."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from kinlens.catalog.filters import COMPARISONS, Compare, Exists, OneOf, kind
from kinlens.types import Scalar, Value

MISSING, NULL, FALSE, TRUE = range(4)
"""Numbers that every field gives to the same values."""

_LARGEST_EXACT = 2**53

Test = OneOf | Compare | Exists
Holds = npt.NDArray[np.bool_]
"""bool (distinct values,): for which of them a test holds."""


class Dictionary:
    """Values of one field and their numbers, which never change. Only grows.

    A list is a value too, made of values: the numbers of its elements are kept beside it.

    Attributes
    ----------
    values : by number; a list as a tuple
    lists : the numbers of the values that are lists
    kinds : of the values that were ever met, null aside; a list's elements count as well
    """

    def __init__(self) -> None:
        self.values: list[Scalar | tuple[str, ...] | None] = [None, None, False, True]
        self._known: dict[Any, int] = {}
        self.lists: list[int] = []
        self.kinds: set[str] = set()
        self._owners: list[int] = []
        self._elements: list[int] = []
        self._numbers = np.full(4, np.nan)
        self._large: list[int] = []

    def __len__(self) -> int:
        return len(self.values)

    def code(self, value: Value) -> int:
        """The number of a value, a new one if it hasn't been seen."""
        if value is None:
            return NULL
        if value is True or value is False:
            self.kinds.add("boolean")
            return TRUE if value else FALSE
        key = tuple(value) if isinstance(value, list) else value
        found = self._known.get(key)
        return self._learn(key) if found is None else found

    def elements(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Number of the list, number of the element: for each distinct element of each list."""
        return np.array(self._owners, np.intp), np.array(self._elements, np.intp)

    def numbers(self) -> npt.NDArray[np.float64]:
        """Each value as a float, NaN for what isn't a number."""
        if len(self._numbers) < len(self.values):
            new = self.values[len(self._numbers) :]
            floats = [float(v) if isinstance(v, int | float) else np.nan for v in new]
            self._numbers = np.concatenate([self._numbers, np.array(floats)])
        return self._numbers

    def range_of(self, numbers: npt.NDArray[np.intp]) -> tuple[int | float, int | float]:
        """The lowest and the highest of these values, all of which are numbers, exactly."""
        floats = self.numbers()[numbers]
        # Whole numbers beyond 2**53 can share a float: of those that do, Python finds the extreme.
        lowest = (self.values[code] for code in numbers[floats == floats.min()])
        highest = (self.values[code] for code in numbers[floats == floats.max()])
        return min(filter(_is_number, lowest)), max(filter(_is_number, highest))

    def holds(self, test: Test) -> Holds:
        """For which values a test holds, lists by their elements."""
        if isinstance(test, Exists):
            holds = np.ones(len(self.values), np.bool_)
            holds[MISSING] = False
            return holds
        holds = self._one_of(test) if isinstance(test, OneOf) else self._compare(test)
        if self._owners:
            owners, elements = self.elements()
            holds[owners[holds[elements]]] = True
        return holds

    def _learn(self, key: Any) -> int:
        members = [self.code(element) for element in key] if isinstance(key, tuple) else []
        number = len(self.values)
        if isinstance(key, tuple):
            self.lists.append(number)
        self._known[key] = number
        self.kinds.add(kind(key))
        self.values.append(key)
        if isinstance(key, int) and abs(key) > _LARGEST_EXACT:
            self._large.append(number)
        for member in dict.fromkeys(members):
            self._owners.append(number)
            self._elements.append(member)
        return number

    def _find(self, value: Scalar | None) -> list[int]:
        if value is None:
            return [MISSING, NULL]
        if isinstance(value, bool):
            return [TRUE if value else FALSE]
        found = self._known.get(value)
        return [] if found is None else [found]

    def _one_of(self, test: OneOf) -> Holds:
        holds = np.zeros(len(self.values), np.bool_)
        for value in test.values:
            holds[self._find(value)] = True
        return holds

    def _compare(self, test: Compare) -> Holds:
        compare, operand = COMPARISONS[test.operator], test.value
        if isinstance(operand, str):
            return np.array([isinstance(v, str) and compare(v, operand) for v in self.values])
        if abs(operand) > _LARGEST_EXACT:
            return np.array([kind(v) == "number" and compare(v, operand) for v in self.values])
        holds: Holds = np.asarray(compare(self.numbers(), float(operand)), np.bool_)
        for number in self._large:
            holds[number] = compare(self.values[number], operand)
        return holds


def _is_number(value: object) -> TypeGuard[int | float]:
    return kind(value) == "number"
