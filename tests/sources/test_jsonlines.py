"""JSON Lines: each value as it is typed, and a line number for what is no object."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinlens.adding import check_metadata
from kinlens.errors import SourceError
from kinlens.sources import Entry, SourceOptions, open_source
from kinlens.types import NewItem


def write(folder: Path, *rows: object, name: str = "shop.jsonl") -> Path:
    path = folder / name
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def read(path: Path, **options) -> list[Entry]:
    return list(open_source(path, SourceOptions(**options)))


def test_values_keep_their_types(tmp_path: Path):
    row = {
        "id": 7, "image": "a.jpg", "price": 9.5, "count": 3, "zip": "01234", "sold": False,
        "tags": ["red", "silk"], "sizes": [38, 40.5, None], "maker": {"name": "X", "since": 1990},
        "none": None, "empty": "", "big": 10**30, "least": -(2**63), "less": -(2**63) - 1,
    }  # fmt: skip
    (entry,) = read(write(tmp_path, row))
    assert entry.item == NewItem(
        "7",
        path=tmp_path / "a.jpg",
        metadata={
            "price": 9.5, "count": 3, "zip": "01234", "sold": False, "tags": ["red", "silk"],
            "sizes": ["38", "40.5", "null"], "maker.name": "X", "maker.since": 1990,
            "big": str(10**30), "least": -(2**63), "less": str(-(2**63) - 1),
        },
    )  # fmt: skip


def test_lines_that_are_no_objects_are_reported_and_the_rest_goes_on(tmp_path: Path):
    path = write(
        tmp_path, {"id": "a", "url": "https://x.example/1"}, "[1]", "", "{broken",
        {"url": "https://x.example/2"}, {"id": True, "url": "x"}, {"id": "b", "url": 5},
        {"id": "c"}, name="shop.ndjson",
    )  # fmt: skip
    source = open_source(path)
    entries = list(source)
    assert source.count() == len(entries) == 7
    assert [entry.item.id if entry.item else entry.place for entry in entries] == [
        "a", "shop.ndjson:2", "shop.ndjson:4", "shop.ndjson:5", "shop.ndjson:6", "shop.ndjson:7",
        "c",
    ]  # fmt: skip
    assert "JSON object" in entries[1].reason
    assert "'id'" in entries[3].reason
    assert "text or a number" in entries[4].reason
    assert "path, a URL" in entries[5].reason


def test_a_json_array_is_told_from_json_lines(tmp_path: Path):
    path = write(tmp_path, json.dumps([{"id": 1, "image": "a"}], indent=1), name="shop.json")
    with pytest.raises(SourceError, match="one object on each line"):
        open_source(path)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=5), values, max_size=5))
def test_whatever_json_holds_becomes_metadata_that_can_be_kept(tmp_path_factory, fields):
    row = {**fields, "id": "x", "image": "x.jpg"}
    path = write(tmp_path_factory.mktemp("json"), row)
    (entry,) = read(path, id_column="id", picture_column="image")
    assert entry.item is not None
    if not any("\ud800" <= char <= "\udfff" for char in repr(entry.item.metadata)):
        check_metadata(entry.item.metadata)
    for name, value in fields.items():
        if isinstance(value, bool) and name not in ("id", "image"):
            assert entry.item.metadata[name] is value
