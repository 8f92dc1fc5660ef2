"""Vectors as callers have them: masked, sparse, tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

from kinlens import NearestNeighbors, stream_neighbors
from kinlens.errors import InvalidInput
from kinlens.neighbors import ExactIndex

DATA = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
NEAREST = np.arange(20)


def by_estimator(given: Any) -> np.ndarray:
    return NearestNeighbors(n_neighbors=1).fit(given).kneighbors(given)[1][:, 0]


def by_index(given: Any) -> np.ndarray:
    index = ExactIndex(4)
    index.append(given)
    return index.search(given, 1).rows[:, 0]


def by_stream(given: Any) -> np.ndarray:
    return stream_neighbors(given, given, 1).rows[:, 0]


DOORS = pytest.mark.parametrize("nearest", [by_estimator, by_index, by_stream])
Nearest = Callable[[Any], np.ndarray]


@DOORS
def test_masked_values_are_refused(nearest: Nearest) -> None:
    masked = np.ma.masked_array(DATA, mask=False)
    assert (nearest(masked) == NEAREST).all()
    assert (nearest(np.ma.masked_array(DATA)) == NEAREST).all()
    masked[7, 2] = np.ma.masked
    with pytest.raises(InvalidInput, match=r"holds 1 masked values, the first at \[7, 2\]"):
        nearest(masked)


@DOORS
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.tensor(DATA, requires_grad=True),
        lambda: torch.tensor(DATA, requires_grad=True) * 1.0,
        lambda: torch.tensor(DATA, dtype=torch.float64),
        lambda: torch.nn.Parameter(torch.tensor(DATA)),
        lambda: torch.tensor(-DATA)._neg_view(),
    ],
    ids=["leaf", "computed", "float64", "parameter", "negated view"],
)
def test_tensors_are_taken(nearest: Nearest, make: Callable[[], Any]) -> None:
    assert (nearest(make()) == NEAREST).all()


def test_bfloat16_is_widened() -> None:
    tensor = torch.tensor(DATA).to(torch.bfloat16)
    found = NearestNeighbors(n_neighbors=2).fit(tensor).kneighbors(DATA)
    expected = NearestNeighbors(n_neighbors=2).fit(tensor.float().numpy()).kneighbors(DATA)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@DOORS
@pytest.mark.parametrize(
    "make",
    [
        lambda: scipy.sparse.csr_matrix(DATA),
        lambda: scipy.sparse.coo_array(DATA),
        lambda: scipy.sparse.dok_matrix(DATA),
        lambda: torch.tensor(DATA).to_sparse(),
    ],
    ids=["csr", "coo", "dok", "torch"],
)
def test_sparse_data_is_refused_with_the_way(nearest: Nearest, make: Callable[[], Any]) -> None:
    with pytest.raises(InvalidInput, match=r"dense data is required. Use '.toarray\(\)'"):
        nearest(make())


@pytest.mark.parametrize("given", [[[1.0, 2, 3, 4], [1.0]], [["a", "b", "c", "d"]], object()])
def test_what_are_no_vectors_of_an_index(given: Any) -> None:
    with pytest.raises(InvalidInput, match="need"):
        ExactIndex(4).append(given)


def test_masks_and_radii_that_are_masked() -> None:
    index = ExactIndex(4)
    index.append(DATA)
    masked = np.ma.masked_array(np.ones(20, bool), mask=[True] + [False] * 19)
    with pytest.raises(InvalidInput, match="The mask holds 1 masked values"):
        index.search(DATA, 1, mask=masked)
    with pytest.raises(InvalidInput, match="The radius holds 20 masked values"):
        index.within(DATA, np.ma.masked_all(20))


def test_an_example_that_is_a_tensor(tmp_path: Path) -> None:
    from kinlens.examples import _unit

    tensor = torch.tensor([3.0, 0, 4, 0], requires_grad=True)
    np.testing.assert_allclose(_unit(tensor, 4), [0.6, 0, 0.8, 0], rtol=1e-6)
    with pytest.raises(InvalidInput, match="A vector holds 1 masked values"):
        _unit(np.ma.masked_array([3.0, 0, 4, 0], mask=[1, 0, 0, 0]), 4)
    with pytest.raises(InvalidInput, match="complex numbers aren't real"):
        _unit([3j, 0, 4, 0], 4)


def test_rows_of_a_list_are_read_as_arrays_are() -> None:
    rows = np.ma.masked_greater(np.arange(12.0).reshape(3, 4), 10)
    index = ExactIndex(4)
    with pytest.raises(InvalidInput, match="masked"):
        index.append([*rows])
    index.append([row.requires_grad_() for row in torch.ones(3, 4, dtype=torch.bfloat16)])
    assert index.vectors([2]).tolist() == [[1.0] * 4]


def test_tensors_without_values_are_refused() -> None:
    with pytest.raises(InvalidInput, match="can't be read from this tensor"):
        NearestNeighbors().fit(torch.ones(3, 4, device="meta"))
