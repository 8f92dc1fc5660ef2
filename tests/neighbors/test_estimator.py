"""NearestNeighbors beside scikit-learn's: the same answers, the same manners."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest
import sklearn.neighbors
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import ParameterGrid
from sklearn.neighbors import sort_graph_by_row_values
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import kinlens
from kinlens.errors import InvalidInput, NotFitted
from kinlens.neighbors import NearestNeighbors

SHARED = ("euclidean", "l2", "minkowski", "sqeuclidean", "cosine")
KINDS = (np.float32, np.float64, np.float16, np.int8, np.uint8, np.int64, np.bool_)


def points(n: int = 200, d: int = 12, seed: int = 0, kind: Any = np.float64) -> np.ndarray:
    """Rows that differ, of any kind of number."""
    data = np.random.default_rng(seed).standard_normal((n, d))
    return data > 0 if kind is np.bool_ else (40 + 20 * data).clip(0, 120).astype(kind)


def theirs(**params: Any) -> Any:
    return sklearn.neighbors.NearestNeighbors(algorithm="brute", **params)


def check_same(
    mine: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], wide: float = 1e-9
) -> None:
    """Assert the same distances, and rows that differ only within ties."""
    for one, two in zip(zip(*mine, strict=True), zip(*other, strict=True), strict=True):
        distances, rows = _sorted(*one)
        expected, numbers = _sorted(*two)
        slack = wide * (1 + expected.max(initial=0))
        np.testing.assert_allclose(distances, expected, rtol=0, atol=slack)
        certain = expected < expected.max(initial=-np.inf) - slack
        assert set(numbers[certain]) <= set(rows)
        assert len(set(rows)) == len(rows) == len(numbers)


def _sorted(distances: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(distances, kind="stable")
    return distances[order], rows[order]


def scikit_learn_checks() -> Iterator[Any]:
    """Each of scikit-learn's checks, for each metric that differs."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not inherit from", UserWarning)
        for metric in ("euclidean", "cosine", "inner"):
            for estimator, check in estimator_checks_generator(NearestNeighbors(metric=metric)):
                name = getattr(check, "func", check).__name__
                yield pytest.param(estimator, check, id=f"{metric}-{name}")


@pytest.mark.filterwarnings("ignore:.*does not inherit from:UserWarning")
@pytest.mark.parametrize(("estimator", "check"), list(scikit_learn_checks()))
def test_the_checks_of_scikit_learn(estimator: NearestNeighbors, check: Any) -> None:
    try:
        check(estimator)
    except SkipTest as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("metric", SHARED)
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_neighbors(kind: Any, metric: str) -> None:
    data, queries = points(kind=kind), points(20, seed=1, kind=kind)
    mine = NearestNeighbors(metric=metric, n_neighbors=7).fit(data)
    other = theirs(metric=metric, n_neighbors=7).fit(data.astype(np.float64))
    wide = 1e-7 if metric != "cosine" else 1e-9  # theirs loses half the digits of a square root
    for given in (queries, data[:30]):
        expected = other.kneighbors(given.astype(np.float64))
        check_same(mine.kneighbors(given), expected, wide)
    radius = float(expected[0][:, -1].max())
    found = mine.radius_neighbors(queries, radius * 1.1 + 1e-3)
    check_same(found, other.radius_neighbors(queries.astype(float), radius * 1.1 + 1e-3), wide)


@pytest.mark.parametrize("metric", SHARED)
def test_neighbors_of_the_vectors_themselves(metric: str) -> None:
    data = np.concatenate([points(60), points(60)[:20], points(60)[:20]])
    mine = NearestNeighbors(metric=metric).fit(data)
    other = theirs(metric=metric).fit(data)
    check_same(mine.kneighbors(), other.kneighbors(), 1e-6)
    assert not (mine.kneighbors(return_distance=False) == np.arange(100)[:, None]).any()
    radius = float(np.median(mine.kneighbors()[0]))
    found = mine.radius_neighbors(None, radius, sort_results=True)
    all_distances, _ = mine.kneighbors(data, 100)
    expected = (all_distances <= radius).sum(axis=1) - 1
    assert [len(rows) for rows in found[1]] == expected.tolist()
    assert all(number not in rows for number, rows in enumerate(found[1]))


def test_no_vector_is_its_own_neighbor_by_inner_product() -> None:
    data = points(300) - 40
    distances, rows = NearestNeighbors(metric="inner", n_neighbors=4).fit(data).kneighbors()
    truth = -(data @ data.T)
    np.fill_diagonal(truth, np.inf)
    np.testing.assert_array_equal(rows, np.argsort(truth, axis=1)[:, :4])
    np.testing.assert_allclose(distances, np.sort(truth, axis=1)[:, :4])


def test_duplicates_as_scikit_learn_has_them() -> None:
    mine, other = NearestNeighbors(n_neighbors=1), theirs(n_neighbors=1)
    few = np.ones((3, 1))
    np.testing.assert_array_equal(mine.fit(few).kneighbors(), other.fit(few).kneighbors())
    many = mine.fit(np.ones((5000, 1))).kneighbors(n_neighbors=3)
    assert (many[0] == 0).all()
    assert (many[1] < 4).all()
    assert not (many[1] == np.arange(5000)[:, np.newaxis]).any()


def test_ties_are_by_the_lower_index() -> None:
    near = NearestNeighbors(n_neighbors=2).fit([[1, 0], [0, 1], [-1, 0], [0, -1]])
    assert near.kneighbors([[0, 0]])[1].tolist() == [[0, 1]]
    near = NearestNeighbors(n_neighbors=4).fit(np.tile([[0.1], [0.2]], (3000, 1)))
    assert near.kneighbors([[0.1], [0.2]])[1].tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_distances_of_float64_are_not_rounded() -> None:
    data = np.array([[1e9], [1e9 + 1e-6], [1e9 + 3e-6]])
    near = NearestNeighbors(n_neighbors=3).fit(data)
    distances, rows = near.kneighbors([[1e9 + 2.9e-6]])
    assert rows.tolist() == [[2, 1, 0]]
    np.testing.assert_array_equal(distances[0], np.abs(data[[2, 1, 0], 0] - (1e9 + 2.9e-6)))


@pytest.mark.parametrize("mode", ["connectivity", "distance"])
def test_graphs(mode: str) -> None:
    data, queries = points(), points(30, seed=1)
    mine, other = NearestNeighbors(radius=75).fit(data), theirs(radius=75).fit(data)
    for given in (queries, None):
        for name in ("kneighbors_graph", "radius_neighbors_graph"):
            found = getattr(mine, name)(given, mode=mode)
            expected = getattr(other, name)(given, mode=mode)
            assert found.format == expected.format == "csr"
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
            np.testing.assert_allclose(found.toarray(), expected.toarray(), atol=1e-6)
    sort_graph_by_row_values(mine.kneighbors_graph(data, 5, "distance"), warn_when_not_sorted=True)
    graph = mine.radius_neighbors_graph(queries, 80, "distance", sort_results=True)
    sort_graph_by_row_values(graph, warn_when_not_sorted=True)
    assert mine.radius_neighbors_graph(queries).has_sorted_indices


def test_zero_distances_stay_in_graphs() -> None:
    graph = NearestNeighbors(n_neighbors=1).fit(np.ones((3, 1))).kneighbors_graph(mode="distance")
    assert graph.nnz == 3
    assert graph.data.tolist() == [0, 0, 0]


def test_results_within_a_radius_are_ragged_arrays() -> None:
    near = NearestNeighbors(radius=3.0).fit([[1.5], [3.0], [3.01]])
    rows = near.radius_neighbors([[0.0]], return_distance=False)
    assert (rows.shape, rows.dtype) == ((1,), object)
    assert rows[0].tolist() == [0, 1]
    distances, rows = near.radius_neighbors([[2.9], [99]], 2)
    assert rows[0].tolist() == [0, 1, 2]
    assert [one.tolist() for one in near.radius_neighbors([[2.9]], 2, sort_results=True)[1]] == [
        [1, 2, 0]
    ]
    assert (rows[1].dtype, distances[1].dtype, len(rows[1])) == (np.int64, np.float64, 0)
    with pytest.raises(ValueError, match="return_distance must be True"):
        near.radius_neighbors([[0.0]], return_distance=False, sort_results=True)


def test_zero_vectors_are_at_a_right_angle_to_all() -> None:
    data = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.1]])
    near = NearestNeighbors(metric="cosine", n_neighbors=3).fit(data)
    other = theirs(metric="cosine", n_neighbors=3).fit(data.copy())  # the same would be 0 away
    check_same(near.kneighbors(data), other.kneighbors(data))
    assert near.kneighbors([[0.0, 0.0]])[0].tolist() == [[1.0, 1.0, 1.0]]


def test_results_say_how_they_were_found() -> None:
    data = points(1000, 64)
    near = NearestNeighbors(n_neighbors=3, kernel="float32").fit(data)
    found = near.search(data[:5])
    assert (found.kernel, found.certified, found.rows.shape) == ("float32", True, (5, 3))
    assert 15 <= found.candidates < 1000
    ball = near.within(data[:5], 100)
    assert (ball.kernel, ball.certified, len(ball)) == ("float32", True, 5)
    assert near.search().rows.shape == (1000, 3)


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1, -2, 99])
def test_threads_make_no_difference(n_jobs: int | None) -> None:
    data = points(3000, 40)
    found = NearestNeighbors(n_jobs=n_jobs).fit(data).kneighbors(data[:70])
    expected = NearestNeighbors().fit(data).kneighbors(data[:70])
    np.testing.assert_array_equal(found, expected)


def test_parameters() -> None:
    near = NearestNeighbors(n_neighbors=3, metric="cosine")
    assert repr(near) == "NearestNeighbors(metric='cosine', n_neighbors=3)"
    assert repr(NearestNeighbors()) == "NearestNeighbors()"
    assert set(theirs().get_params()) < set(near.get_params())
    assert near.set_params(n_neighbors=9) is near
    assert clone(near).get_params() == near.get_params()
    assert not hasattr(clone(near.fit(points())), "n_features_in_")
    for params in ParameterGrid({"n_neighbors": [1, 2], "metric": ["l2", "inner"]}):
        assert (
            near.set_params(**params).fit(points()).kneighbors()[1].shape[1]
            == params["n_neighbors"]
        )
    with pytest.raises(ValueError, match="Invalid parameter 'neighbors' for estimator"):
        near.set_params(metric="euclidean", neighbors=3)
    assert near.metric == "inner" or near.metric == "l2"


def test_attributes_of_a_fit() -> None:
    near = NearestNeighbors(metric="minkowski")
    assert near.fit(points()) is near
    assert (near.n_features_in_, near.n_samples_fit_) == (12, 200)
    assert (near.effective_metric_, near.effective_metric_params_) == ("euclidean", {})
    near.fit(points(50, 3))
    assert near.kneighbors([[1, 2, 3]])[1].shape == (1, 5)


def test_in_a_pipeline() -> None:
    pipeline = make_pipeline(StandardScaler(), NearestNeighbors(n_neighbors=3)).fit(points())
    assert "NearestNeighbors" in repr(pipeline)
    scaled = pipeline[:-1].transform(points())
    assert pipeline[-1].kneighbors(scaled, 1)[1].ravel().tolist() == list(range(200))
    assert clone(pipeline).set_params(nearestneighbors__n_neighbors=2)[-1].n_neighbors == 2


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_copies_find_the_same(kind: Any) -> None:
    near = NearestNeighbors(metric="cosine").fit(points(kind=kind))
    expected = near.kneighbors(points(9, seed=1))
    for again in (pickle.loads(pickle.dumps(near)), copy.deepcopy(near)):  # noqa: S301
        np.testing.assert_array_equal(again.kneighbors(points(9, seed=1)), expected)
        assert again.get_params() == near.get_params()
    assert len(pickle.dumps(near)) < points(kind=kind).nbytes + 3000


def test_what_is_fitted_is_a_copy() -> None:
    data = points()
    near = NearestNeighbors().fit(data)
    expected = near.kneighbors(points(9, seed=1))
    data[:] = 0
    np.testing.assert_array_equal(near.kneighbors(points(9, seed=1)), expected)


def test_not_fitted() -> None:
    for ask in ("kneighbors", "radius_neighbors", "kneighbors_graph", "search", "within"):
        with pytest.raises(NotFittedError, match="not fitted yet") as caught:
            getattr(NearestNeighbors(), ask)([[1]])
        assert isinstance(caught.value, NotFitted)


def test_many_threads_search_one_estimator() -> None:
    near = NearestNeighbors(n_neighbors=4).fit(points(2000, 40))
    queries = points(64, 40, seed=1)
    expected = near.kneighbors(queries)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(near.kneighbors, [queries] * 12):
            np.testing.assert_array_equal(found, expected)


ALONE = """
import sys
sys.modules["sklearn"] = sys.modules["scipy"] = None
from kinlens import NearestNeighbors
from kinlens.errors import MissingDependency, NotFitted
near = NearestNeighbors(n_neighbors=1)
try:
    near.kneighbors([[1]])
except NotFitted as error:
    print(type(error).__name__, isinstance(error, ValueError), isinstance(error, AttributeError))
near.fit([[0], [1.1], [5]])
print(near.kneighbors([[2], [4]])[1].ravel(), near.radius_neighbors([[2]], 3)[1][0], near)
try:
    near.kneighbors_graph()
except MissingDependency as error:
    print(error)
"""


def test_without_scikit_learn_and_scipy() -> None:
    found = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, check=True
    )
    assert found.stdout.splitlines() == [
        "NotFitted True True",
        "[1 2] [0 1 2] NearestNeighbors(n_neighbors=1)",
        "Graphs of neighbors need SciPy; install it with: pip install 'kinlens[sklearn]'",
    ]
    assert found.stderr == ""


def test_public_name() -> None:
    assert kinlens.NearestNeighbors is NearestNeighbors


@pytest.mark.parametrize("d", [1, 4099])
def test_short_and_long_vectors(d: int) -> None:
    data = np.random.default_rng(0).standard_normal((40, d))
    for kind in (np.float32, np.float64):
        near = NearestNeighbors(n_neighbors=40).fit(data.astype(kind))
        expected = theirs(n_neighbors=40).fit(data.astype(kind)).kneighbors(data[:3].astype(kind))
        check_same(near.kneighbors(data[:3].astype(kind)), expected, 1e-5)


def test_one_vector() -> None:
    near = NearestNeighbors(n_neighbors=1).fit([[3.3]])
    assert near.kneighbors([[0]])[1].tolist() == [[0]]
    assert near.radius_neighbors(None, 9)[1][0].tolist() == []
    with pytest.raises(InvalidInput, match="Expected n_neighbors < n_samples_fit, but"):
        near.kneighbors()
