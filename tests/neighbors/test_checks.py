"""What callers may give, and what they are told otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from kinlens.errors import InvalidInput
from kinlens.neighbors import ExactIndex, checks

DATA = np.random.default_rng(0).integers(-9, 9, (30, 4)).astype(np.float32)


@pytest.fixture
def index() -> ExactIndex:
    index = ExactIndex(4)
    index.append(DATA)
    return index


@pytest.mark.parametrize(
    "queries",
    [
        DATA.astype(np.float64),
        DATA.astype(np.float16),
        DATA.astype(np.int8),
        DATA.astype(">f4"),
        DATA.tolist(),
        np.asfortranarray(DATA),
        np.repeat(DATA, 2, axis=1)[:, ::2],
        np.repeat(DATA, 2, axis=0)[::2],
    ],
)
def test_queries_of_any_kind(index: ExactIndex, queries: np.ndarray) -> None:
    found = index.search(queries, 3)
    np.testing.assert_array_equal(found.rows, index.search(DATA, 3).rows)


def test_read_only_arrays_stay_as_they_are(index: ExactIndex) -> None:
    frozen, mask = DATA.copy(), np.ones(30, bool)
    frozen.flags.writeable = mask.flags.writeable = False
    index.append(frozen)
    index.replace(np.arange(30), frozen)
    for metric in ("cosine", "euclidean", "inner"):
        index.search(frozen, 2, metric=metric, mask=mask)
    np.testing.assert_array_equal(frozen, DATA)


def test_the_index_keeps_its_own_copy(index: ExactIndex) -> None:
    mine = DATA.copy()
    index.append(mine)
    mine[:] = 7
    np.testing.assert_array_equal(index.vectors(np.arange(30, 60)), DATA)


def test_one_vector_counts_as_one_row(index: ExactIndex) -> None:
    assert index.search(DATA[0], 2).rows.shape == (1, 2)
    assert index.append(DATA[0]).tolist() == [30]


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (np.zeros((2, 5)), r"shape \(n, 4\); got \(2, 5\)"),
        (np.zeros((2, 2, 4)), r"shape \(n, 4\)"),
        (np.zeros(5), r"shape \(n, 4\)"),
        (np.array([["a"] * 4]), "real numbers"),
        (np.zeros((1, 4), complex), "real numbers"),
        ([[0, 0, 0, np.nan]], "row 0 holds NaN"),
        ([[0, 0, 0, 0], [0, 0, 0, -np.inf]], "row 1 holds NaN"),
        ([[1e300, 0, 0, 0]], "beyond float32"),
    ],
)
def test_vectors_that_can_not_be_used(index: ExactIndex, queries: object, message: str) -> None:
    for act in (lambda: index.search(queries, 1), lambda: index.append(queries)):
        with pytest.raises(InvalidInput, match=message):
            act()
    assert len(index) == 30


def test_finite_numbers_whose_sum_overflows_are_fine() -> None:
    index = ExactIndex(4)
    index.append(np.full((10, 4), 3e38, np.float32))
    assert index.search(np.full((1, 4), 3e38), 2).distances.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("k", [-1, 1.5, "2", None, True])
def test_bad_k(index: ExactIndex, k: object) -> None:
    with pytest.raises(InvalidInput, match="k is how many neighbors"):
        index.search(DATA, k)


def test_bad_metric(index: ExactIndex) -> None:
    with pytest.raises(InvalidInput, match="one of euclidean, sqeuclidean, cosine, inner"):
        index.search(DATA, 1, metric="manhattan")


@pytest.mark.parametrize("dim", [0, -1, checks.MAX_DIM + 1])
def test_bad_dim(dim: int) -> None:
    with pytest.raises(InvalidInput, match="dim is the length"):
        ExactIndex(dim)


def test_replacing_needs_a_vector_for_each_row(index: ExactIndex) -> None:
    with pytest.raises(InvalidInput, match="2 rows and 1 vectors"):
        index.replace([0, 1], DATA[:1])
