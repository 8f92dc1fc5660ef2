"""Columns and their dictionaries."""

from __future__ import annotations

import numpy as np

from kinlens.catalog import filters
from kinlens.catalog.columns import Columns
from kinlens.types import FacetCount


def test_facets_keep_the_lowest_of_equally_frequent_values() -> None:
    columns = Columns()
    rows = [{"v": n} for n in (5, 4, 3, 2, 1, 1)] + [{"v": "a"}]
    columns.put(np.arange(7), rows)
    everything = np.ones(7, bool)

    assert columns.facets("v", everything, 3) == (
        FacetCount(1, 2),
        FacetCount(2, 1),
        FacetCount(3, 1),
    )
    assert len(columns.facets("v", everything, 100)) == 6
    assert columns.facets("v", ~everything, 3) == ()


def test_a_field_that_comes_later_is_missing_before() -> None:
    columns = Columns()
    columns.put(np.arange(3), [{"a": 1}] * 3)
    columns.put(np.arange(3, 5000), [{"b": 2}] * 4997)

    assert columns.mask(filters.parse({"b": {"$exists": True}}), 5000).sum() == 4997
    assert columns.mask(filters.parse({"a": None}), 5000).sum() == 4997
    assert [field.name for field in columns.fields(np.arange(5000) < 3)] == ["a"]


def test_dictionaries_wear_when_values_keep_changing() -> None:
    columns = Columns()
    columns.put(np.arange(10), [{"price": n} for n in range(10)])
    columns.seal()
    for step in range(1000):
        columns.put(np.arange(10), [{"price": step * 10 + n} for n in range(10)])
    assert columns.worn(10)
    columns.seal()
    assert not columns.worn(10)
