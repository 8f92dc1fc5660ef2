"""Parquet: typed by its schema, with pictures as paths, URLs or bytes."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from kinlens.errors import SourceError
from kinlens.sources import notes, open_source
from kinlens.types import NewItem

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def write(folder: Path, columns: dict) -> Path:
    path = folder / "shop.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


def test_columns_keep_their_types(tmp_path: Path):
    path = write(
        tmp_path,
        {
            "id": ["007", "8"],
            "image_url": ["https://x.example/7.jpg", "b.jpg"],
            "price": [Decimal("9.50"), None],
            "score": [float("nan"), 0.5],
            "sold": [True, False],
            "tags": [["red"], []],
            "day": [datetime.date(2024, 2, 29), None],
            "maker": [{"name": "X"}, None],
        },
    )
    source = open_source(path)
    first, second = (entry.item for entry in source)
    assert source.count() == 2
    assert first == NewItem(
        "007",
        url="https://x.example/7.jpg",
        metadata={
            "price": 9.5, "sold": True, "tags": ["red"], "day": "2024-02-29", "maker.name": "X",
        },
    )  # fmt: skip
    assert second == NewItem(
        "8", path=tmp_path / "b.jpg", metadata={"score": 0.5, "sold": False, "tags": []}
    )


def test_pictures_may_be_bytes(tmp_path: Path):
    path = write(tmp_path, {"id": [1, 2], "image": [b"jpeg", b"png"]})
    assert [entry.item.image for entry in open_source(path)] == [b"jpeg", b"png"]
    path = write(tmp_path, {"id": [1], "image": [{"bytes": b"jpeg", "path": "x.jpg"}]})
    assert [entry.item.image for entry in open_source(path)] == [b"jpeg"]


def test_many_rows_come_in_order(tmp_path: Path):
    path = write(tmp_path, {"id": list(range(1000)), "file": [f"{i}.jpg" for i in range(1000)]})
    assert [entry.item.id for entry in open_source(path)] == [str(i) for i in range(1000)]


def test_a_file_that_is_no_parquet_says_so(tmp_path: Path):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(SourceError, match="can't be read as Parquet"):
        open_source(path)


def test_texts_may_be_kept_as_bytes(tmp_path: Path):
    pixels = b"\x89PNG\r\n\x1a\n\0"
    path = write(
        tmp_path,
        {
            "id": [b"a", b"\xff", "größe".encode()],
            "image": [b"a.jpg", b"b.jpg", pixels],
            "title": [b"Mug", b"x", b"Cup"],
            "hash": [b"\0\1", b"\0", b"\0"],
        },
    )
    source = open_source(path)
    first, bad, last = source
    assert first.item == NewItem("a", path=tmp_path / "a.jpg", metadata={"title": "Mug"})
    assert "text or a number" in bad.reason
    assert last.item == NewItem("größe", image=pixels, metadata={"title": "Cup"})
    assert notes(source) == ["The field 'hash' holds bytes that aren't a text; it is left out."]


def not_utf8(*texts: bytes):
    offsets = [0]
    for text in texts:
        offsets.append(offsets[-1] + len(text))
    buffers = [None, pa.array(offsets, pa.int32()).buffers()[1], pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)


def test_a_text_that_is_not_utf8_fails_its_row(tmp_path: Path):
    path = write(
        tmp_path,
        {
            "id": not_utf8(b"a", b"\xff", b"c"),
            "image": ["a.jpg", "b.jpg", "c.jpg"],
            "x": not_utf8(b"1", b"2", b"\xc3"),
        },
    )
    first, nameless, bad = open_source(path)
    assert first.item is not None
    assert "'id' holds a text that isn't UTF-8" in nameless.reason
    assert nameless.hides
    assert "'x' holds a text that isn't UTF-8" in bad.reason
    assert (bad.id, bad.hides) == ("c", False)


def test_times_are_read_whatever_their_zone_and_unit(tmp_path: Path):
    path = write(
        tmp_path,
        {
            "id": ["a"],
            "image": ["a.jpg"],
            "mars": pa.array([0], pa.timestamp("ms", "Mars/Olympus")),
            "berlin": pa.array([0], pa.timestamp("us", "Europe/Berlin")),
            "fine": pa.array([1_001], pa.timestamp("ns")),
            "before": pa.array([-1_000], pa.timestamp("ns")),
            "long": pa.array([2**62], pa.duration("s")),
            "date": pa.array([10**8], pa.date32()),
        },
    )
    source = open_source(path)
    (entry,) = source
    assert dict(entry.item.metadata) == {
        "mars": "1970-01-01T00:00:00+00:00",
        "berlin": "1970-01-01T01:00:00+01:00",
        "fine": "1970-01-01T00:00:00.000001",
        "before": "1969-12-31T23:59:59.999999",
    }
    assert [note.split("'")[1] for note in notes(source)] == ["long", "date"]


def test_a_picture_that_cannot_be_read_fails_its_row(tmp_path: Path):
    path = write(tmp_path, {"id": ["a"], "image": not_utf8(b"\xff")})
    (entry,) = open_source(path)
    assert "'image' holds a text that isn't UTF-8" in entry.reason


def test_two_columns_of_one_name_are_refused(tmp_path: Path):
    table = pa.table([["a"], ["a.jpg"], [1], [2]], names=["id", "image", "x", "x"])
    parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(SourceError, match="column 'x' twice"):
        open_source(tmp_path / "x.parquet")
