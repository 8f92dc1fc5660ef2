"""A catalog whose vectors a test chooses, and the table as it should be, the slow way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinlens.catalog import filters
from kinlens.search import Search
from kinlens.types import Item, Metadata
from kinlens.wiring import open_search
from tiny_encoder import DIM, write_tiny

pytest.importorskip("pyarrow")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def search(tmp_path: Path, encoder: Path) -> Iterator[Search]:
    with open_search(tmp_path / "data", encoder) as opened:
        yield opened


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "similar.parquet"


@pytest.fixture(scope="session")
def put() -> Callable[..., None]:
    return put_items


def put_items(
    search: Search,
    ids: Sequence[str],
    vectors: np.ndarray,
    metadata: Sequence[Metadata] | None = None,
) -> None:
    items = [
        Item(one, f"path:/{one}.jpg", "a" * 64, 9, 9, metadata[place] if metadata else {})
        for place, one in enumerate(ids)
    ]
    for start in range(0, len(items), 2000):
        search.parts.catalog.upsert(items[start : start + 2000], vectors[start : start + 2000])


def unit(count: int, seed: int = 0, kinds: int = 0) -> np.ndarray:
    """Unit vectors; with `kinds`, so many different ones."""
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((kinds or count, DIM))
    if kinds:
        made = made[rng.integers(0, kinds, count)]
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made.astype(np.float32)


def rows_of(table: Path) -> list[tuple[str, str, int, float]]:
    import pyarrow.parquet

    read = pyarrow.parquet.read_table(table).to_pydict()
    return list(zip(*(read[name] for name in ("id", "neighbor", "rank", "distance")), strict=True))


def expected(search: Search, k: int, **options: Any) -> list[tuple[str, str, int, float]]:
    """The table by the definition: every pair, in float64."""
    with search.parts.catalog.snapshot() as snapshot:
        blocks = list(snapshot.blocks)
    ids = [one for block in blocks for one in block.ids]
    metadata = [one for block in blocks for one in block.metadata]
    vectors = np.concatenate([np.empty((0, DIM)), *(block.vectors for block in blocks)])
    where = filters.parse(options.get("where"))
    for_where = filters.parse(options.get("for_where"))
    found = []
    for place, item in enumerate(ids):
        if not filters.matches(for_where, metadata[place]):
            continue
        wide = vectors.astype(np.float64)
        distances = _distances(wide, wide[place], options.get("metric", "cosine"))
        good = [
            other
            for other in range(len(ids))
            if other != place
            and filters.matches(where, metadata[other])
            and distances[other] >= (options.get("min_distance") or 0)
            and all(
                _elements(metadata[place], field) & _elements(metadata[other], field)
                for field in options.get("same", ())
            )
        ]
        good.sort(key=lambda other: (distances[other], other))
        found += [
            (item, ids[other], rank, distances[other]) for rank, other in enumerate(good[:k], 1)
        ]
    return found


def _distances(vectors: np.ndarray, query: np.ndarray, metric: str) -> np.ndarray:
    from kinlens.neighbors import exact

    return exact.distances(vectors.astype(np.float32), query.astype(np.float32), metric)


def _elements(metadata: Metadata, field: str) -> set[tuple[str, object]]:
    value = metadata.get(field)
    values = value if isinstance(value, list) else [value]
    return {(filters.kind(one), one) for one in values}
