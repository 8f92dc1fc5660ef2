"""Filters over metadata: parsing, checking, and the slow obvious way to evaluate one.

    {"color": "red", "price": {"$gte": 10, "$lt": 50}, "$or": [{"year": 2011}, {"year": 2012}]}

Several fields, and several operators of a field, all have to hold. A field name is a plain key: a
dot in it is a character like any other. A name that starts with ``$`` would read as an operator;
within ``$field`` every key is a name: ``{"$field": {"$set": "tea"}}``.

=========================  ========================================================================
operator                   holds for an item
=========================  ========================================================================
``$eq: v``, or just ``v``  whose value equals v
``$in: [v, ...]``          whose value equals one of them; none for an empty list
``$ne``, ``$nin``          for which ``$eq``, ``$in`` doesn't hold
``$gt $gte $lt $lte: v``   whose value is of v's kind and compares so; v is a number or a text
``$exists: true | false``  that has the field, be it null | that hasn't
``$not: {...}``            for which the operators (in a field) or the filter (outside) don't hold
``$and``, ``$or``          for which all, any of a non-empty list of filters hold
``$field: {name: test}``   for which all the tests hold; names may start with ``$``
=========================  ========================================================================

What a value is compared with:

- Kinds never mix: numbers, texts, booleans. 1 equals 1.0, but neither true nor "1".
- Numbers compare exactly, texts by code point, case and accents as they are. A whole number lies
  between -2**63 and 2**63 - 1, as those of metadata do.
- A list holds for ``$eq``, ``$in`` and the comparisons if one of its elements does, so that
  ``$ne`` and ``$nin`` hold if none is equal. An empty list equals nothing.
- A missing field counts as null but for ``$exists``. So ``$ne`` and ``$nin`` hold for an item
  without the field, and ``{"color": null}`` finds both null and missing.

These are MongoDB's rules.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any, TypeAlias

from kinlens.errors import InvalidFilter
from kinlens.types import MAX_INTEGER, MIN_INTEGER, Metadata, Scalar, Where

MAX_NODES = 100
MAX_DEPTH = 16
MAX_VALUES = 10_000
MAX_FIELDS_SHOWN = 40

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": gt,
    "$gte": ge,
    "$lt": lt,
    "$lte": le,
}
_A = {"string": "a text", "number": "a number", "boolean": "true or false"}
_PLURAL = {
    "string": "texts",
    "number": "numbers",
    "boolean": "true or false",
    "list": "lists of texts",
}
FIELD_OPERATORS = ("$eq", "$ne", "$in", "$nin", *COMPARISONS, "$exists", "$not")
LOGICAL_OPERATORS = ("$and", "$or", "$not", "$field")


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value, or an element of the list, equals one of `values`."""

    field: str
    values: tuple[Scalar | None, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """The value, or an element of the list, compares with `value` as the operator says."""

    field: str
    operator: str
    value: str | int | float


@dataclass(frozen=True, slots=True)
class Exists:
    """The item has the field."""

    field: str


@dataclass(frozen=True, slots=True)
class Not:
    """The part doesn't hold."""

    part: Filter


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of the parts hold; without parts, it holds for every item."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of the parts holds."""

    parts: tuple[Filter, ...]


Filter: TypeAlias = OneOf | Compare | Exists | Not | AllOf | AnyOf

EVERYTHING = AllOf(())
"""Holds for every item."""


def parse(where: Where | Filter | None) -> Filter:
    """The tree of a filter; None and {} hold for every item. A tree is given back as it is.

    Raises
    ------
    InvalidFilter : the message names the path of the mistake, such as ``where.price.$gte``
    """
    if isinstance(where, OneOf | Compare | Exists | Not | AllOf | AnyOf):
        return where
    if where is None or (isinstance(where, Mapping) and not where):
        return EVERYTHING
    return _Parser().filter(where, "where", 1)


class _Parser:
    """Counts what it meets, so that a hostile filter costs little."""

    def __init__(self) -> None:
        self._nodes = 0

    def filter(self, where: object, path: str, depth: int) -> Filter:
        self._enter(path, depth)
        if not isinstance(where, Mapping) or not where:
            raise _wrong(path, "an object with at least one field or operator", where)
        parts = [self._entry(key, value, path, depth) for key, value in where.items()]
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _entry(self, key: object, value: object, path: str, depth: int) -> Filter:
        if not isinstance(key, str):
            raise _wrong(path, "field names that are texts", key)
        here = f"{path}.{key}"
        if key == "$not":
            return Not(self.filter(value, here, depth + 1))
        if key in ("$and", "$or"):
            if not isinstance(value, list | tuple) or not value:
                raise _wrong(here, "a list of at least one filter", value)
            parts = tuple(
                self.filter(part, f"{here}[{place}]", depth + 1) for place, part in enumerate(value)
            )
            return AllOf(parts) if key == "$and" else AnyOf(parts)
        if key == "$field":
            return self._fields(value, here, depth + 1)
        if key.startswith("$"):
            raise _unknown(
                here,
                LOGICAL_OPERATORS,
                f"; a field of this name is filtered by as {_as_field(key)}",
            )
        return self._field(key, value, here, depth + 1)

    def _fields(self, tests: object, path: str, depth: int) -> Filter:
        self._enter(path, depth)
        if not isinstance(tests, Mapping) or not tests:
            raise _wrong(path, "an object with at least one field", tests)
        parts = []
        for name, test in tests.items():
            if not isinstance(name, str):
                raise _wrong(path, "field names that are texts", name)
            parts.append(self._field(name, test, f"{path}.{name}", depth + 1))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _field(self, name: str, test: object, path: str, depth: int) -> Filter:
        self._enter(path, depth)
        if not isinstance(test, Mapping):
            return OneOf(name, (_scalar(test, path, "; $in takes a list"),))
        if not test:
            raise _wrong(path, f"a value or an operator ({', '.join(FIELD_OPERATORS)})", test)
        parts = [self._test(name, op, value, path, depth) for op, value in test.items()]
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _test(self, name: str, operator: object, value: object, path: str, depth: int) -> Filter:
        here = f"{path}.{operator}"
        self._enter(here, depth)
        if operator in ("$eq", "$ne"):
            equal = OneOf(name, (_scalar(value, here, "; $in takes a list"),))
            return equal if operator == "$eq" else Not(equal)
        if operator in ("$in", "$nin"):
            among = OneOf(name, _scalars(value, here))
            return among if operator == "$in" else Not(among)
        if operator in COMPARISONS:
            return Compare(name, str(operator), _comparable(value, here))
        if operator == "$exists":
            if not isinstance(value, bool):
                raise _wrong(here, "true or false", value)
            return Exists(name) if value else Not(Exists(name))
        if operator == "$not":
            if not isinstance(value, Mapping):
                raise _wrong(here, 'an object of operators, such as {"$gte": 10}', value)
            return Not(self._field(name, value, here, depth + 1))
        raise _unknown(here, FIELD_OPERATORS)

    def _enter(self, path: str, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise InvalidFilter(
                f"A filter holds at most {MAX_NODES} fields and operators, and this one has more; "
                "$in takes many values at once."
            )
        if depth > MAX_DEPTH:
            raise InvalidFilter(
                f"A filter is at most {MAX_DEPTH} levels deep; {path:.80} goes deeper. Flatten it."
            )


def matches(tree: Filter, metadata: Metadata) -> bool:
    """Whether the filter holds for one item: the definition, one item at a time."""
    match tree:
        case AllOf(parts):
            return all(matches(part, metadata) for part in parts)
        case AnyOf(parts):
            return any(matches(part, metadata) for part in parts)
        case Not(part):
            return not matches(part, metadata)
        case Exists(field):
            return field in metadata
        case OneOf(field, values):
            return any(
                _equal(mine, value) for mine in _elements(metadata, field) for value in values
            )
        case Compare(field, operator, value):
            return any(
                kind(mine) == kind(value) and COMPARISONS[operator](mine, value)
                for mine in _elements(metadata, field)
            )


def where_field(name: str, test: object) -> dict[str, Any]:
    """A filter on one field, whatever its name."""
    return {"$field": {name: test}} if name.startswith("$") else {name: test}


def fields_of(tree: Filter) -> set[str]:
    """The metadata fields that a filter names."""
    match tree:
        case AllOf(parts) | AnyOf(parts):
            return {field for part in parts for field in fields_of(part)}
        case Not(part):
            return fields_of(part)
        case _:
            return {tree.field}


def unknown_fields(unknown: Iterable[str], known: Iterable[str]) -> str:
    """What to tell someone whose filter names fields that no item has."""
    names, shown = sorted(known), MAX_FIELDS_SHOWN
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return (
        f"No item has the field {', '.join(sorted(unknown))}, which counts as null. The fields are "
        f"{', '.join(names[:shown]) or 'none'}{more}."
    )


def comparisons(tree: Filter) -> set[tuple[str, str]]:
    """Field and kind of what each test of a filter compares it with, null aside.

    A test that names several kinds, such as ``{"$in": [7, "7"]}``, is meant so and left out.
    """
    match tree:
        case AllOf(parts) | AnyOf(parts):
            return {pair for part in parts for pair in comparisons(part)}
        case Not(part):
            return comparisons(part)
        case OneOf(field, values):
            kinds = {kind(value) for value in values} - {"null"}
            return {(field, one) for one in kinds} if len(kinds) == 1 else set()
        case Compare(field, _, value):
            return {(field, kind(value))}
        case Exists():
            return set()


def other_kinds(
    compared: Iterable[tuple[str, str]], known: Mapping[str, Collection[str]]
) -> tuple[str, ...]:
    """What to tell someone whose filter compares fields with kinds that none of their values is.

    Parameters
    ----------
    compared : see `comparisons`
    known : by field, the kinds of its values, null aside
    """
    wrong: dict[str, list[str]] = {}
    for field, one in sorted(compared):
        kinds = known.get(field, ())
        reached = {"string" if name == "list" else name for name in kinds}
        if kinds and one not in reached:
            wrong.setdefault(field, []).append(one)
    return tuple(
        f"All values of {field} are {' or '.join(_PLURAL[name] for name in sorted(known[field]))}, "
        f"and the filter compares it with {' and '.join(_A[one] for one in kinds)}. The two never "
        "match."
        for field, kinds in wrong.items()
    )


def kind(value: object) -> str:
    """What values compare with: "null", "boolean", "number", "string" or "list"."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "list"


def _elements(metadata: Metadata, field: str) -> list[Any]:
    value = metadata.get(field)
    return list(value) if isinstance(value, list | tuple) else [value]


def _equal(one: object, other: object) -> bool:
    return kind(one) == kind(other) and one == other


def _scalar(value: object, path: str, hint: str = "") -> Scalar | None:
    _check_number(value, path)
    if value is None or isinstance(value, str | int | float):
        return value
    raise _wrong(path, "a text, a number, true, false or null", value, hint)


def _scalars(value: object, path: str) -> tuple[Scalar | None, ...]:
    if not isinstance(value, list | tuple):
        raise _wrong(path, "a list of values", value)
    if len(value) > MAX_VALUES:
        raise _wrong(path, f"at most {MAX_VALUES} values", f"{len(value)} values")
    return tuple(_scalar(one, f"{path}[{place}]") for place, one in enumerate(value))


def _comparable(value: object, path: str) -> str | int | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _wrong(path, "a number or a text", value)
    _check_number(value, path)
    return value


def _check_number(value: object, path: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(path, "a finite number", value)
    if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        raise _wrong(path, "a whole number from -2**63 to 2**63 - 1, as items have them", value)


def _wrong(path: str, needed: str, came: object, hint: str = "") -> InvalidFilter:
    return InvalidFilter(f"{path:.200} needs {needed}; got {_described(came)}{hint}.")


def _unknown(path: str, known: tuple[str, ...], hint: str = "") -> InvalidFilter:
    return InvalidFilter(f"{path:.200} is no operator here; there are {', '.join(known)}{hint}.")


def _as_field(name: str) -> str:
    return f'{{"$field": {{{json.dumps(name[:80], ensure_ascii=False)}: ...}}}}'


def _described(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object" if value else "an empty object"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    return f"{value!r:.60}"
