"""What the cells of a text table's column are: numbers, booleans or texts, by the majority."""

from __future__ import annotations

import math
import re

from kinlens.sources.column_types import MAX_INTEGER, ColumnReport
from kinlens.types import Value

TOLD_FROM = 0.1
"""Share of numbers from which a column of texts is told of."""

_NUMBER = re.compile(
    r"\s*[+-]?(0|[1-9]\d*|\d*\.\d+|(0|[1-9]\d*)\.)([eE][+-]?\d{1,3})?\s*", re.ASCII
)
_BEGINS_NUMBER = frozenset("0123456789+-.")
_WORDS = ("true", "false")


class ColumnGuess:
    """Sees all cells of a column once, then converts them, and counts those of another kind.

    Codes of digits, which leading zeros or more than 19 digits tell from numbers, make the whole
    column one of texts: as numbers they would lose digits.
    """

    def __init__(self) -> None:
        self._numbers = self._booleans = self._texts = 0
        self._has_codes = False
        self._number_example = ""
        self._report = ColumnReport("", "string", declared=False)

    def see(self, cell: str) -> None:
        """Take a cell into account."""
        if is_blank(cell):
            return
        if is_number(cell):
            self._numbers += 1
            self._number_example = self._number_example or cell
        elif cell.strip().lower() in _WORDS:
            self._booleans += 1
        else:
            self._texts += 1
            self._has_codes = self._has_codes or cell.strip().isdecimal()

    @property
    def has_values(self) -> bool:
        """Whether a cell isn't empty."""
        return bool(self._numbers or self._booleans or self._texts)

    @property
    def kind(self) -> str:
        """What most cells are: "number", "boolean" or "string"."""
        half = (self._numbers + self._booleans + self._texts) / 2
        if self._numbers > half and not self._has_codes:
            return "number"
        return "boolean" if self._booleans > half else "string"

    def restart(self) -> None:
        """Count from the first row again."""
        self._report = ColumnReport("", self.kind, declared=False)

    def convert(self, cell: str) -> Value:
        """The value of a cell; None for an empty one, and for one of another kind."""
        if is_blank(cell):
            return None
        if self._report.kind == "string":
            return cell
        fits = is_number(cell) if self._report.kind == "number" else _is_boolean(cell)
        if not fits:
            self._report.miss(cell)
            return None
        self._report.fitting += 1
        return _number(cell) if self._report.kind == "number" else cell.strip().lower() == "true"

    def report(self, name: str) -> ColumnReport | None:
        """What there is to say of the column; None if its cells are of one kind."""
        found = self._report
        if found.kind == "string":
            seen = self._numbers + self._texts + self._booleans
            if self._has_codes or not self._texts or self._numbers < max(1, TOLD_FROM * seen):
                return None
            examples = [repr(self._number_example)]
            texts = self._texts + self._booleans
            return ColumnReport(
                name, "string", False, texts, self._numbers, kept=True, examples=examples
            )
        found.column = name
        return found if found.others else None


def is_blank(cell: str) -> bool:
    """Whether nothing is in the cell."""
    return not cell or cell.isspace()


def is_number(cell: str) -> bool:
    """Whether a cell is a number that 64 bits hold, written without leading zeros."""
    if cell[0] not in _BEGINS_NUMBER and not cell[0].isspace():
        return False
    if not _NUMBER.fullmatch(cell):
        return False
    digits = cell.strip().lstrip("+-")
    if digits.isdigit():
        return len(digits) < 20 and int(digits) <= MAX_INTEGER
    return math.isfinite(float(cell))


def _is_boolean(cell: str) -> bool:
    return cell.strip().lower() in _WORDS


def _number(cell: str) -> Value:
    try:
        return int(cell)
    except ValueError:
        return float(cell)
