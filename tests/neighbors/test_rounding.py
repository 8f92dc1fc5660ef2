"""Sums of float32 products err by what their order makes of them; bounds hold for every order.

The data here is made so that products summed from left to right, as a BLAS may do it, err by many
times the few roundings of one sum. Without `sum_error` in the bounds, neighbors are lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kinlens.neighbors import ExactIndex, coding, mutual_keys
from kinlens.neighbors.desk import Desk
from kinlens.neighbors.kernels import bounds, float32
from kinlens.neighbors.kernels.bounds import SLIP
from kinlens.neighbors.mutual_keys import Terms
from kinlens.neighbors.result import NEIGHBOR_METRICS
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import key_of
from neighbors.twin import all_distances, check_neighbors

DIM = 4096
LOST = np.float32(1 + 0.49 * 2.0**-13)
"""Added to a sum from 1,024 to 4,096, all of it but 1 is rounded away."""
MATMUL = np.matmul


def from_left_to_right(left: Any, right: Any, out: Any = None) -> Any:
    """np.matmul of float32 matrices, each sum in the order of its terms."""
    if left.dtype != np.float32 or left.shape[1] != DIM:
        return MATMUL(left, right, out=out)
    found = np.zeros((len(left), right.shape[1]), np.float32)
    for one, two in zip(left.T, right, strict=True):
        found += one[:, np.newaxis] * two
    if out is None:
        return found
    out[:] = found
    return out


@pytest.fixture(autouse=True)
def sums_from_left_to_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "matmul", from_left_to_right)


def rows_that_lose() -> np.ndarray:
    """The nearest to a query of ones is the last row, whose products lose the most.

    The others are 1, and one number more by what makes them a little farther; their products are
    exact. As many rows of -1 keep the center of all near 0.
    """
    farther = np.ones((30, DIM), np.float32)
    farther[:, 0] += np.linspace(0.16, 0.2, 30).astype(np.float32).round(3)
    losing = np.full((1, DIM), LOST)
    return np.concatenate([-farther, -losing, farther, losing])


QUERY = np.ones((1, DIM), np.float32)


def nothing(dim: int) -> float:
    """In place of `sum_error`."""
    return 0.0


def test_the_order_of_the_sums_matters() -> None:
    """By more than the bounds allow for beside `sum_error`."""
    data = rows_that_lose()
    found = from_left_to_right(QUERY, data.T)[0]
    truth = (QUERY.astype(float) @ data.T.astype(float))[0]
    errors = np.abs(found - truth) / DIM
    assert errors[-1] > 8 * SLIP
    assert errors[-1] <= coding.sum_error(DIM)
    assert errors[31:-1].max() < SLIP
    assert truth.argmax() == len(data) - 1 != found.argmax()


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
def test_the_nearest_is_found_in_any_order_of_sums(metric: str) -> None:
    data = rows_that_lose()
    index = ExactIndex(DIM, kernel="float32")
    index.append(data)
    found = index.search(QUERY, 1, metric=metric)
    assert found.kernel == "float32"
    assert found.rows.tolist() == [[len(data) - 1]]
    check_neighbors(found, data, QUERY, 1, metric)


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
def test_without_the_term_it_is_lost(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the test above fails if the term goes."""
    monkeypatch.setattr(float32, "sum_error", nothing)
    monkeypatch.setattr(bounds, "sum_error", nothing)
    index = ExactIndex(DIM, kernel="float32")
    index.append(rows_that_lose())
    assert index.search(QUERY, 1, metric=metric).rows.tolist() != [[len(rows_that_lose()) - 1]]


def within(radius: float, metric: str) -> list[int]:
    index = ExactIndex(DIM, kernel="float32")
    index.append(rows_that_lose())
    rows: list[int] = index.within(QUERY, radius, metric=metric).rows.tolist()
    return rows


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
def test_all_within_a_radius_are_found_in_any_order_of_sums(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = rows_that_lose()
    nearest = float(all_distances(data, QUERY, metric).min())
    radius = nearest + 1e-6 * DIM if metric == "inner" else 1.5 * nearest + 1e-9
    assert within(radius, metric) == [len(data) - 1]
    monkeypatch.setattr(float32, "sum_error", nothing)
    monkeypatch.setattr(bounds, "sum_error", nothing)
    assert within(radius, metric) == []


def chunks_of(data: np.ndarray) -> tuple[Chunk, ...]:
    return (Chunk.begun(0, data, None).appended(np.arange(len(data)), data),)


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
def test_keys_of_pairs_are_within_their_bound(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of vectors among themselves, of unit length and not; without the term they aren't."""

    def excess(data: np.ndarray) -> float:
        chunks = chunks_of(data)
        terms = Terms.of(chunks, metric)
        block = terms.block(chunks[0], 0, len(data), 0)
        keys = block.keys(block.scaled(), block, Desk()).astype(float) + terms.shift
        truth = key_of(all_distances(data, data, metric), metric)
        return float((np.abs(keys - truth) - block.own[:, np.newaxis] - block.own).max())

    for data in (rows_that_lose(), (rows_that_lose() / np.float32(DIM**0.5))):
        assert excess(data) <= 0
    monkeypatch.setattr(mutual_keys, "sum_error", nothing)
    assert excess(rows_that_lose()) > 0


def test_squares_need_the_term_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Squares summed from left to right err by more than a few roundings, and the norms hold."""

    def summed(vectors: np.ndarray) -> np.ndarray:
        found = np.zeros(len(vectors), np.float32)
        for column in vectors.T:
            found += column * column
        return found

    monkeypatch.setattr(coding, "squares", summed)
    data = np.concatenate([rows_that_lose(), np.full((1, DIM), LOST**0.5, np.float32)])
    codes = chunks_of(data)[0].codes
    truth = np.square(data.astype(float) - codes.center.vector).sum(axis=1)
    errors = np.abs(codes.square[: len(data)] - truth) / truth
    assert SLIP < errors.max() <= coding.sum_error(DIM)
    reach = bounds.reach(codes.square[: len(data)], DIM)
    assert (reach >= np.sqrt(truth)).all()
