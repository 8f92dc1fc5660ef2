"""Masks filter before ranking, so no filter loses a result."""

from __future__ import annotations

import numpy as np
import pytest

from kinlens.errors import InvalidInput
from kinlens.neighbors import ExactIndex, engine
from neighbors.hard_data import unit
from neighbors.twin import BEGINNERS, check_neighbors


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    return unit(np.random.default_rng(0), 20_000, 40).astype(np.float32)


@pytest.fixture(scope="module", params=BEGINNERS)
def index(data: np.ndarray, request: pytest.FixtureRequest) -> ExactIndex:
    index = ExactIndex(40, kernel=request.param)
    index.append(data)
    return index


@pytest.mark.parametrize("q", [1, 5])
@pytest.mark.parametrize("share", [0.0, 0.0003, 0.01, 0.05, 0.5, 0.99, 1.0])
def test_any_share(index: ExactIndex, data: np.ndarray, share: float, q: int) -> None:
    mask = np.random.default_rng(1).random(len(data)) < share
    found = index.search(data[:q], 9, metric="cosine", mask=mask)
    check_neighbors(found, data, data[:q], 9, "cosine", mask)


def test_a_mask_of_one_stretch(index: ExactIndex, data: np.ndarray) -> None:
    mask = np.zeros(len(data), bool)
    mask[17_000:18_000] = True
    check_neighbors(index.search(data[:2], 3, mask=mask), data, data[:2], 3, "euclidean", mask)


def test_masks_follow_rows_through_replacement_and_deletion(data: np.ndarray) -> None:
    index = ExactIndex(40)
    index.append(data)
    now = data.copy()
    moved = np.arange(100, 12_000, 7)
    now[moved] = data[moved - 1]
    index.replace(moved, now[moved])
    gone = np.arange(0, 20_000, 3)
    index.delete(gone)
    mask = np.random.default_rng(2).random(len(data)) < 0.5
    allowed = mask.copy()
    allowed[gone] = False
    check_neighbors(index.search(now[:4], 8, mask=mask), now, now[:4], 8, "euclidean", allowed)


def test_rows_past_the_end_of_a_mask_stay_out(data: np.ndarray) -> None:
    index = ExactIndex(40)
    index.append(data[:10])
    mask = np.ones(10, bool)
    index.append(data[10:20])
    index.replace([3], data[3:4])
    found = index.search(data[15:16], 20, mask=mask)
    assert sorted(found.rows[0]) == list(range(10))
    assert index.search(data[:1], 5, mask=np.empty(0, bool)).rows.shape == (1, 0)


def test_a_mask_may_change_once_the_search_has_begun(data: np.ndarray) -> None:
    index = ExactIndex(40)
    index.append(data)
    mask = np.random.default_rng(3).random(len(data)) < 0.5
    _, passing, living = engine.passing_slots(index._snapshot, mask)
    kept = mask.copy()
    mask[:] = False
    np.testing.assert_array_equal(np.concatenate(passing), kept)
    assert living == kept.sum()


@pytest.mark.parametrize(
    "mask", [np.ones(3), np.ones((20_000, 1), bool), np.ones(20_001, bool), np.bool_(1)]
)
def test_masks_that_do_not_fit(index: ExactIndex, data: np.ndarray, mask: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="mask needs dtype bool and shape"):
        index.search(data[:1], 1, mask=mask)
