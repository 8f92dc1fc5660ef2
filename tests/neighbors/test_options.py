"""Parameters of NearestNeighbors: honored or refused, never ignored."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kinlens.errors import InvalidInput, NotFitted
from kinlens.neighbors import NearestNeighbors, options

DATA = np.random.default_rng(0).standard_normal((10, 3))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"algorithm": "kd_tree"}, "'auto' or 'brute', .* got 'kd_tree'"),
        ({"algorithm": "ball_tree"}, "builds no trees"),
        ({"leaf_size": 10}, "leaf_size is for trees"),
        ({"metric": "manhattan"}, "The metric is one of euclidean, l2, .* got 'manhattan'"),
        ({"metric": "precomputed"}, "got 'precomputed'"),
        ({"metric": len}, "The metric is one of"),
        ({"metric": None}, "The metric is one of"),
        ({"p": 1}, "p is 2"),
        ({"metric": "minkowski", "p": 3}, "p is 2"),
        ({"metric_params": {"w": [1, 2, 3]}}, "No metric here takes metric_params"),
        ({"n_neighbors": 0}, "Expected n_neighbors > 0. Got 0"),
        ({"n_neighbors": -3}, "Expected n_neighbors > 0. Got -3"),
        ({"n_neighbors": True}, "Expected n_neighbors > 0. Got True"),
        ({"radius": -1.0}, "The radius is 0 or more"),
        ({"radius": np.nan}, "The radius is a number"),
        ({"radius": "far"}, "The radius is a number"),
        ({"n_jobs": 0}, "n_jobs is a number of threads"),
        ({"n_jobs": 1.5}, "n_jobs is a number of threads"),
        ({"kernel": "magic"}, "The kernel is one of"),
    ],
)
def test_what_can_not_be_honored_is_refused_by_fit(params: dict[str, object], message: str) -> None:
    near = NearestNeighbors(**params)
    with pytest.raises(InvalidInput, match=message):
        near.fit(DATA)


@pytest.mark.parametrize("count", [2.0, "2", np.float64(2)])
def test_counts_are_whole_numbers(count: object) -> None:
    with pytest.raises(TypeError, match=r"n_neighbors does not take .* value, enter integer value"):
        NearestNeighbors(n_neighbors=count).fit(DATA)
    with pytest.raises(TypeError, match="n_neighbors does not take"):
        NearestNeighbors().fit(DATA).kneighbors(DATA, count)


@pytest.mark.parametrize(
    "params",
    [
        {"algorithm": "brute"},
        {"leaf_size": 30, "p": 2.0, "metric_params": {}},
        {"metric": "minkowski", "p": 2},
        {"n_neighbors": np.int64(3), "radius": np.float32(2), "n_jobs": np.int8(1)},
        {"n_neighbors": None, "radius": None},
        {"metric": "inner", "radius": -0.5},
        {"radius": np.inf},
    ],
)
def test_what_can_be_is_accepted(params: dict[str, object]) -> None:
    near = NearestNeighbors(**params).fit(DATA)
    assert near.kneighbors(DATA, 2)[1].shape == (10, 2)
    assert near.radius_neighbors(DATA, 2)[1].shape == (10,)


def test_more_neighbors_than_there_are() -> None:
    near = NearestNeighbors(n_neighbors=99).fit(DATA)
    with pytest.raises(InvalidInput, match="Expected n_neighbors <= n_samples_fit, but"):
        near.kneighbors(DATA)
    with pytest.raises(ValueError, match="n_neighbors = 10, n_samples_fit = 10"):
        near.kneighbors(None, 10)
    assert near.kneighbors(DATA, 10)[1].shape == (10, 10)
    assert near.kneighbors(None, 9)[1].shape == (10, 9)
    with pytest.raises(InvalidInput, match="Expected n_neighbors > 0"):
        near.kneighbors(DATA, 0)


def test_a_radius_below_0_is_for_products() -> None:
    with pytest.raises(InvalidInput, match="The radius is 0 or more"):
        NearestNeighbors().fit(DATA).radius_neighbors(DATA, -1)
    rows = NearestNeighbors(metric="inner").fit(DATA).radius_neighbors(DATA, -1.5)[1]
    products = DATA @ DATA.T
    assert [one.tolist() for one in rows] == [np.flatnonzero(p >= 1.5).tolist() for p in products]


def test_parameters_that_are_none_need_to_be_told() -> None:
    near = NearestNeighbors(n_neighbors=None, radius=None).fit(DATA)
    with pytest.raises(TypeError, match="NoneType"):
        near.kneighbors(DATA)
    with pytest.raises(InvalidInput, match="The radius is a number; got None"):
        near.radius_neighbors(DATA)


def test_unknown_modes_of_graphs() -> None:
    near = NearestNeighbors().fit(DATA)
    for graph in (near.kneighbors_graph, near.radius_neighbors_graph):
        with pytest.raises(InvalidInput, match=r'Unsupported mode, must be one of .* got "blah"'):
            graph(DATA, mode="blah")


def test_every_metric_has_a_name_of_its_own() -> None:
    assert {name for name, metric in options.METRICS.items() if name == metric} == set(
        options.METRICS.values()
    )


def test_a_radius_for_each_query() -> None:
    """For what float32 holds and for what it doesn't, for others and for the vectors themselves."""
    radius = np.linspace(0, 3, 10)
    for data in (DATA.astype(np.float32), DATA):
        apart = np.linalg.norm(data[:, np.newaxis].astype(float) - data.astype(float), axis=2)
        near = NearestNeighbors().fit(data)
        for own in (False, True):
            found = near.radius_neighbors(None if own else data, radius, sort_results=True)[1]
            for query, rows in enumerate(found):
                within = np.flatnonzero(apart[query] <= radius[query])
                assert set(rows) == set(within) - ({query} if own else set())


@pytest.mark.parametrize("radius", [[1.0, 2.0], np.ones((10, 1)), ["a"] * 10, [np.nan] * 10])
def test_radii_that_fit_no_queries(radius: object) -> None:
    with pytest.raises(InvalidInput, match="The radius is a number, or 10 of them"):
        NearestNeighbors().fit(DATA).radius_neighbors(DATA, radius)


@pytest.mark.parametrize(
    ("name", "way"),
    [("n_gpus", "kernel='cuda'"), ("handle", "kernel='cuda'"), ("verbose", "print")],
)
def test_parameters_of_cuml_name_the_way(name: str, way: str) -> None:
    with pytest.raises(TypeError, match=rf"unexpected keyword argument '{name}'; here .*{way}"):
        NearestNeighbors(n_neighbors=3, **{name: 1})


def test_k_of_cuml_names_the_way() -> None:
    near = NearestNeighbors().fit(DATA)
    with pytest.raises(TypeError, match="unexpected keyword argument 'k'; here n_neighbors"):
        near.kneighbors(DATA, k=3)
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'magic'$"):
        near.kneighbors(DATA, magic=3)
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'magic'$"):
        NearestNeighbors(magic=3)


class Two(NearestNeighbors):
    """With a constructor of its own."""

    def __init__(self, n_neighbors: int = 2) -> None:
        super().__init__(n_neighbors=n_neighbors)


def test_subclasses_may_have_other_constructors() -> None:
    assert Two(3).fit(DATA).kneighbors(DATA)[1].shape == (10, 3)
    assert repr(Two(n_neighbors=4)) == "Two(n_neighbors=4)"


def test_fit_on_a_fitted_estimator_takes_its_vectors() -> None:
    table = pd.DataFrame(DATA, columns=["a", "b", "c"])
    first = NearestNeighbors(n_neighbors=3).fit(table)
    distances, rows = first.kneighbors(table)
    for other in (
        NearestNeighbors(n_neighbors=3).fit(first),
        NearestNeighbors(n_neighbors=3, kernel="float64").fit(first),
    ):
        np.testing.assert_array_equal(other.kneighbors(table)[0], distances)
        np.testing.assert_array_equal(other.kneighbors(table)[1], rows)
        assert other.feature_names_in_.tolist() == ["a", "b", "c"]
        assert other.n_samples_fit_ == 10
    cosine = NearestNeighbors(n_neighbors=3, metric="cosine").fit(first)
    expected = NearestNeighbors(n_neighbors=3, metric="cosine").fit(DATA).kneighbors(DATA)
    np.testing.assert_array_equal(cosine.kneighbors(table)[0], expected[0])
    first.fit(DATA[:5])
    assert other.n_samples_fit_ == 10
    with pytest.raises(NotFitted, match="not fitted"):
        NearestNeighbors().fit(NearestNeighbors())


def test_a_refused_fit_leaves_the_former_one() -> None:
    near = NearestNeighbors(n_neighbors=1).fit(DATA)
    with pytest.raises(InvalidInput, match="NaN"):
        near.fit(np.full((3, 3), np.nan))
    assert near.kneighbors(DATA)[1].ravel().tolist() == list(range(10))
