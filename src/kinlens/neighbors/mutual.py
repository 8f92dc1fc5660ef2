"""Neighbors of all vectors among themselves, with each product computed once.

The product of two vectors tells how near either is to the other, so half of all products do. Blocks
of vectors ask one after the other. Each is compared with itself and with all that ask later: along
the rows of these products it finds its own neighbors, along the columns the others find theirs.
Estimates are bounded as in `sieve`, from both sides alike, and float64 decides.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from kinlens.neighbors import blas
from kinlens.neighbors.decide import decide
from kinlens.neighbors.desk import Desk, at_desk
from kinlens.neighbors.mutual_keys import Block, Terms
from kinlens.neighbors.result import NeighborMetric
from kinlens.neighbors.sieve import Doubles, Floats, Positions
from kinlens.neighbors.storage import Snapshot
from kinlens.neighbors.task import Decided, Shortlist, Task
from kinlens.neighbors.workers import WORKERS

BLOCK = 1024
"""Vectors that ask at once."""

_LEAST_ROWS = 1 << 14
_NUMBERS_PER_NEIGHBOR = 12
"""Of a vector, so that all lists take a third of the vectors' memory, and hardly more ever."""
_SAMPLE = 1024
_ROOM = 8
_MOST = 4
"""Times as many as are wanted: where so many can't be told apart, the estimates are too coarse."""
_MOST_PASSING = 0.05
"""Of all vectors, beyond those wanted of the sample: where so many may be near, too."""

_Job = Callable[[Desk], None]


def is_usable_for(snapshot: Snapshot, k: int, metric: NeighborMetric) -> bool:
    """Whether no row was replaced or deleted, the bound holds, and there is enough to gain."""
    rows = 0
    for chunk in snapshot.chunks:
        if chunk.living < chunk.count or not chunk.consecutive or chunk.rows[0] != rows:
            return False
        rows += chunk.count
    if rows < _LEAST_ROWS:
        return False
    most = snapshot.chunks[0].vectors.shape[1] // _NUMBERS_PER_NEIGHBOR
    return 1 <= k <= min(most, _SAMPLE) and Terms.hold_for(snapshot.chunks, metric)


class Mutual:
    """One search of all vectors among themselves.

    Parameters
    ----------
    snapshot, k, metric : what is searched, see `is_usable_for`
    begin : the first row that asks; those before have had their turn
    """

    def __init__(self, snapshot: Snapshot, k: int, metric: NeighborMetric, begin: int = 0) -> None:
        self._chunks = snapshot.chunks
        self._k = k
        self._metric = metric
        terms = Terms.of(snapshot.chunks, metric)
        ends = np.cumsum([chunk.count for chunk in snapshot.chunks])
        self._starts = ends - [chunk.count for chunk in snapshot.chunks]
        blocks = [
            terms.block(chunk, first, stop, int(start))
            for chunk, start in zip(snapshot.chunks, self._starts, strict=True)
            for first, stop in _cuts(chunk.count, begin - int(start))
        ]
        self._shift = terms.shift
        self._own = np.concatenate([block.own for block in blocks])
        self._silent = [block for block in blocks if block.first < begin]
        self._asking = [block for block in blocks if block.first >= begin]
        self._sample = terms.sample(blocks, _SAMPLE)

    @property
    def share_of_first(self) -> float:
        """Of all products, how many have been made when the first rows are answered."""
        rows, silent = len(self._own), sum(map(len, self._silent))
        sampled = (rows - silent) * len(self._sample)
        products = [len(block) * (rows - block.first + silent) for block in self._asking]
        return (sampled + sum(products[:2])) / (sampled + sum(products))

    def run(self) -> Generator[tuple[int, Decided | None]]:
        """How many rows ask, and what they find, block by block; None where keys are too coarse."""
        lists = [_List(block, self._own, self._k) for block in self._asking]
        self._share([partial(self._begin, one) for one in lists])
        ended: _List | None = None
        answers: list[Decided | None] = []
        for turn, one in enumerate(lists):
            jobs: list[_Job] = []
            if ended is not None:
                jobs.append(partial(self._decide, ended, answers))
            scaled = one.block.scaled()
            earlier = [one.block, *self._silent]
            jobs += [partial(self._compare, one, scaled, other, None) for other in earlier]
            later = lists[turn + 1 :]
            jobs += [partial(self._compare, one, scaled, to.block, to) for to in later]
            self._share(jobs)
            if ended is not None:
                yield len(ended.block), answers.pop()
            ended = one
        if ended is not None:
            self._share([partial(self._decide, ended, answers)])
            yield len(ended.block), answers.pop()

    def _share(self, jobs: list[_Job]) -> None:
        with blas.limited(1):
            WORKERS.share(jobs, _do, most=WORKERS.multiplying)

    def _begin(self, one: _List, desk: Desk) -> None:
        """First limits: the k-th of some vectors that are spread over all."""
        keys = one.block.keys(one.block.scaled(), self._sample, desk)
        upper = np.partition(keys, self._k - 1, axis=1)[:, self._k - 1].astype(np.float64)
        one.limit(upper + one.block.own + self._sample.most)
        passing = (keys <= one.bars(self._sample)[:, np.newaxis]).mean()
        if passing > _MOST_PASSING + self._k / len(self._sample):
            one.lose()

    def _compare(
        self, one: _List, scaled: Floats, other: Block, later: _List | None, desk: Desk
    ) -> None:
        """Tell a list of another block, and that block's own list where it asks later."""
        if one.lost and (later is None or later.lost):
            return
        keys = one.block.keys(scaled, other, desk)
        near = (keys <= one.bars(other)[:, np.newaxis]).ravel().nonzero()[0]
        query, row = np.divmod(near, len(other))
        one.add(query, row + other.first, keys.ravel()[near])
        if later is not None:
            near = (keys <= later.bars(one.block)).ravel().nonzero()[0]
            row, query = np.divmod(near, len(other))
            later.add(query, row + one.block.first, keys.ravel()[near])

    def _decide(self, one: _List, answers: list[Decided | None], _: Desk) -> None:
        found = one.end()
        if found is None:
            answers.append(None)
            return
        query, row, lower = found
        chunk = np.searchsorted(self._starts, row, side="right") - 1
        shortlist = Shortlist(
            query=query,
            chunk=chunk,
            slot=row - self._starts[chunk],
            lower=lower + self._shift,
            lost=np.zeros(len(one.block), np.bool_),
        )
        task = Task(
            chunks=self._chunks,
            passing=(None,) * len(self._chunks),
            living=len(self._own),
            queries=one.block.vectors,
            k=self._k,
            metric=self._metric,
        )
        answers.append(decide(task, shortlist))


class _List:
    """What could be near to the vectors of a block. Safe to use from many threads.

    Parameters
    ----------
    block : whose vectors ask
    own : float64 (n,), of all rows, see `Block`
    k : how many each asks for
    """

    def __init__(self, block: Block, own: Doubles, k: int) -> None:
        self.block = block
        self._own = own
        self._k = k
        self._lock = threading.Lock()
        self._limit = np.full(len(block), np.inf)
        self._parts: list[tuple[npt.NDArray[np.uint16], npt.NDArray[np.int32], Floats]] = []
        self._size = 0
        self._mark = _ROOM * len(block)
        self.lost = False

    def limit(self, upper: Doubles) -> None:
        """Keys above these are out from now on."""
        self._limit = np.minimum(self._limit, upper)

    def lose(self) -> None:
        """Keep nothing any more: too much may be near."""
        self.lost = True
        self._limit = np.full(len(self.block), -np.inf)
        none = np.empty(0, np.int32)
        self._parts = [(none.astype(np.uint16), none, none.astype(np.float32))]
        self._size = 0

    def bars(self, other: Block) -> Floats:
        """float32 (n,): estimates above these are out, for rows of another block."""
        bars = (self._limit + self.block.own + other.most).astype(np.float32)
        return np.nextafter(bars, np.float32(np.inf))

    def add(self, query: Positions, row: Positions, estimates: Floats) -> None:
        """Pairs of a vector of the block and a row, not added before, with estimates of keys."""
        if not len(query):
            return
        with self._lock:
            if self.lost:
                return
            self._parts.append((query.astype(np.uint16), row.astype(np.int32), estimates))
            self._size += len(query)
            if self._size > self._mark:
                self._tighten()

    def end(self) -> tuple[Positions, Positions, Doubles] | None:
        """Query, row, and at most the key, of all that may be among the k nearest; None if lost.

        Ascending by query and, of a query, likely neighbors first.
        """
        with self._lock:
            if self.lost:
                return None
            self._tighten()
            (query, row, estimates), self._parts = self._parts[0], []
        lower = estimates - self._errors(query, row)
        return query.astype(np.intp), row.astype(np.intp), lower

    def _errors(self, query: npt.NDArray[np.uint16], row: npt.NDArray[np.int32]) -> Doubles:
        return self.block.own[query] + self._own[row]

    def _tighten(self) -> None:
        """Without what the k-th least upper value rules out, in order."""
        query, row, estimates = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        # A stable sort of two bytes is a radix sort, many times as fast as one by two keys.
        order = np.argsort(estimates)
        order = order[np.argsort(query[order], kind="stable")]
        query, row, estimates = query[order], row[order], estimates[order]
        errors = self._errors(query, row)
        count = np.bincount(query, minlength=len(self.block))
        first = count.cumsum() - count
        full = np.flatnonzero(count >= self._k)
        near = first[full, np.newaxis] + np.arange(self._k)
        kth = np.full(len(count), np.inf)
        kth[full] = (estimates + errors)[near].max(axis=1)
        self._limit = np.minimum(self._limit, kth)
        keep = estimates - errors <= self._limit[query]
        self._parts = [(query[keep], row[keep], estimates[keep])]
        self._size = int(np.count_nonzero(keep))
        self._mark = self._size + max(self._size // 2, _ROOM * len(self.block))
        if self._size > _MOST * self._k * len(self.block):
            self.lose()


def _cuts(count: int, cut: int) -> Iterator[tuple[int, int]]:
    """Where blocks of a chunk begin and end, one of them at the cut if it is within."""
    starts = sorted({*range(0, count, BLOCK), *([cut] if 0 < cut < count else [])})
    return zip(starts, [*starts[1:], count], strict=True)


def _do(jobs: Iterator[_Job]) -> None:
    with at_desk() as desk:
        for job in jobs:
            job(desk)
