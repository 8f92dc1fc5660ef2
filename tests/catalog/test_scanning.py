"""A process that searches once reads vectors from the database, and answers as every other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kinlens.catalog import scanning
from kinlens.catalog.sqlite import SqliteCatalog
from kinlens.errors import CatalogError, EncoderMismatch
from kinlens.types import EncoderIdentity, Item, Metric, Vectors

DIM = 48
ENCODER = EncoderIdentity("test", "f" * 64, DIM)


def unit(vectors: np.ndarray) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / lengths).astype(np.float32)


def hard_vectors() -> Vectors:
    """Clusters whose distances float32 can't tell apart, equal vectors, and lengths near 1."""
    rng = np.random.default_rng(7)
    centers = rng.standard_normal((6, DIM))
    close = np.repeat(centers, 400, axis=0) + 2e-6 * rng.standard_normal((2400, DIM))
    vectors = unit(np.concatenate([close, rng.standard_normal((600, DIM)), centers, centers]))
    lengths = rng.uniform(0.9995, 1.0005, (len(vectors), 1)).astype(np.float32)
    return np.asarray(vectors * lengths)[rng.permutation(len(vectors))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalog")
    vectors = hard_vectors()
    items = [
        Item(f"i{n:05}", f"path:/{n}", "a" * 64, 4, 3, {"color": n % 5, "odd": bool(n % 2)})
        for n in range(len(vectors))
    ]
    with SqliteCatalog.open(folder, ENCODER, create=True) as catalog:
        catalog.upsert(items, vectors)
        catalog.delete([f"i{n:05}" for n in range(0, 3000, 11)])
        changed = [Item(f"i{n:05}", "path:/x", "b" * 64, 4, 3, {"color": 1}) for n in range(1, 40)]
        catalog.upsert(changed, vectors[-39:])
    return folder


@pytest.fixture
def resident(folder: Path) -> Iterator[SqliteCatalog]:
    with SqliteCatalog.open(folder, ENCODER) as catalog:
        yield catalog


@pytest.fixture
def once(folder: Path) -> Iterator[SqliteCatalog]:
    with SqliteCatalog.open(folder, ENCODER, resident=False) as catalog:
        yield catalog


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 10, 500, 5000])
@pytest.mark.parametrize("where", [None, {"color": 3}, {"color": {"$gt": 7}}])
@pytest.mark.parametrize("block", [64, 2048])
def test_answers_are_the_same_to_the_last_bit(
    resident: SqliteCatalog,
    once: SqliteCatalog,
    monkeypatch: pytest.MonkeyPatch,
    metric: Metric,
    k: int,
    where: dict[str, object] | None,
    block: int,
) -> None:
    monkeypatch.setattr(scanning, "BLOCK", block)
    queries = unit(hard_vectors()[::700].astype(np.float64) + 1e-7)
    wanted = resident.search(queries, k, where=where, metric=metric)
    assert once.search(queries, k, where=where, metric=metric) == wanted
    assert resident.stats().matrix_bytes > 0
    assert once.stats().matrix_bytes == 0


def test_the_margin_holds_for_the_worst_sums() -> None:
    rng = np.random.default_rng(0)
    for dim in (1, 32, 256, 2048):
        vectors, queries = unit(rng.standard_normal((300, dim))), unit(rng.random((3, dim)))
        for metric in ("cosine", "euclidean"):
            keys = scanning._keys(vectors, queries, metric).astype(np.float64)
            wide, asked = vectors.astype(np.float64), queries.astype(np.float64)
            products = wide @ asked.T
            squares = (wide**2).sum(axis=1)[:, np.newaxis]
            lengths = np.sqrt((asked**2).sum(axis=1))
            right = 1 - products / (np.sqrt(squares) * lengths)
            if metric == "euclidean":
                right = squares - 2 * products
            assert np.abs(keys - right).max() <= scanning._margin(dim)


def test_another_encoder_and_missing_vectors_are_errors(folder: Path, tmp_path: Path) -> None:
    with SqliteCatalog.open(tmp_path, ENCODER, create=True, resident=False) as catalog:
        item = Item("a", "path:/a", "a" * 64, 4, 3, {})
        catalog.upsert([item], unit(np.ones((1, DIM))))
        with catalog._database.write() as connection:
            connection.execute("DELETE FROM vectors")
        with pytest.raises(CatalogError, match="incomplete"):
            catalog.search(unit(np.ones((1, DIM))), 1)
    other = EncoderIdentity("other", "e" * 64, DIM)
    with pytest.raises(EncoderMismatch):
        SqliteCatalog.open(folder, other, resident=False)
