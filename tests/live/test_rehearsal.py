"""What is searched for before cameras ask is like what they ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from http_door import open_tiny
from kinlens.config import DeviceSettings
from kinlens.live import rehearsal
from kinlens.live.rehearsal import rehearse
from kinlens.search import Search


@pytest.fixture
def searched(search: Search, monkeypatch: pytest.MonkeyPatch) -> list[tuple[np.ndarray, int, Any]]:
    found: list[tuple[np.ndarray, int, Any]] = []
    real = search.parts.catalog.search

    def spy(vectors: np.ndarray, k: int, **given: Any) -> Any:
        found.append((vectors, k, given))
        return real(vectors, k, **given)

    monkeypatch.setattr(search.parts.catalog, "search", spy)
    return found


def test_each_size_is_tried_one_first(search: Search, searched: list[Any]) -> None:
    settings = DeviceSettings("", k=3, metric="euclidean")
    rehearse(search.parts.catalog, settings, 8)
    _, *tried = searched
    assert [len(vectors) for vectors, _, _ in tried] == [1, 8, 4, 2]
    assert all(k == 3 and given["metric"] == "euclidean" for _, k, given in tried)
    vectors = tried[1][0]
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    items = search.parts.catalog.vectors([hit.item.id for hit in near(search, vectors)])
    similarities = (vectors * items).sum(axis=1)
    assert similarities.min() > 0.9
    assert similarities.max() < 0.9999


def near(search: Search, vectors: np.ndarray) -> list[Any]:
    return [hits[0] for hits in search.parts.catalog.search(vectors, 1)]


def test_it_ends_in_time(
    search: Search, searched: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "BUDGET", -1.0)
    rehearse(search.parts.catalog, DeviceSettings("", k=3), 8)
    assert len(searched) == 1


def test_an_empty_catalog(tmp_path: Path) -> None:
    with open_tiny(tmp_path / "data") as service:
        rehearse(service.parts.catalog, DeviceSettings("", k=3), 8)
