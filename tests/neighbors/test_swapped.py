"""scikit-learn's own tests, run with Kinlens's NearestNeighbors in the place of theirs."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import sklearn.neighbors.tests.test_neighbors as theirs

from kinlens.neighbors import NearestNeighbors


@pytest.fixture
def swapped(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(theirs.neighbors, "NearestNeighbors", NearestNeighbors)
    monkeypatch.setattr(theirs, "ALGORITHMS", ("auto", "brute"))
    return theirs


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("not_fitted_error_gets_raised", {}),
        ("nearest_neighbors_validate_params", {}),
        ("radius_neighbors_boundary_handling", {}),
        ("k_and_radius_neighbors_train_is_not_query", {}),
        ("k_and_radius_neighbors_X_None", {"algorithm": "brute"}),
        ("k_and_radius_neighbors_duplicates", {"algorithm": "brute"}),
        ("query_equidistant_kth_nn", {"algorithm": "brute"}),
        ("radius_neighbors_sort_results", {"algorithm": "brute", "metric": "euclidean"}),
    ],
)
def test_manners(swapped: ModuleType, name: str, arguments: dict[str, Any]) -> None:
    getattr(swapped, f"test_{name}")(**arguments)
