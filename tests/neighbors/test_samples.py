"""What estimators take in, and how they refuse the rest: in scikit-learn's words."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn.neighbors

from kinlens.errors import InvalidInput
from kinlens.neighbors import NearestNeighbors
from kinlens.neighbors.samples import as_samples

DATA = np.random.default_rng(0).standard_normal((30, 4))


@pytest.mark.parametrize(
    "given",
    [
        DATA.tolist(),
        np.asfortranarray(DATA),
        np.repeat(DATA, 2, axis=0)[::2],
        DATA[:, ::-1].copy()[:, ::-1],
        DATA.astype(object),
        DATA.astype(">f8"),
        DATA.astype(np.longdouble),
        pd.DataFrame(DATA),
    ],
)
def test_the_same_numbers_in_other_clothes(given: object) -> None:
    near = NearestNeighbors().fit(given)
    expected = NearestNeighbors().fit(DATA).kneighbors(DATA)
    np.testing.assert_array_equal(near.kneighbors(given), expected)


def test_read_only_arrays() -> None:
    frozen = DATA.copy()
    frozen.flags.writeable = False
    for metric in ("euclidean", "cosine", "inner"):
        NearestNeighbors(metric=metric).fit(frozen).kneighbors(frozen)
    np.testing.assert_array_equal(frozen, DATA)


@pytest.mark.parametrize("kind", ["f2", "i1", "u1", "i2", "u2", "?", "f4"])
def test_what_fits_into_float32_takes_no_more(kind: str) -> None:
    assert as_samples(np.ones((2, 3), kind), "Near").dtype == np.float32


@pytest.mark.parametrize("kind", ["i4", "u4", "i8", "u8", "f8", "g"])
def test_what_does_not_is_float64(kind: str) -> None:
    assert as_samples(np.ones((2, 3), kind), "Near").dtype == np.float64


def test_great_integers_keep_their_last_digits() -> None:
    data = 2**40 + np.array([[0], [1], [3]])
    near = NearestNeighbors(n_neighbors=2).fit(data)
    assert near.kneighbors(data[2:])[1].tolist() == [[2, 1]]
    assert near.kneighbors(data[2:])[0].tolist() == [[0, 2]]


BAD = [
    (np.ones(4), "Expected 2D array, got 1D array instead:\n(.|\n)*Reshape your data"),
    (np.float64(3), "Expected 2D array, got scalar array instead"),
    (np.ones((2, 2, 2)), "Found array with dim 3"),
    (np.ones((0, 4)), r"Found array with 0 sample\(s\) \(shape=\(0, 4\)\) while a minimum of 1"),
    ([[]], r"0 feature\(s\) \(shape=\(1, 0\)\) while a minimum of 1 is required"),
    (np.ones((2, 4)) * 1j, "Complex data not supported"),
    ([["a", "b"]], "not numeric"),
    (np.array([["a", 1]], dtype=object), "could not convert string to float"),
    (np.array([["2020-01-01"]], "M8[D]"), "not numeric"),
    ([[1, 2], [3]], "as many in each row"),
    ([[1, np.nan]], "Input X contains NaN, first in row 0"),
    ([[1, 2], [np.inf, 1]], "Input X contains infinity .* first in row 1"),
    ([[1e308, 1e308], [np.nan, 1]], "Input X contains NaN, first in row 1"),
    (np.array([[1e300]], np.longdouble) ** 2, "contains infinity"),
    (scipy.sparse.csr_array(np.eye(4)), "Sparse data was passed"),
    (scipy.sparse.coo_matrix(np.eye(4)), "Sparse data was passed"),
]


@pytest.mark.parametrize(("given", "message"), BAD)
def test_what_can_not_be_used(given: object, message: str) -> None:
    near = NearestNeighbors(n_neighbors=1)
    with pytest.raises(InvalidInput, match=message):
        near.fit(given)
    assert not hasattr(near, "n_features_in_")
    near.fit(DATA)
    for ask in (near.kneighbors, near.radius_neighbors):
        with pytest.raises(ValueError, match=message):
            ask(given)


def test_finite_numbers_whose_sum_overflows_are_fine() -> None:
    near = NearestNeighbors(n_neighbors=1).fit([[1.7e308] * 4, [-1.7e308] * 4])
    assert near.kneighbors([[1.6e308] * 4])[1].tolist() == [[0]]


def test_objects_are_a_type_error_as_numpy_has_it() -> None:
    with pytest.raises(TypeError, match=r"argument must be .* string.* number"):
        NearestNeighbors().fit(np.array([[{}, 1]], dtype=object))


def test_queries_need_as_many_features() -> None:
    near = NearestNeighbors().fit(DATA)
    message = "X has 3 features, but NearestNeighbors is expecting 4 features as input"
    with pytest.raises(InvalidInput, match=message):
        near.kneighbors(DATA[:, :3])


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(DATA, columns=["a", "b", "c", "d"])


def test_column_names(table: pd.DataFrame) -> None:
    near = NearestNeighbors().fit(table)
    assert near.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert near.feature_names_in_.dtype == object
    assert near.kneighbors(table)[1].shape == (30, 5)
    assert not hasattr(near.fit(DATA), "feature_names_in_")
    assert not hasattr(near.fit(pd.DataFrame(DATA)), "feature_names_in_")


Change = Callable[[pd.DataFrame], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table[["b", "a", "c", "d"]],
        lambda table: table.rename(columns={"a": "z"}),
        lambda table: table.drop(columns="a"),
        lambda table: table.rename(columns={"a": 1}),
        lambda table: table.rename(columns=str.upper),
    ],
)
def test_other_column_names_as_scikit_learn_refuses_them(
    table: pd.DataFrame, change: Change
) -> None:
    other = sklearn.neighbors.NearestNeighbors().fit(table)
    near = NearestNeighbors().fit(table)
    with pytest.raises((ValueError, TypeError)) as theirs:
        other.kneighbors(change(table))
    with pytest.raises(InvalidInput) as mine:
        near.kneighbors(change(table))
    assert str(mine.value).splitlines()[0][:90] == str(theirs.value).splitlines()[0][:90]
    assert isinstance(mine.value, type(theirs.value))


def test_names_on_one_side_are_warned_of(table: pd.DataFrame) -> None:
    for fitted, given in ((table, DATA), (DATA, table)):
        near = NearestNeighbors().fit(fitted)
        other = sklearn.neighbors.NearestNeighbors().fit(fitted)
        for ask in ("kneighbors", "radius_neighbors", "kneighbors_graph"):
            with pytest.warns(UserWarning, match="feature names") as mine:
                getattr(near, ask)(given)
            with pytest.warns(UserWarning, match="feature names") as theirs:
                getattr(other, ask)(given)
            assert [str(one.message) for one in mine] == [str(one.message) for one in theirs]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NearestNeighbors().fit(table).kneighbors()
