"""Parquet: typed by its schema, with pictures as paths, URLs or bytes."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from kinlens.errors import SourceError
from kinlens.sources import open_source
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
