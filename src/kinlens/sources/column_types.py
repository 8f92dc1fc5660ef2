"""The kinds that metadata columns are declared to have, and values that don't fit them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from kinlens.errors import InvalidInput
from kinlens.types import Value

MAX_INTEGER = 2**63 - 1
SHOWN_EXAMPLES = 3
KINDS = ("string", "number", "integer", "boolean", "date", "list", "auto")
_ALIASES = {
    "text": "string", "str": "string", "float": "number", "int": "integer", "bool": "boolean",
    "datetime": "date",
}  # fmt: skip
_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,30}", re.ASCII)


@dataclass(slots=True)
class ColumnReport:
    """What a run saw in a column whose values aren't all of the kind that it is read as.

    Parameters
    ----------
    column : its name
    kind : what it is read as; see `KINDS`
    declared : by an option, rather than by what most of its values are
    fitting : values of that kind
    others : values of another kind
    kept : whether the others are in the metadata too, as texts, or are left out
    examples : some of the others
    """

    column: str
    kind: str
    declared: bool = True
    fitting: int = 0
    others: int = 0
    kept: bool = False
    examples: list[str] = field(default_factory=list)

    def miss(self, value: object) -> None:
        """Count a value of another kind."""
        self.others += 1
        shown = f"{value!r:.60}"
        if len(self.examples) < SHOWN_EXAMPLES and shown not in self.examples:
            self.examples.append(shown)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.column}: {self._seen()}{self._advice()}"

    def _seen(self) -> str:
        some = f" ({', '.join(self.examples)})" if self.examples else ""
        if self.declared and not (self.fitting or self.others):
            return f"declared as {self.kind}, and no row has a value of it"
        fate = "kept as texts" if self.kept else "left out"
        one = "value" if self.others == 1 else "values"
        return f"{self.fitting:,} read as {self.kind}, {self.others:,} other {one}{some} {fate}"

    def _advice(self) -> str:
        if self.declared:
            return "."
        if self.kept:
            return f"; --type '{self.column}=number' leaves the texts out."
        return f"; --type '{self.column}=string' keeps all of them as texts."


class ColumnTypes:
    """Converts the metadata of rows to the kinds that were declared, and counts what doesn't fit.

    Parameters
    ----------
    declared : kind by field; see `parse_kind`
    """

    def __init__(self, declared: Mapping[str, str]) -> None:
        self._kinds = {name: kind for name, kind in declared.items() if kind != "auto"}
        self._converters = {name: _converter(kind) for name, kind in self._kinds.items()}
        self._reports: dict[str, ColumnReport] = {}
        self.restart()

    def restart(self) -> None:
        """Count from the first row again."""
        self._reports = {name: ColumnReport(name, kind) for name, kind in self._kinds.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._kinds

    @property
    def names(self) -> tuple[str, ...]:
        """The fields whose kind was declared."""
        return tuple(self._kinds)

    def apply(self, metadata: dict[str, Value]) -> None:
        """Convert the values of one row in place; a value that doesn't fit is left out."""
        for name, convert in self._converters.items():
            value = metadata.get(name)
            if value is None or (isinstance(value, str) and not value.strip()):
                metadata.pop(name, None)
                continue
            fitting = convert(value)
            if fitting is None:
                self._reports[name].miss(metadata.pop(name))
            else:
                self._reports[name].fitting += 1
                metadata[name] = fitting

    def reports(self) -> list[ColumnReport]:
        """Of the fields with values that didn't fit, or without any value."""
        return [one for one in self._reports.values() if one.others or not one.fitting]


def parse_types(declared: Mapping[str, str]) -> dict[str, str]:
    """Declared kinds by field, by their own names.

    Raises
    ------
    InvalidInput : a kind that isn't known
    """
    return {name: parse_kind(name, kind) for name, kind in declared.items()}


def parse_kind(name: str, kind: str) -> str:
    """The kind by its own name: "text" is "string"; "date:%d.%m.%Y" and "list:|" keep their part.

    Raises
    ------
    InvalidInput : a kind that isn't known
    """
    word, colon, part = kind.partition(":")
    word = word.strip().lower()
    word = _ALIASES.get(word, word)
    if word not in KINDS or not name or (colon and (word not in ("date", "list") or not part)):
        raise InvalidInput(
            f"A column's type is COLUMN=KIND with one of the kinds {', '.join(KINDS)}, or "
            f"date:FORMAT such as date:%d.%m.%Y, or list:SEPARATOR such as list:|; got "
            f"{f'{name}={kind}'!r:.80}."
        )
    return f"{word}{colon}{part}"


def _converter(kind: str) -> Callable[[Value], Value]:
    word, _, part = kind.partition(":")
    if word == "date":
        return lambda value: _date(value, part)
    if word == "list":
        return lambda value: _list(value, part or ",")
    return {"string": _string, "number": _number, "integer": _integer, "boolean": _boolean}[word]


def _string(value: Value) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if isinstance(value, list) else str(value)


def _number(value: Value) -> Value:
    if isinstance(value, bool | list):
        return None
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not _NUMBER.fullmatch(text):
        return None
    if _INTEGER.fullmatch(text):
        return _in_range(int(text))
    number = float(text)
    return number if math.isfinite(number) else None


def _integer(value: Value) -> Value:
    number = _number(value)
    if isinstance(number, float):
        return _in_range(int(number)) if number.is_integer() else None
    return number


def _in_range(number: int) -> int | None:
    return number if abs(number) <= MAX_INTEGER else None


def _boolean(value: Value) -> Value:
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return None
    word = str(value).strip().lower()
    return word in _TRUE if word in _TRUE or word in _FALSE else None


def _date(value: Value, pattern: str) -> Value:
    """ISO 8601, so that dates compare as texts; times with a zone in UTC."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    try:
        moment = _moment(text, pattern)
    except ValueError:
        return None
    if not _has_time(text, pattern):
        return moment.date().isoformat()
    if moment.tzinfo is None:
        return moment.isoformat()
    try:
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return None


def _moment(text: str, pattern: str) -> datetime:
    # Without a zone in the text it stays without one.
    return datetime.strptime(text, pattern) if pattern else datetime.fromisoformat(text)


def _has_time(text: str, pattern: str) -> bool:
    if pattern:
        return any(code in pattern for code in ("%H", "%I", "%M", "%S", "%c", "%X", "%T"))
    try:
        date.fromisoformat(text)
    except ValueError:
        return True
    return False


def _list(value: Value, separator: str) -> Value:
    if isinstance(value, list):
        return value
    if isinstance(value, bool) or not isinstance(value, str):
        return [str(_string(value))]
    text = value.strip()
    if text.startswith("["):
        return _json_list(text)
    return [part.strip() for part in text.split(separator) if part.strip()]


def _json_list(text: str) -> Value:
    try:
        parts = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parts, list) or any(isinstance(part, list | dict) for part in parts):
        return None
    return [part if isinstance(part, str) else json.dumps(part) for part in parts]
