"""Small tables that once went wrong, and what is right of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinlens.sources import Source, SourceOptions, notes, open_source

CASES = Path(__file__).parent / "cases"


def read(name: str, **options) -> tuple[Source, list[str], list[str]]:
    """The source, the ids of its items, and the reasons of what is none."""
    source = open_source(CASES / name, SourceOptions(**options))
    entries = list(source)
    ids = [entry.item.id for entry in entries if entry.item is not None]
    return source, ids, [entry.reason for entry in entries if entry.item is None]


def test_nan_is_no_id():
    _, ids, reasons = read("nan_id.jsonl")
    assert ids == ["10001.0"]
    assert reasons == ["An id is a text or a number; got nan."] * 2


def test_a_column_with_an_empty_name_is_left_out():
    source, ids, reasons = read("empty_key.jsonl")
    assert (ids, reasons) == (["a", "b"], [])
    assert all(not entry.item.metadata for entry in source)
    assert notes(source) == ["Fields without a name are left out, in 2 places."]


def test_a_name_that_is_no_valid_unicode_fails_its_row():
    _, ids, (reason,) = read("surrogate_key.jsonl")
    assert ids == ["a", "c"]
    assert "isn't valid Unicode" in reason


def test_times_outside_the_calendar_are_left_out_and_told():
    pytest.importorskip("pyarrow")
    source, ids, reasons = read("far.parquet")
    assert (ids, reasons) == (["a", "b"], [])
    assert all("at" not in entry.item.metadata for entry in source)
    assert notes(source) == [
        "2 values of the column 'at' are left out; the first is a time outside the years 1 to 9999."
    ]


def test_a_stray_quote_fails_what_it_swallows():
    _, ids, (reason,) = read("stray.csv", picture_template="{id}.jpg")
    assert ids == ["p0", "p1", "p2"]
    assert "quote" in reason


def test_a_row_in_another_encoding_fails_alone():
    _, ids, (reason,) = read("latin.csv", picture_template="{id}.jpg")
    assert ids == [f"p{n}" for n in range(12) if n != 3]
    assert "isn't UTF-8" in reason
