"""Looks at all codes at once where they are few: small indexes, and filters that keep little."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinlens.neighbors import products
from kinlens.neighbors.coding import Codes, sum_error
from kinlens.neighbors.desk import Desk, at_desk
from kinlens.neighbors.kernels import bounds
from kinlens.neighbors.kernels.bounds import SLIP
from kinlens.neighbors.kernels.int8 import LEAST_DIM, Coded
from kinlens.neighbors.sieve import Doubles, Floats, Positions
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Shortlist, Task
from kinlens.neighbors.workers import WORKERS

_MOST_QUERIES = 8
"""Of rows that a filter keeps; where all are searched, more than three share a pass at less."""
_MOST_WITHOUT_FILTER = 3
_MOST_ROWS = 8192
_FEWER = 12
"""Where filters keep one row in so many, its codes are cheaper to copy than all to look at."""
_PART = 2048
"""Slots looked at by one thread at a time."""
_WORTH_A_THREAD = 1 << 20
"""Numbers of codes."""


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
        coded = Coded.about(task.chunks[0].codes.center, bounds.wide_queries(task))
        listed = _Listed.of(task)
        found = _products(task, coded, listed)
        squared = task.metric in {"euclidean", "sqeuclidean"}
        bound = coded.squared_bound if squared else coded.product_bound
        own = listed.square if squared else -listed.along
        offset = coded.square if squared else -coded.along
        weight = (1 + squared) * coded.scale
        reach = bounds.reach(listed.square, task.dim)
        ratio = _ratio(task)
        nearest = [
            _nearest(
                task.k,
                own - weight[query] * found[query] + offset[query],
                bound.of(np.array([query]), listed.residual, reach) + ratio,
            )
            for query in range(len(task.queries))
        ]
        which = np.concatenate([near for near, _ in nearest])
        return Shortlist(
            query=np.repeat(np.arange(len(nearest)), [len(near) for near, _ in nearest]),
            chunk=listed.chunk[which],
            slot=listed.slot[which],
            lower=np.concatenate([lower for _, lower in nearest]),
            lost=np.zeros(len(nearest), np.bool_),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Listed:
    """The slots that pass, one after the other, with the norms of `Codes`."""

    chunk: Positions
    slot: Positions
    residual: Floats
    square: Floats
    along: Floats

    @staticmethod
    def of(task: Task) -> _Listed:
        slots = [
            np.arange(chunk.count) if passing is None else passing.nonzero()[0]
            for chunk, passing in zip(task.chunks, task.passing, strict=True)
        ]
        codes = [chunk.codes for chunk in task.chunks]
        return _Listed(
            np.arange(len(slots)).repeat([len(here) for here in slots]),
            np.concatenate(slots),
            _taken([one.residual for one in codes], slots),
            _taken([one.square for one in codes], slots),
            _taken([one.along for one in codes], slots),
        )


def _taken(norms: list[Floats], slots: list[Positions]) -> Floats:
    parts = zip(norms, slots, strict=True)
    return np.concatenate([part.take(here, mode="clip") for part, here in parts])


def _products(task: Task, coded: Coded, listed: _Listed) -> Doubles:
    """float64 (q, n): of the queries' codes with the scaled codes of the slots."""
    found = np.empty((len(coded.codes), len(listed.slot)))
    begins = np.searchsorted(listed.chunk, np.arange(len(task.chunks) + 1)).tolist()
    parts = [
        (chunk, range(begin, min(begin + _PART, end)))
        for chunk, (first, end) in zip(task.chunks, itertools.pairwise(begins), strict=True)
        for begin in range(first, end, _PART)
    ]

    def multiply(parts: Iterator[tuple[Chunk, range]]) -> None:
        with at_desk() as desk:
            for chunk, part in parts:
                to = slice(part.start, part.stop)
                slot = listed.slot[to]
                codes, scale = _codes(chunk.codes, slot, desk), chunk.codes.scale[slot]
                for query in range(len(found)):
                    product = products.pairs(coded.codes[query : query + 1], codes)
                    np.multiply(product, scale, out=found[query, to])

    WORKERS.share(parts, multiply, most=1 + len(listed.slot) * task.dim // _WORTH_A_THREAD)
    return found


def _codes(codes: Codes, slot: Positions, desk: Desk) -> npt.NDArray[np.int8]:
    """Of ascending slots; where some are missing in between, a copy that lies on the desk."""
    stretch = codes.codes[slot[0] : slot[-1] + 1]
    if len(stretch) == len(slot):
        return stretch
    room = desk.array("codes", (len(slot), stretch.shape[1]), np.int8)
    return codes.codes.take(slot, axis=0, out=room, mode="clip")


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


def _nearest(k: int, key: Doubles, error: Doubles) -> tuple[Positions, Doubles]:
    """Positions of what may be among the k nearest, the likeliest first, and the lower values."""
    limit = np.partition(key + error, k - 1)[k - 1]
    lower: npt.NDArray[np.float64] = np.subtract(key, error, out=error)
    near = np.flatnonzero(lower <= limit)
    near = near[np.argsort(key[near])]
    return near, lower[near]
