"""ExactIndex: rows that change in place."""

from __future__ import annotations

import numpy as np
import pytest

from kinlens.errors import InvalidInput, NotFound
from kinlens.neighbors import ExactIndex


def points(n: int, dim: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


def test_rows_keep_their_numbers() -> None:
    index, data = ExactIndex(6), points(100)
    assert index.append(data[:60]).tolist() == list(range(60))
    index.delete([3, 5])
    assert index.append(data[60:]).tolist() == list(range(60, 100))
    assert (len(index), index.capacity) == (98, 100)
    found = index.search(data, 1)
    gone = [3, 5]
    kept = np.setdiff1d(np.arange(100), gone)
    np.testing.assert_array_equal(found.rows[kept, 0], kept)
    assert not np.isin(found.rows, gone).any()
    np.testing.assert_array_equal(index.vectors(kept[::-1]), data[kept[::-1]])


def test_replaced_rows_are_found_by_their_new_vectors() -> None:
    index, data = ExactIndex(6), points(50)
    index.append(data)
    index.replace([7, 2], data[[2, 7]])
    found = index.search(data[[2, 7]], 1)
    assert found.rows.tolist() == [[7], [2]]
    assert found.distances.tolist() == [[0.0], [0.0]]


def test_churn_takes_no_more_memory() -> None:
    index, data = ExactIndex(1000), points(5000, 1000)
    index.append(data)
    sizes = []
    for _ in range(12):
        rows = np.arange(4000)
        index.replace(rows, data[rows])
        sizes.append(index.nbytes)
    assert max(sizes) < 4 * data.nbytes
    assert len(index) == index.capacity == 5000
    np.testing.assert_array_equal(index.vectors(np.arange(5000)), data)
    assert index.search(data[[11, 4500]], 1).rows.tolist() == [[11], [4500]]


@pytest.mark.parametrize("rows", [[-1], [3], [0.5], [[0]], [0, 0]])
def test_bad_rows(rows: list[object]) -> None:
    index = ExactIndex(6)
    index.append(points(3))
    with pytest.raises(InvalidInput):
        index.delete(rows)
    assert len(index) == 3


def test_deleted_rows_are_gone() -> None:
    index = ExactIndex(6)
    index.append(points(3))
    index.delete([1])
    for act in (
        lambda: index.delete([0, 1]),
        lambda: index.replace([1], points(1)),
        lambda: index.vectors([1]),
    ):
        with pytest.raises(NotFound, match="Row 1 was deleted"):
            act()
    assert len(index) == 2
