"""Filters: what each operator means, what doesn't parse, and the columns against the twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinlens.catalog import filters
from kinlens.catalog.columns import Columns
from kinlens.errors import InvalidFilter

RED = {
    "color": "red",
    "price": 10,
    "tags": ["new", "sale"],
    "sold": False,
    "note": None,
    "$set": "tea",
    "$or": 7,
    "$field": True,
}


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        (None, True),
        ({}, True),
        ({"color": "red"}, True),
        ({"color": "Red"}, False),
        ({"color": {"$eq": "red"}}, True),
        ({"color": "red", "price": 11}, False),
        ({"color": {"$ne": "red"}}, False),
        ({"color": {"$ne": "blue"}}, True),
        ({"size": {"$ne": "blue"}}, True),
        ({"size": {"$nin": ["blue"]}}, True),
        ({"size": "blue"}, False),
        ({"color": {"$in": ["blue", "red"]}}, True),
        ({"color": {"$in": []}}, False),
        ({"color": {"$nin": []}}, True),
        ({"price": 10.0}, True),
        ({"price": "10"}, False),
        ({"price": True}, False),
        ({"sold": False}, True),
        ({"sold": 0}, False),
        ({"price": {"$gte": 10, "$lt": 11}}, True),
        ({"price": {"$gt": 10}}, False),
        ({"price": {"$gt": "1"}}, False),
        ({"price": {"$not": {"$gt": 10}}}, True),
        ({"size": {"$gt": 10}}, False),
        ({"size": {"$not": {"$gt": 10}}}, True),
        ({"color": {"$gt": "blue"}}, True),
        ({"color": {"$lte": "r"}}, False),
        ({"sold": {"$lt": 1}}, False),
        ({"tags": "sale"}, True),
        ({"tags": {"$ne": "sale"}}, False),
        ({"tags": {"$nin": ["old"]}}, True),
        ({"tags": {"$in": ["old", "new"]}}, True),
        ({"tags": {"$gte": "sale"}}, True),
        ({"note": None}, True),
        ({"size": None}, True),
        ({"color": None}, False),
        ({"note": {"$ne": None}}, False),
        ({"color": {"$ne": None}}, True),
        ({"note": {"$exists": True}}, True),
        ({"size": {"$exists": True}}, False),
        ({"size": {"$exists": False}}, True),
        ({"$or": [{"color": "blue"}, {"price": 10}]}, True),
        ({"$or": [{"color": "blue"}, {"price": 11}]}, False),
        ({"$and": [{"color": "red"}, {"price": 10}]}, True),
        ({"$not": {"color": "red"}}, False),
        ({"$not": {"color": "red", "price": 11}}, True),
        ({"color.name": {"$exists": False}}, True),
        ({"$field": {"$set": "tea"}}, True),
        ({"$field": {"$set": {"$in": ["tea"]}, "color": "blue"}}, False),
        ({"$field": {"$or": {"$exists": True}}}, True),
        ({"$not": {"$field": {"$or": {"$gte": 8}}}}, True),
        ({"$or": [{"color": "blue"}, {"$field": {"$field": True}}]}, True),
    ],
)
def test_what_a_filter_means(where, holds: bool) -> None:
    tree = filters.parse(where)
    assert filters.matches(tree, RED) is holds
    assert _columns([RED]).mask(tree, 1).tolist() == [holds]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ([], r"where needs an object.*an empty list"),
        ("color = red", r"where needs an object.*'color = red'"),
        ({"$near": 1}, r"where\.\$near is no operator here; there are \$and, \$or, \$not"),
        ({"$set": "tea"}, r'where\.\$set is no operator.*as \{"\$field": \{"\$set": \.\.\.\}\}'),
        ({"$field": {}}, r"where\.\$field needs an object with at least one field"),
        ({"$field": ["$set"]}, r"where\.\$field needs an object with at least one field"),
        ({"$field": {"$set": {"$x": 1}}}, r"where\.\$field\.\$set\.\$x is no operator"),
        ({"price": {"$near": 1}}, r"where\.price\.\$near is no operator here; there are \$eq"),
        ({"price": {"min": 1}}, r"where\.price\.min is no operator"),
        ({"price": {}}, r"where\.price needs a value or an operator.*an empty object"),
        ({"price": [1, 2]}, r"where\.price needs a text.*got a list; \$in takes a list"),
        ({"price": {"$gte": [1]}}, r"where\.price\.\$gte needs a number or a text; got a list"),
        ({"price": {"$gte": True}}, r"where\.price\.\$gte needs a number or a text; got True"),
        ({"price": {"$gte": None}}, r"where\.price\.\$gte needs a number or a text; got None"),
        ({"price": {"$lt": float("nan")}}, r"where\.price\.\$lt needs a finite number; got nan"),
        ({"price": float("inf")}, r"where\.price needs a finite number"),
        ({"price": {"$in": 1}}, r"where\.price\.\$in needs a list of values; got 1"),
        ({"price": {"$in": [[1]]}}, r"where\.price\.\$in\[0\] needs a text"),
        ({"price": {"$in": list(range(10_001))}}, "at most 10000 values"),
        ({"price": {"$exists": 1}}, r"where\.price\.\$exists needs true or false; got 1"),
        ({"price": {"$not": 1}}, r"where\.price\.\$not needs an object of operators"),
        ({"price": {"$not": {}}}, r"where\.price\.\$not needs"),
        ({"$and": []}, r"where\.\$and needs a list of at least one filter; got an empty list"),
        ({"$or": {"a": 1}}, r"where\.\$or needs a list"),
        ({"$or": [{"a": 1}, {}]}, r"where\.\$or\[1\] needs an object.*an empty object"),
        ({"$or": [{"a": 1}, {"b": {"$x": 1}}]}, r"where\.\$or\[1\]\.b\.\$x is no operator"),
        ({"$not": 3}, r"where\.\$not needs an object"),
        ({1: "a"}, "field names that are texts; got 1"),
        ({"a": b"x"}, r"where\.a needs a text"),
        ({f"f{n}": 1 for n in range(101)}, "at most 100 fields"),
    ],
)
def test_what_does_not_parse(where, said: str) -> None:
    with pytest.raises(InvalidFilter, match=said):
        filters.parse(where)


def test_depth_is_limited_before_recursion_is() -> None:
    where: dict = {"a": 1}
    for _ in range(100_000):
        where = {"$not": where}
    with pytest.raises(InvalidFilter, match="16 levels deep"):
        filters.parse(where)
    where = {"a": 1}
    for _ in range(14):
        where = {"$not": where}
    assert filters.matches(filters.parse(where), {"a": 1})


def test_the_range_of_a_field_keeps_the_digits_of_integers() -> None:
    rows = [
        {"serial": 2**53 + 1, "price": 3},
        {"serial": 2**63 - 1, "price": 0.5},
        {"serial": 2**53},
    ]
    serial, price = sorted(_columns(rows).fields(np.ones(3, np.bool_)), key=lambda f: f.name)[::-1]
    assert (serial.minimum, serial.maximum) == (2**53, 2**63 - 1)
    assert (price.minimum, price.maximum) == (0.5, 3)


def _columns(rows: list) -> Columns:
    columns = Columns()
    columns.put(np.arange(len(rows)), rows)
    return columns


NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([0.5, -0.0, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 1e300, -1e-300]),
)
TEXTS = st.sampled_from(["", "a", "b", "ab", "\u00e9", "\uffff", "\U0001f600", "1", "true"])
SCALARS = st.one_of(NUMBERS, TEXTS, st.booleans(), st.none())
FIELDS = st.sampled_from(["x", "y", "z"])
ROWS = st.dictionaries(FIELDS, st.one_of(SCALARS, st.lists(TEXTS, max_size=3)))
EXTREMES = st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1, 2.0**63, -(2.0**63), 1e300, -1e300])
OPERANDS = st.one_of(NUMBERS, EXTREMES, TEXTS)
TESTS = st.deferred(
    lambda: st.one_of(
        SCALARS,
        st.dictionaries(st.sampled_from(["$eq", "$ne"]), SCALARS, min_size=1),
        st.dictionaries(st.sampled_from(["$in", "$nin"]), st.lists(SCALARS), min_size=1),
        st.dictionaries(st.sampled_from([*filters.COMPARISONS]), OPERANDS, min_size=1),
        st.fixed_dictionaries({"$exists": st.booleans()}),
        st.fixed_dictionaries({"$not": TESTS.filter(lambda test: isinstance(test, dict))}),
    )
)
WHERES = st.recursive(
    st.dictionaries(FIELDS, TESTS, min_size=1, max_size=3),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"$and": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"$or": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"$not": inner}),
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(ROWS, min_size=1, max_size=12), changed=st.lists(ROWS), where=WHERES)
def test_columns_agree_with_the_twin(rows, changed, where) -> None:
    tree = filters.parse(where)
    columns = _columns(rows)
    assert columns.mask(tree, len(rows)).tolist() == [filters.matches(tree, r) for r in rows]

    rows = [*changed, *rows[len(changed) :]]
    columns.put(np.arange(len(changed)), changed)
    assert columns.mask(tree, len(rows)).tolist() == [filters.matches(tree, r) for r in rows]


JUNK = st.recursive(
    st.one_of(SCALARS, st.floats(), st.binary(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["x", *filters.FIELD_OPERATORS, *filters.LOGICAL_OPERATORS, "$x"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(where=JUNK)
def test_whatever_comes_parses_or_is_an_invalid_filter(where) -> None:
    try:
        filters.matches(filters.parse(where), {"x": 1})
    except InvalidFilter as error:
        said = str(error)
    else:
        said = "where"
    assert said.startswith(("where", "A filter"))
