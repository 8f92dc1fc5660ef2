"""`NearestNeighbors` with scikit-learn's interface, and no need of scikit-learn."""

from __future__ import annotations

from typing import Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from kinlens.errors import InvalidInput
from kinlens.neighbors import options, own, samples, scikit_learn
from kinlens.neighbors.graphs import check_mode, graph_of
from kinlens.neighbors.parameters import Parameters
from kinlens.neighbors.precise import PreciseIndex
from kinlens.neighbors.result import Distances, NeighborMetric, Neighbors, Rows, Within, by_row
from kinlens.neighbors.widening import Real
from kinlens.neighbors.workers import at_most

Ragged: TypeAlias = npt.NDArray[np.object_]
Mode: TypeAlias = Literal["connectivity", "distance"]
Radius: TypeAlias = npt.ArrayLike | None


class NearestNeighbors(Parameters):
    """Exact nearest neighbors, with the interface of `sklearn.neighbors.NearestNeighbors`.

    The neighbors are those that float64 arithmetic finds among the numbers given, whatever screens
    them; ties are by the lower index. float64 and integers that float32 can't hold are kept and
    compared in float64; all else is kept in float32. Vectors are copied.

    Works without scikit-learn; with it, in pipelines, `clone` and wherever else estimators do.

    Parameters
    ----------
    n_neighbors : how many neighbors to find unless told otherwise; None if always told
    radius : within which to find neighbors unless told otherwise, in the terms of the metric
    algorithm : "auto" or "brute", which are the same; trees are refused
    leaf_size : 30; there are no trees for any other
    metric : "euclidean" (also "l2" and "minkowski"), "sqeuclidean", "cosine" or "inner".
        The distance by "cosine" is 1 - cosine similarity, in [0, 2], and 1 from and to vectors of
        zeros. By "inner" it is minus the inner product: the nearest has the greatest, and a radius
        of -0.5 finds products of 0.5 and more
    p : 2
    metric_params : None
    n_jobs : threads to use at most, those of BLAS included; None and -1 for as many as there are
        cores, up to 8
    kernel : what screens: "sketch", "int8", "float32" ...; None picks by hardware and data. It
        makes no difference to what is found

    Attributes
    ----------
    n_features_in_ : length of the vectors
    n_samples_fit_ : how many there are
    feature_names_in_ : object (n_features_in_,), only where X had column names, all of them strings
    effective_metric_ : "euclidean", "sqeuclidean", "cosine" or "inner"
    effective_metric_params_ : {}

    Examples
    --------
    >>> from kinlens import NearestNeighbors
    >>> near = NearestNeighbors(n_neighbors=2).fit([[0, 0], [3, 4], [6, 8]])
    >>> distances, indices = near.kneighbors([[3, 3]])
    >>> distances.tolist(), indices.tolist()
    ([[1.0, 4.242640687119285]], [[1, 0]])
    """

    def __init__(
        self,
        *,
        n_neighbors: int | None = 5,
        radius: float | None = 1.0,
        algorithm: str = "auto",
        leaf_size: int = 30,
        metric: str = "euclidean",
        p: float = 2,
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
        kernel: str | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.radius = radius
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.n_jobs = n_jobs
        self.kernel = kernel

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002, N803  (as scikit-learn calls it)
        """Take in the vectors to search.

        Parameters
        ----------
        X : (n, d) of finite numbers, n and d from 1 up: an array, a table, lists, a tensor; or a
            `NearestNeighbors` that is fitted, whose vectors are taken
        y : not looked at; pipelines give one

        Raises
        ------
        InvalidInput : vectors or parameters that can't be used; a ValueError
        TypeError : n_neighbors isn't a whole number
        """
        metric = options.as_metric(self.metric)
        options.check_method(self.algorithm, self.leaf_size, self.p, self.metric_params)
        if self.n_neighbors is not None:
            options.as_count(self.n_neighbors)
        if self.radius is not None:
            options.as_radius(self.radius, metric)
        threads = options.as_threads(self.n_jobs)
        names = self._names_of(X)
        with at_most(threads):
            index = self._index_of(X, metric)
        self._index = index
        self.n_samples_fit_, self.n_features_in_ = len(index), index.dim
        self.effective_metric_ = metric
        self.effective_metric_params_: dict[str, Any] = {}
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def search(self, X: Any = None, n_neighbors: int | None = None) -> Neighbors:  # noqa: N803
        """The nearest vectors, and how they were found.

        Parameters
        ----------
        X : (q, d), the queries; None for all vectors of `fit`, each without itself
        n_neighbors : how many; None for that of the constructor

        Returns
        -------
        neighbors : with kernel, candidates and whether it is certified

        Raises
        ------
        InvalidInput : more neighbors than there are vectors, or queries that can't be used
        NotFitted : before `fit`
        """
        index = self._fitted()
        count = options.as_count(self.n_neighbors if n_neighbors is None else n_neighbors)
        options.check_count(count, len(index), own=X is None)
        with at_most(options.as_threads(self.n_jobs)):
            if X is None:
                return own.nearest_others(index, count)
            return index.search(self._queries(X), count)

    def within(self, X: Any = None, radius: Radius = None) -> Within:  # noqa: N803
        """All vectors within a radius, that itself included, and how they were found.

        Parameters
        ----------
        X : (q, d), the queries; None for all vectors of `fit`, each without itself
        radius : in the terms of the metric, one for all queries, or (q,), one for each; None for
            that of the constructor
        """
        index = self._fitted()
        queries = None if X is None else self._queries(X)
        count = len(index) if queries is None else len(queries)
        chosen = self.radius if radius is None else radius
        limits = options.as_radius(chosen, index.metric, count)
        with at_most(options.as_threads(self.n_jobs)):
            if queries is None:
                return own.others_within(index, limits)
            return index.within(queries, limits)

    def kneighbors(
        self,
        X: Any = None,  # noqa: N803
        n_neighbors: int | None = None,
        return_distance: bool = True,
        **others: Any,
    ) -> tuple[Distances, Rows] | Rows:
        """The nearest vectors.

        Parameters
        ----------
        X, n_neighbors : as for `search`
        return_distance : whether distances are wanted

        Returns
        -------
        distances : float64 (q, n_neighbors), ascending; only if wanted
        indices : int64 (q, n_neighbors), positions in the X of `fit`, ties by the lower

        Raises
        ------
        TypeError : an argument that isn't taken; for those of other libraries it says what to give
        """
        options.refuse("kneighbors", others)
        found = self.search(X, n_neighbors)
        return (found.distances, found.rows) if return_distance else found.rows

    def radius_neighbors(
        self,
        X: Any = None,  # noqa: N803
        radius: Radius = None,
        return_distance: bool = True,
        sort_results: bool = False,
    ) -> tuple[Ragged, Ragged] | Ragged:
        """All vectors within a radius.

        Parameters
        ----------
        X, radius : as for `within`
        return_distance : whether distances are wanted
        sort_results : whether distances ascend; else indices do. Can't be True without distances,
            as in scikit-learn

        Returns
        -------
        distances : object (q,), each float64 (m,); only if wanted
        indices : object (q,), each int64 (m,)
        """
        if sort_results and not return_distance:
            raise InvalidInput("return_distance must be True if sort_results is True.")
        found = self.within(X, radius)
        found = found if sort_results else by_row(found)
        rows = _ragged(found.rows, found.begins)
        return (_ragged(found.distances, found.begins), rows) if return_distance else rows

    def kneighbors_graph(
        self,
        X: Any = None,  # noqa: N803
        n_neighbors: int | None = None,
        mode: Mode = "connectivity",
    ) -> Any:
        """The nearest vectors as a sparse matrix; needs SciPy.

        Parameters
        ----------
        X, n_neighbors : as for `search`
        mode : "connectivity" for ones, "distance" for the distances

        Returns
        -------
        graph : `scipy.sparse.csr_matrix`, float64 (q, n_samples_fit_); in each row distances ascend

        Raises
        ------
        MissingDependency : SciPy isn't installed
        """
        check_mode(mode)
        return graph_of(self.search(X, n_neighbors), len(self._fitted()), mode)

    def radius_neighbors_graph(
        self,
        X: Any = None,  # noqa: N803
        radius: Radius = None,
        mode: Mode = "connectivity",
        sort_results: bool = False,
    ) -> Any:
        """All vectors within a radius as a sparse matrix; needs SciPy.

        Parameters
        ----------
        X, radius : as for `within`
        mode : as for `kneighbors_graph`
        sort_results : whether distances ascend in each row; else indices do
        """
        check_mode(mode)
        found = self.within(X, radius)
        return graph_of(found if sort_results else by_row(found), len(self._fitted()), mode)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_index")

    def __sklearn_tags__(self) -> Any:
        return scikit_learn.tags()

    @staticmethod
    def _names_of(given: Any) -> npt.NDArray[np.object_] | None:
        if isinstance(given, NearestNeighbors):
            return getattr(given, "feature_names_in_", None)
        return samples.feature_names(given)

    def _index_of(self, given: Any, metric: NeighborMetric) -> PreciseIndex:
        """An index of samples, or that of another estimator; it never changes."""
        if not isinstance(given, NearestNeighbors):
            vectors = samples.as_samples(given, type(self).__name__)
            return PreciseIndex(vectors, metric, self.kernel)
        index = given._fitted()
        if (index.metric, index.kernel) == (metric, self.kernel):
            return index
        return PreciseIndex(index.vectors(slice(None)), metric, self.kernel)

    def _fitted(self) -> PreciseIndex:
        if not self.__sklearn_is_fitted__():
            raise scikit_learn.not_fitted(type(self).__name__)
        return self._index

    def _queries(self, given: Any) -> Real:
        owner = type(self).__name__
        samples.check_names(given, owner, getattr(self, "feature_names_in_", None))
        return samples.as_samples(given, owner, self.n_features_in_)


def _ragged(values: npt.NDArray[Any], begins: Rows) -> Ragged:
    parts = np.empty(len(begins) - 1, dtype=object)
    for query in range(len(parts)):
        parts[query] = values[begins[query] : begins[query + 1]]
    return parts
