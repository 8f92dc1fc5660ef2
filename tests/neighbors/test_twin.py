"""The comparer finds every kind of mistake, and no mistake in ties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinlens.neighbors import Neighbors
from neighbors.twin import check_neighbors

DATA = np.array([[0.0], [1.0], [1.0], [3.0], [4.0]], np.float32)
QUERY = np.array([[0.0]], np.float32)


def answer(distances: list[float], rows: list[int]) -> Neighbors:
    return Neighbors(np.array([distances], float), np.array([rows]), True, "by hand", 0)


def test_right_answers_pass() -> None:
    check_neighbors(answer([0, 1], [0, 1]), DATA, QUERY, 2, "euclidean")
    check_neighbors(answer([0, 1, 1], [0, 1, 2]), DATA, QUERY, 3, "euclidean")
    check_neighbors(answer([0, 1], [0, 2]), DATA, QUERY, 2, "euclidean")  # a tie at the edge
    only = np.array([False, False, True, True, False])
    check_neighbors(answer([1, 9], [2, 3]), DATA, QUERY, 9, "sqeuclidean", only)


@pytest.mark.parametrize(
    ("distances", "rows", "message"),
    [
        ([0, 1, 1], [0, 2, 1], "lower row"),
        ([0, 1, 3], [0, 1, 3], "left out"),
        ([0, 1, 1], [0, 1, 1], "twice"),
        ([1, 0, 1], [1, 0, 2], "ascend"),
        ([0, 1, 1.001], [0, 1, 2], "wrong"),
    ],
)
def test_mistakes_are_found(distances: list[float], rows: list[int], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_neighbors(answer(distances, rows), DATA, QUERY, 3, "euclidean")


def test_shape_mask_and_certificate_are_checked() -> None:
    right = answer([0, 1], [0, 1])
    with pytest.raises(AssertionError):
        check_neighbors(right, DATA, QUERY, 3, "euclidean")
    with pytest.raises(AssertionError):
        check_neighbors(replace(right, certified=False), DATA, QUERY, 2, "euclidean")
    with pytest.raises(AssertionError):
        check_neighbors(right, DATA, QUERY, 2, "euclidean", np.arange(5) != 1)
