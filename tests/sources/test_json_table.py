"""JSON Lines: each value as it is typed, and a line number for what is no object."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinlens.adding import check_metadata
from kinlens.errors import SourceError
from kinlens.sources import Entry, SourceOptions, json_text, notes, open_source
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
        "none": None, "empty": "", "big": 10**30,
    }  # fmt: skip
    (entry,) = read(write(tmp_path, row))
    assert entry.item == NewItem(
        "7",
        path=tmp_path / "a.jpg",
        metadata={
            "price": 9.5, "count": 3, "zip": "01234", "sold": False, "tags": ["red", "silk"],
            "sizes": ["38", "40.5", "null"], "maker.name": "X", "maker.since": 1990,
            "big": str(10**30),
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


FEIDEGGER = [
    {"url": f"https://x.example/{n}.jpg", "split": n, "descriptions": ["Ein Kleid", f"Nr. {n}"]}
    for n in range(3)
]


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["shop.json", "shop.jsonl"])
def test_an_array_of_objects_is_a_table(tmp_path: Path, indent, bom, name):
    path = tmp_path / name
    path.write_bytes(bom + b"\n " + json.dumps(FEIDEGGER, indent=indent).encode() + b"\n")
    source = open_source(path)
    first, *others = (entry.item for entry in source)
    assert first == NewItem(
        "https://x.example/0.jpg",
        url="https://x.example/0.jpg",
        metadata={"split": 0, "descriptions": ["Ein Kleid", "Nr. 0"]},
    )
    assert [item.metadata["split"] for item in others] == [1, 2]
    assert source.count() == 3


def array(folder: Path, text: str) -> list[Entry]:
    return read(write(folder, text, name="shop.json"))


GOOD = '{"id": "a", "image": "a.jpg", "note": "[{\\"x\\": 1}, ] and \\\\"}'


@pytest.mark.parametrize(
    ("text", "ids", "reason"),
    [
        (f'[{GOOD}, {{"id": oops}}, {GOOD}]', ["a", "", "a"], "isn't a JSON object"),
        (f'[{GOOD}, {{"id": "b, "image": 1}},\n{GOOD}]', ["a", "", "a"], "isn't a JSON object"),
        (f'[{GOOD}, {{"id": [1, 2}}, {GOOD}]', ["a", "", "a"], "isn't a JSON object"),
        (f"[{GOOD}, 7, {GOOD}]", ["a", "", "a"], "isn't a JSON object"),
        (f"[{GOOD}, [], {GOOD}]", ["a", "", "a"], "isn't a JSON object"),
        (f"[{GOOD}, , {GOOD}]", ["a", "", "a"], "comma"),
        (f"[{GOOD},]", ["a", ""], "comma"),
        (f"[{GOOD},", ["a", ""], "cut off"),
        (f"[{GOOD}", ["a", ""], "cut off"),
        (f'[{GOOD}, {{"id": "b", "ima', ["a", ""], "cut off"),
        (f"[{GOOD}]]", ["a", ""], "follows the end"),
        (f"[{GOOD}]\n[{GOOD}]", ["a", ""], "follows the end"),
        (f"[{GOOD}, {GOOD[:-1]}", ["a", ""], "cut off"),
    ],
)
def test_what_is_wrong_with_an_array_is_an_entry_that_bars_pruning(tmp_path, text, ids, reason):
    entries = array(tmp_path, text)
    assert [entry.item.id if entry.item else "" for entry in entries] == ids
    (bad,) = (entry for entry in entries if entry.item is None)
    assert reason in bad.reason
    assert bad.hides
    assert bad.place == f"shop.json:{entries.index(bad) + 1}"


@pytest.mark.parametrize("text", ["[]", "[1, 2]", '{"items": [1]}', "{\n}", "", "null", "[", "\0"])
def test_what_holds_no_objects_is_no_table(tmp_path: Path, text: str):
    with pytest.raises(SourceError, match=r"array of such objects|isn't UTF-8|No column"):
        array(tmp_path, text)


def test_an_array_is_read_in_parts(tmp_path: Path, monkeypatch):
    text = json.dumps([{"id": f"i{n}", "image": "x.jpg", "t": '"[{,\\é' * 5} for n in range(50)])
    for size in (1, 2, 7, 64):
        monkeypatch.setattr(json_text, "CHUNK", size)
        found = [row.data for row in json_text.rows_of_array(io.BytesIO(text.encode()))]
        assert [json.loads(data) for data in found] == json.loads(text)


def test_a_row_over_the_limit_fails_alone_in_lines_and_ends_an_array(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(json_text, "ROW_LIMIT", 200)
    monkeypatch.setattr(json_text, "CHUNK", 64)
    rows = [json.dumps({"id": f"i{n}", "image": "x" * (500 if n == 1 else 5)}) for n in range(3)]
    first, long, last = read(write(tmp_path, *rows))
    assert (first.item.id, last.item.id) == ("i0", "i2")
    assert "is longer than" in long.reason
    first, long = array(tmp_path, f"[{','.join(rows)}]")
    assert first.item.id == "i0"
    assert "isn't read" in long.reason
    assert long.hides


@pytest.mark.parametrize(
    ("row", "reason", "known"),
    [
        (r'{"id": "1", "image": "a.jpg", "k\ud800": 1}', "surrogate", "1"),
        (r'{"id": "2", "image": "a.jpg", "k": {"n": ["\udfff"]}}', "surrogate", "2"),
        (r'{"id": "\ud800", "image": "a.jpg"}', "surrogate", ""),
        ('{"id": "4", "image": "a.jpg", "k": 1, "k": 2}', "'k' twice", "4"),
        ('{"id": "5", "image": "a.jpg", "id": "6"}', "'id' twice", ""),
        ('{"id": NaN, "image": "a.jpg"}', "text or a number", ""),
        ('{"id": -Infinity, "image": "a.jpg"}', "text or a number", ""),
        ('{"id": "a\\u0000", "image": "a.jpg"}', "NUL", ""),
        ('{"id": "9", "image": "a.jpg", "k": %s}' % ("[" * 100_000 + "]" * 100_000), "deep", ""),
        ('{"id": "10", "image": "a", "k": ' + '{"a":' * 100_000 + "1" + "}" * 100_001, "deep", ""),
        ('{"id": "\x1b[31m\x00"}', "isn't a JSON object", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["shop.jsonl", "shop.json"])
def test_a_row_that_is_not_valid_fails_alone(tmp_path: Path, row, reason, known, name):
    text = f"[{GOOD},{row},{GOOD}]" if name == "shop.json" else "\n".join((GOOD, row, GOOD))
    first, failed, last = read(write(tmp_path, text, name=name))
    assert first.item is not None
    assert last.item is not None
    assert reason in failed.reason
    assert (failed.id, failed.hides) == (known, not known)
    assert failed.place == f"{name}:2"


def test_objects_may_lie_deep_in_one_another(tmp_path: Path):
    row = '{"id": "a", "image": "a.jpg", "k": ' + '{"a":' * 100 + "1" + "}" * 101
    (entry,) = read(write(tmp_path, row))
    assert entry.item.metadata == {"k" + ".a" * 100: 1}


def test_numbers_that_64_bits_do_not_hold_stay_as_they_are_written(tmp_path: Path):
    row = '{"id": "a", "image": "a.jpg", "f": 1e400, "i": %s, "m": -9223372036854775807}'
    (entry,) = read(write(tmp_path, row % ("7" * 5000)))
    assert dict(entry.item.metadata) == {"f": "1e400", "i": "7" * 5000, "m": -(2**63) + 1}
    (entry,) = read(write(tmp_path, '{"id": %s, "image": "a.jpg"}' % ("7" * 400)))
    assert entry.item.id == "7" * 400


def test_fields_without_a_name_are_left_out_and_said_once(tmp_path: Path):
    rows = [{"": 0, "id": n, "image": "a.jpg", "m": {"": 1, "n": 2}, " ": 3} for n in range(2)]
    source = open_source(write(tmp_path, *rows))
    assert [dict(entry.item.metadata) for entry in source] == [{"m.n": 2}] * 2
    assert notes(source) == ["Fields without a name are left out, in 6 places."]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_lines_end_in_any_way(tmp_path: Path, end: str, last: bool):
    path = tmp_path / "shop.jsonl"
    rows = ['{"id": "a", "image": "a.jpg"}', "", '{"id": "b", "image": "b.jpg"}']
    path.write_bytes((end.join(rows) + (end if last else "")).encode())
    assert [(entry.place, entry.item.id) for entry in read(path)] == [
        ("shop.jsonl:1", "a"), ("shop.jsonl:3", "b"),
    ]  # fmt: skip


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
