"""Looks at all codes at once where they are few: small indexes, and filters that keep little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinlens.neighbors import products
from kinlens.neighbors.coding import Codes, sum_error
from kinlens.neighbors.kernels import bounds
from kinlens.neighbors.kernels.bounds import SLIP, Bound
from kinlens.neighbors.kernels.int8 import LEAST_DIM, Coded
from kinlens.neighbors.sieve import Doubles, Positions
from kinlens.neighbors.task import Shortlist, Task

_MOST_QUERIES = 8
"""Of rows that a filter keeps; where all are searched, more than three share a pass at less."""
_MOST_WITHOUT_FILTER = 3
_MOST_ROWS = 8192
_FEWER = 12
"""Where filters keep one row in so many, its codes are cheaper to copy than all to look at."""


class FewKernel:
    """The codes and bounds of `Int8Kernel`, for a few queries, without spans and a falling limit.

    Only codes are copied for a filter, no vectors.
    """

    name = "few"
    queries_per_pass = 64

    def missing(self) -> str:
        """NumKong, where it doesn't suit the CPU."""
        return products.missing()

    def is_usable_for(self, task: Task) -> bool:
        """Needs few queries and rows, of unit length for cosines, about one center."""
        return (
            len(task.queries) <= _most_queries(task)
            and task.dim >= LEAST_DIM
            and _are_few(task)
            and products.is_fast()
            and len({chunk.codes.center for chunk in task.chunks}) == 1
            and bounds.in_range(task)
            and (task.metric != "cosine" or max(map(bounds.unit_error, task.chunks)) < 1)
        )

    def shortlist(self, task: Task) -> Shortlist:
        """See `Kernel`."""
        listed = _Listed.of(task)
        squared = task.metric in {"euclidean", "sqeuclidean"}
        coded = Coded.about(listed.codes.center, bounds.wide_queries(task))
        bound = coded.squared_bound if squared else coded.product_bound
        own = listed.codes.square if squared else -listed.codes.along
        offset = coded.square if squared else -coded.along
        ratio = _ratio(task)
        found = [
            _nearest(
                task.k,
                own - _products(coded, query, listed.codes, 1 + squared) + offset[query],
                _errors(bound, query, listed.codes) + ratio,
            )
            for query in range(len(task.queries))
        ]
        which = np.concatenate([near for near, _ in found])
        return Shortlist(
            query=np.repeat(np.arange(len(found)), [len(near) for near, _ in found]),
            chunk=listed.chunk[which],
            slot=listed.slot[which],
            lower=np.concatenate([lower for _, lower in found]),
            lost=np.zeros(len(found), np.bool_),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Listed:
    """The slots that pass, one after the other, with their codes."""

    chunk: Positions
    slot: Positions
    codes: Codes

    @staticmethod
    def of(task: Task) -> _Listed:
        slots = [
            np.arange(chunk.count) if passing is None else np.flatnonzero(passing)
            for chunk, passing in zip(task.chunks, task.passing, strict=True)
        ]
        first = task.chunks[0]
        if len(task.chunks) == 1 and task.passing[0] is None:
            codes = first.codes.used(first.count)
        else:
            parts = zip(task.chunks, slots, strict=True)
            codes = Codes.gathered([(chunk.codes, which) for chunk, which in parts])
        chunk = np.repeat(np.arange(len(slots)), [len(which) for which in slots])
        return _Listed(chunk, np.concatenate(slots), codes)


def _most_queries(task: Task) -> int:
    filtered = any(passing is not None for passing in task.passing)
    return _MOST_QUERIES if filtered else _MOST_WITHOUT_FILTER


def _are_few(task: Task) -> bool:
    if task.living <= _MOST_ROWS:
        return True
    return _FEWER * task.living <= sum(chunk.count for chunk in task.chunks)


def _ratio(task: Task) -> float:
    if task.metric != "cosine":
        return 0.0
    return 2 * sum_error(task.dim) + SLIP + max(map(bounds.unit_error, task.chunks))


def _products(coded: Coded, query: int, codes: Codes, times: int) -> Doubles:
    found = products.pairs(coded.codes[query : query + 1], codes.codes)
    found *= codes.scale
    found *= times * coded.scale[query]
    return found


def _errors(bound: Bound, query: int, codes: Codes) -> Doubles:
    reach = bounds.reach(codes.square, codes.codes.shape[1])
    return bound.of(np.array([query]), codes.residual, reach)


def _nearest(k: int, key: Doubles, error: Doubles) -> tuple[Positions, Doubles]:
    """Positions of what may be among the k nearest, the likeliest first, and the lower values."""
    limit = np.partition(key + error, k - 1)[k - 1]
    lower: npt.NDArray[np.float64] = np.subtract(key, error, out=error)
    near = np.flatnonzero(lower <= limit)
    near = near[np.argsort(key[near])]
    return near, lower[near]
