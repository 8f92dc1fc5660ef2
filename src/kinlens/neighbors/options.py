"""Checks what `NearestNeighbors` was constructed with: honored, or refused, never ignored."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Iterable
from typing import Any

from kinlens.errors import InvalidInput
from kinlens.neighbors import checks
from kinlens.neighbors.result import Distances, NeighborMetric

METRICS: dict[str, NeighborMetric] = {
    "euclidean": "euclidean",
    "l2": "euclidean",
    "minkowski": "euclidean",
    "sqeuclidean": "sqeuclidean",
    "cosine": "cosine",
    "inner": "inner",
}
_ALGORITHMS = ("auto", "brute")
_LEAF_SIZE = 30


_ELSEWHERE = {
    "k": "n_neighbors is how many neighbors to find",
    "n_gpus": "kernel='cuda' searches on an NVIDIA GPU; more than one isn't used",
    "handle": "no handle is needed; kernel='cuda' searches on an NVIDIA GPU",
    "output_type": "answers are NumPy arrays",
    "verbose": "nothing is printed",
    "algo_params": "there are no approximate indexes: searches are exact",
    "two_pass_precision": "all neighbors are decided in float64",
    "devices": "kernel='cuda' searches on an NVIDIA GPU; more than one isn't used",
}
"""Arguments of cuML's NearestNeighbors, with what to give instead."""


def refuse(owner: str, arguments: Iterable[str]) -> None:
    """Raise TypeError for arguments that aren't taken; for those of cuML it names the way."""
    for name in arguments:
        way = _ELSEWHERE.get(name)
        message = f"{owner}() got an unexpected keyword argument {name!r}"
        raise TypeError(f"{message}; here {way}. Leave {name} out." if way else message)


def as_metric(metric: Any) -> NeighborMetric:
    """The metric behind a name of scikit-learn's."""
    if isinstance(metric, str) and metric in METRICS:
        return METRICS[metric]
    raise InvalidInput(
        f"The metric is one of {', '.join(METRICS)}; got {metric!r}. "
        "For others use scikit-learn's NearestNeighbors."
    )


def check_method(algorithm: Any, leaf_size: Any, p: Any, metric_params: Any) -> None:
    """Refuse what asks for another method or another metric than there is."""
    if algorithm not in _ALGORITHMS:
        raise InvalidInput(
            f"The algorithm is 'auto' or 'brute', which are the same here; got {algorithm!r}. "
            "Kinlens builds no trees and is exact without."
        )
    if leaf_size != _LEAF_SIZE:
        raise InvalidInput(
            f"leaf_size is for trees, and Kinlens builds none; got {leaf_size!r}. Leave it out."
        )
    if p != 2:
        raise InvalidInput(f"p is 2, the Euclidean distance; got {p!r}.")
    if metric_params:
        raise InvalidInput(f"No metric here takes metric_params; got {metric_params!r}.")


def as_count(n_neighbors: Any) -> int:
    """How many neighbors, from 1 up.

    Raises
    ------
    TypeError : not a whole number, as scikit-learn has it
    """
    try:
        count = operator.index(n_neighbors)
    except TypeError as error:
        raise TypeError(
            f"n_neighbors does not take {type(n_neighbors)} value, enter integer value"
        ) from error
    if count < 1 or isinstance(n_neighbors, bool):
        raise InvalidInput(f"Expected n_neighbors > 0. Got {n_neighbors!r}")
    return count


def check_count(count: int, fitted: int, *, own: bool) -> None:
    """Refuse more neighbors than there are, where a vector doesn't count as its own."""
    if count > fitted - own:
        raise InvalidInput(
            f"Expected n_neighbors {'<' if own else '<='} n_samples_fit, but "
            f"n_neighbors = {count}, n_samples_fit = {fitted}."
        )


def as_radius(radius: Any, metric: NeighborMetric, queries: int = 1) -> Distances:
    """Numbers that distances can be compared with; below 0 for the inner product only.

    Parameters
    ----------
    radius : one for all queries, or one for each
    queries : how many there are

    Returns
    -------
    radius : float64 (queries,)
    """
    if radius is None or isinstance(radius, bool | str):
        raise InvalidInput(f"The radius is a number; got {radius!r}.")
    found = checks.as_radius(radius, queries)
    if metric != "inner" and (found < 0).any():
        least = float(found.min())
        raise InvalidInput(f"The radius is 0 or more, as distances are; got {least!r}.")
    return found


def as_threads(n_jobs: Any) -> int | None:
    """How many threads at most; None for all, and below 0 for all but some, as joblib counts."""
    if n_jobs is None:
        return None
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, numbers.Integral) or n_jobs == 0:
        raise InvalidInput(f"n_jobs is a number of threads, -1 for all, or None; got {n_jobs!r}.")
    return int(n_jobs)
