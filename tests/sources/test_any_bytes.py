"""Any bytes as a table: each row is an item or has a reason, or the file is no table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinlens.errors import SourceError
from kinlens.printable import is_unicode
from kinlens.sources import Entry, SourceOptions, column_reports, notes, open_source
from kinlens.sources.json_text import ObjectParser, rows_of_array

any_table = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMED = SourceOptions(id_column="id", picture_column="image")


def outcomes(path: Path) -> list[Entry]:
    """One entry a row, each an item or a reason that a catalog can keep; none if it's no table."""
    try:
        source = open_source(path, NAMED)
        entries = list(source)
    except SourceError:
        return []
    assert source.count() == len(entries)
    assert len({entry.place for entry in entries}) == len(entries)
    for entry in entries:
        assert (entry.item is None) == bool(entry.reason)
        for text in (entry.place, entry.reason, entry.reference, entry.id):
            assert is_unicode(text)
        assert entry.item or entry.id or entry.hides
        if entry.item is not None:
            assert is_unicode(json.dumps(dict(entry.item.metadata), ensure_ascii=False))
    assert all(map(is_unicode, notes(source)))
    assert list(source) == entries
    return [] if column_reports(source) is None else entries


fragments = st.lists(
    st.sampled_from(
        [
            b"id", b"image", b"a.jpg", b",", b";", b"\t", b'"', b"'", b"\n", b"\r\n", b"\r", b"\0",
            b"\xff", b"\xc3", b"{", b"}", b"[", b"]", b":", b'"id":', b'"image":', b"\\",
            b"\\ud800",
            b"NaN", b"1e400", b"null", b"-", b"9" * 30, b" ", b"\xef\xbb\xbf", b"\x1b[31m", b"\x85",
            "\u2028".encode(), b'{"id": "a", "image": "a.jpg"}', b'"a"', b"\\u0000",
        ]
    ),
    max_size=30,
).map(b"".join)  # fmt: skip


@any_table
@given(content=st.binary(max_size=200) | fragments, name=st.sampled_from(["t.csv", "t.tsv"]))
def test_any_bytes_as_delimited_text(tmp_path: Path, content: bytes, name: str):
    path = tmp_path / name
    path.write_bytes(content)
    outcomes(path)
    path.write_bytes(b"id,image,x\n".replace(b",", b"\t" if name == "t.tsv" else b",") + content)
    outcomes(path)


@any_table
@given(content=st.binary(max_size=200) | fragments, name=st.sampled_from(["t.jsonl", "t.json"]))
def test_any_bytes_as_json(tmp_path: Path, content: bytes, name: str):
    path = tmp_path / name
    good = b'{"id": "good", "image": "good.jpg"}'
    for written in (content, good + b"\n" + content, b"[" + good + b"," + content):
        path.write_bytes(written)
        entries = outcomes(path)
        if written != content:
            assert entries[0].item is not None
            assert entries[0].item.id == "good"


@any_table
@given(
    rows=st.lists(
        st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3), max_size=5
    ),
    indent=st.none() | st.integers(0, 2),
    cut=st.integers(0, 40),
)
def test_an_array_is_split_as_json_reads_it(rows: list[dict], indent: int | None, cut: int):
    written = json.dumps(rows, indent=indent).encode()
    parser = ObjectParser()
    found = [parser.parse(row.data) for row in rows_of_array(io.BytesIO(written))]
    assert [parsed.fields for parsed in found] == rows
    if 0 < cut < len(written):
        *whole, last = rows_of_array(io.BytesIO(written[:-cut]))
        assert last.fault
        assert [parser.parse(row.data).fields for row in whole] == rows[: len(whole)]


@any_table
@given(
    rows=st.lists(st.lists(st.text(max_size=4), min_size=3, max_size=3), max_size=6),
    ends=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_what_a_csv_writer_wrote_is_read(tmp_path: Path, rows: list[list[str]], ends: str):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=ends, quoting=csv.QUOTE_ALL).writerows(
        [["id", "image", "note"], *([f"i{n}", *row[1:]] for n, row in enumerate(rows))]
    )
    path = tmp_path / "t.csv"
    path.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
    valid = [all(map(is_unicode, row[1:])) for row in rows]
    assert [bool(entry.item) for entry in outcomes(path)] == valid


@pytest.mark.parametrize("damage", [bytes.upper, bytes.swapcase, lambda data: data[:-9]])
def test_a_damaged_parquet_file_is_a_source_error(tmp_path: Path, damage: Callable):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"id": ["a", "b"], "image": ["a.jpg", "b.jpg"]}), path)
    path.write_bytes(damage(path.read_bytes()))
    assert outcomes(path) == []


@settings(any_table, max_examples=60)
@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_byte_of_a_parquet_file_that_is_wrong(tmp_path: Path, place: int, value: int):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    parquet.write_table(
        pa.table({"id": ["a", "b"], "image": ["a.jpg", "b.jpg"], "at": pa.array([1, 2], "date32")}),
        path,
    )
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    path.write_bytes(bytes(content))
    outcomes(path)
