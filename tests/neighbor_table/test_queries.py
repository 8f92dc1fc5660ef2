"""Neighbors in the catalog of vectors and pictures from outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kinlens.errors import InvalidInput, SourceError
from kinlens.ingest import index
from kinlens.neighbor_table import pictures, write_neighbors
from kinlens.search import Search
from neighbor_table.conftest import put_items, rows_of, unit
from tiny_encoder import DIM

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def fill(search: Search, count: int = 200) -> None:
    labels = [{"size": n % 3} for n in range(count)]
    put_items(search, [f"i{n}" for n in range(count)], unit(count), labels)


def found(search: Search, vectors: np.ndarray, ids: list[str], k: int, **options) -> list:
    """As single searches find them."""
    made = []
    for name, vector in zip(ids, vectors, strict=True):
        (matches,) = search.parts.catalog.search(vector[None], k, **options)
        made += [(name, m.item.id, rank, m.distance) for rank, m in enumerate(matches, 1)]
    return made


def vector_table(path: Path, vectors: np.ndarray, **columns: object) -> Path:
    flat = pa.array(vectors.ravel().astype(np.float32))
    column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    parquet.write_table(pa.table({**columns, "embedding": column}), path)
    return path


def test_vectors_of_any_length(search: Search, output: Path, tmp_path: Path):
    fill(search)
    queries = unit(30, seed=5)
    np.save(tmp_path / "queries.npy", queries * 7.5)
    numbers = [str(n) for n in range(30)]
    for what in (tmp_path / "queries.npy", queries.astype(np.float64) * 3):
        report = write_neighbors(
            search, output, 4, queries=what, metric="euclidean", where={"size": 1}
        )
        assert (report.lists, report.items, report.outside) == (30, 200, True)
        expected = found(search, queries, numbers, 4, metric="euclidean", where={"size": 1})
        rows = rows_of(output)
        assert [row[:3] for row in rows] == [row[:3] for row in expected]
        assert [row[3] for row in rows] == pytest.approx([row[3] for row in expected], abs=1e-6)


def test_a_parquet_file_names_its_vectors(search: Search, output: Path, tmp_path: Path):
    fill(search)
    queries = unit(20, seed=5)
    ids = [f"q{n}" for n in range(20)]
    path = vector_table(tmp_path / "q.parquet", queries, SKU=ids, name=["x"] * 20)
    write_neighbors(search, output, 3, queries=path)
    assert [row[:3] for row in rows_of(output)] == [
        row[:3] for row in found(search, queries, ids, 3)
    ]
    with pytest.raises(SourceError, match="used twice"):
        write_neighbors(search, output, 3, queries=vector_table(path, queries, id=["same"] * 20))


def test_a_new_item_is_compared_with_the_same_queries(search: Search, output: Path, tmp_path: Path):
    fill(search)
    queries = unit(30, seed=5)
    np.save(tmp_path / "queries.npy", queries)
    write_neighbors(search, output, 4, queries=tmp_path / "queries.npy")
    put_items(search, ["new"], queries[3:4])
    report = write_neighbors(search, output, 4, queries=tmp_path / "queries.npy")
    assert (report.anew, report.updated) == (0, 30)
    assert [row[:3] for row in rows_of(output)] == [
        row[:3] for row in found(search, queries, [str(n) for n in range(30)], 4)
    ]


def test_pictures_are_encoded_as_a_query_is(
    search: Search, output: Path, tmp_path: Path, make_picture: Callable[..., bytes]
):
    shop, asked = tmp_path / "shop", tmp_path / "asked"
    for folder, seeds in ((shop, range(12)), (asked, range(6, 18))):
        folder.mkdir()
        for seed in seeds:
            (folder / f"{seed:02}.jpg").write_bytes(make_picture(seed=seed))
    (asked / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    index(search, shop)
    report = write_neighbors(search, output, 3, queries=asked)
    assert report.lists == 12
    assert [failure.id for failure in report.failures] == ["broken.jpg"]
    first = [row for row in rows_of(output) if row[2] == 1]
    assert [row[0] for row in first] == [f"{seed:02}.jpg" for seed in range(6, 18)]
    assert [row[1] for row in first[:6]] == [row[0] for row in first[:6]]
    for name, neighbor, _, distance in first:
        hit = search.search(asked / name, k=1).hits[0]
        assert (hit.id, hit.distance) == (neighbor, pytest.approx(distance, abs=1e-6))
    assert not list(output.parent.rglob("queries.sqlite*"))


def test_encoding_goes_on_where_it_was(
    search: Search,
    output: Path,
    tmp_path: Path,
    make_picture: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
):
    fill(search, 20)
    asked = tmp_path / "asked"
    asked.mkdir()
    for seed in range(20):
        (asked / f"{seed:02}.jpg").write_bytes(make_picture(seed=seed))
    monkeypatch.setattr(pictures, "_BATCH", 4)
    encoder = search.parts.encoder
    encode, seen = encoder.encode_images, []

    def stopping(images):
        if len(seen) == 8:
            seen.append("stop")
            raise KeyboardInterrupt
        seen.extend("x" * len(images))
        return encode(images)

    monkeypatch.setattr(encoder, "encode_images", stopping)
    with pytest.raises(KeyboardInterrupt):
        write_neighbors(search, output, 3, queries=asked)
    report = write_neighbors(search, output, 3, queries=asked)
    assert len(seen) == 21, "some were encoded twice"
    assert report.lists == 20
    assert [row[0] for row in rows_of(output)][::3] == [f"{seed:02}.jpg" for seed in range(20)]


def test_what_cannot_be_used_is_said_so(search: Search, output: Path, tmp_path: Path):
    fill(search, 10)
    with pytest.raises(InvalidInput, match=f"with {DIM} numbers; got 5"):
        write_neighbors(search, output, queries=np.ones((2, 5)))
    with pytest.raises(InvalidInput, match="row 1 holds only zeros"):
        write_neighbors(search, output, queries=np.eye(DIM)[[0]].repeat(2, 0) * [[1], [0]])
    with pytest.raises(InvalidInput, match="neither `same` nor"):
        write_neighbors(search, output, queries=np.eye(DIM), same=["size"])
    with pytest.raises(SourceError, match="doesn't exist"):
        write_neighbors(search, output, queries=tmp_path / "nothing")
