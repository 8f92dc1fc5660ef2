"""Neighbors as a Parquet table."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest

from kinlens.errors import InvalidInput, OutputError
from kinlens.neighbors import save_neighbors, stream_neighbors

parquet = pytest.importorskip("pyarrow.parquet")


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


@pytest.mark.parametrize("in_files", [True, False])
def test_a_row_for_each_neighbor(tmp_path: Path, in_files: bool):
    work = tmp_path / "work" if in_files else None
    found = stream_neighbors(vectors(300), vectors(40, 1), 7, work=work)
    save_neighbors(found, tmp_path / "found.parquet")
    table = parquet.read_table(tmp_path / "found.parquet")
    assert [str(field.type) for field in table.schema] == ["int64", "int64", "int32", "double"]
    np.testing.assert_array_equal(table["id"], np.repeat(np.arange(40), 7))
    np.testing.assert_array_equal(table["neighbor"], found.rows.ravel())
    np.testing.assert_array_equal(table["rank"], np.tile(np.arange(1, 8), 40))
    np.testing.assert_array_equal(table["distance"], found.distances.ravel())
    assert [entry.name for entry in tmp_path.glob("*found*")] == ["found.parquet"]


def test_ids_take_the_place_of_numbers(tmp_path: Path):
    found = stream_neighbors(vectors(30), k=2)
    names = [f"sku-{n}" for n in range(30)]
    save_neighbors(found, tmp_path / "found.parquet", ids=names, neighbor_ids=names)
    table = parquet.read_table(tmp_path / "found.parquet").to_pydict()
    assert table["id"] == [name for name in names for _ in range(2)]
    assert table["neighbor"] == [names[row] for row in found.rows.ravel()]
    with pytest.raises(InvalidInput, match="one id; got 29 for 30"):
        save_neighbors(found, tmp_path / "found.parquet", ids=names[1:])


def test_no_neighbors_are_an_empty_table(tmp_path: Path):
    for found in (stream_neighbors(vectors(1)), stream_neighbors(vectors(0), vectors(3))):
        save_neighbors(found, tmp_path / "found.parquet")
        assert parquet.read_table(tmp_path / "found.parquet").num_rows == 0


def test_on_a_full_disk_the_former_file_stays(tmp_path: Path):
    save_neighbors(stream_neighbors(vectors(10), k=2), tmp_path / "found.parquet")
    before = (tmp_path / "found.parquet").read_bytes()
    found = stream_neighbors(vectors(3000), k=9)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="No space is left"):
            save_neighbors(found, tmp_path / "found.parquet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "found.parquet").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["found.parquet"]
    with pytest.raises(OutputError, match="can't be written"):
        save_neighbors(found, tmp_path / "nowhere" / "found.parquet")
