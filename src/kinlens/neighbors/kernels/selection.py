"""Picks the columns that may be among the nearest of some queries, and decides, on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from kinlens.neighbors.coding import LARGEST
from kinlens.neighbors.kernels import wide
from kinlens.neighbors.kernels.columns import Columns
from kinlens.neighbors.kernels.held import GROUP, Store
from kinlens.neighbors.kernels.seen import Seen
from kinlens.neighbors.result import Mask
from kinlens.neighbors.task import Decided, Task
from kinlens.neighbors.tensors import Tensor

_DECIDED_AT_ONCE = 1 << 26
_ROUNDED_DOWN = 2.0**-22
"""More than a lower bound loses where it is rounded down to float32."""


class Selection:
    """The columns of the least lower bounds, for some queries.

    No column that is left out has a lower bound below any that is kept. So where the k-th least
    upper bound of those kept is below all that, none that is left out can be among the nearest.

    Parameters
    ----------
    store : what the device holds
    task : what is searched
    columns : of the task
    queries : float32 (q, dim), some of the task's
    keep : columns to keep for each query
    most_estimates : numbers in a matrix of estimates
    """

    def __init__(
        self,
        store: Store,
        task: Task,
        columns: Columns,
        queries: Tensor,
        *,
        keep: int,
        most_estimates: int,
    ) -> None:
        self._device, self._store, self._task = store.device, store, task
        self._columns, self._queries, self._keep = columns, queries, keep
        self._centers = list(dict.fromkeys(chunk.codes.center for chunk in task.chunks))
        self._center_of_chunk = [self._centers.index(one.codes.center) for one in task.chunks]
        self._in_range = queries.abs().amax(1) <= LARGEST / task.dim**0.5
        self._see()
        self._narrow(max(1, most_estimates // len(queries)))
        self._judge()

    @cached_property
    def lost(self) -> Mask:
        """Bool (q,): queries for which more columns may be among the nearest than were kept."""
        lost: Mask = self._lost.cpu().numpy()
        return lost

    def decided(self) -> Decided:
        """The neighbors of the others."""
        query, place = self._certain.nonzero(as_tuple=True)
        by_chunk = self._chunk_of(self._column[query, place]).argsort(stable=True)
        query, place = query[by_chunk], place[by_chunk]
        distances = self._column.new_full(self._column.shape, np.inf, dtype=self._lift.dtype)
        distances[query, place] = self._distances(query, self._column[query, place])
        rows = self._columns.rows[self._column]
        by_row = rows.argsort(1)
        nearest = distances.gather(1, by_row).argsort(dim=1, stable=True)[:, : self._task.k]
        best = by_row.gather(1, nearest)[~self._lost]
        found, rows = distances[~self._lost], rows[~self._lost]
        return Decided(
            found.gather(1, best).cpu().numpy(), rows.gather(1, best).cpu().numpy(), len(query)
        )

    def _see(self) -> None:
        task, columns = self._task, self._columns
        queries = self._queries.double() * self._in_range[:, None]
        if task.metric == "cosine":
            norms = self._device.torch.linalg.vector_norm(queries, dim=1, keepdim=True)
            queries /= norms.masked_fill(norms == 0, 1.0)
        squared = task.metric in {"euclidean", "sqeuclidean"}
        divided = columns.inverse is not None
        self._seen = [
            Seen.about(center, queries, self._device, squared=squared, divided=divided)
            for center in self._centers
        ]
        stack = self._device.torch.stack
        chosen = self._device.put(np.array(self._center_of_chunk))
        self._near, self._allowed, self._fixed, self._lift = (
            stack(parts, 1)[:, chosen]
            for parts in zip(
                *((one.near, one.allowed, one.fixed, one.offset) for one in self._seen), strict=True
            )
        )
        self._lift -= columns.ratio
        if not divided:
            self._lift -= self._fixed

    def _narrow(self, most: int) -> None:
        """Keep the columns of the least lower bounds, board by board."""
        torch = self._device.torch
        none = self._lift[:, :0]
        low, column = none.float(), none.long()
        for board in self._columns.boards(most):
            more_low, more_column = self._least_of(board)
            low = torch.cat([low, more_low], 1)
            column = torch.cat([column, more_column], 1)
            least = low.topk(min(self._keep, low.shape[1]), dim=1, largest=False, sorted=False)
            low, column = least.values, column.gather(1, least.indices)
        self._low, self._column = low, column

    def _least_of(self, board: range) -> tuple[Tensor, Tensor]:
        """Lower bounds and columns of the groups that have the least minima."""
        columns, origin = self._columns, self._columns.starts[board.start]
        groups = slice(columns.group_starts[board.start], columns.group_starts[board.stop])
        count, width = len(self._queries), columns.starts[board.stop] - origin
        estimates = self._device.empty(count, width, dtype="float32")
        minima = self._device.empty(count, groups.stop - groups.start, dtype="float32")
        for chunk in board:
            part = slice(columns.starts[chunk] - origin, columns.starts[chunk + 1] - origin)
            own = slice(
                columns.group_starts[chunk] - groups.start,
                columns.group_starts[chunk + 1] - groups.start,
            )
            self._estimate(chunk, estimates[:, part])
            minima[:, own] = estimates[:, part].unflatten(1, (GROUP, -1)).amin(1)
        of_group = columns.chunk_of_group[groups]
        low = self._rounded_down(minima + self._lift[:, of_group])
        top = low.topk(min(self._keep, low.shape[1]), dim=1, largest=False, sorted=False).indices
        member = self._device.torch.arange(GROUP, device=self._device.name)
        column = (
            columns.first[groups][top][..., None] + columns.stride[groups][top][..., None] * member
        )
        lift = self._lift.gather(1, of_group[top])
        found = estimates.gather(1, column.flatten(1) - origin).unflatten(1, (-1, GROUP))
        return self._rounded_down(found + lift[..., None]).flatten(1), column.flatten(1)

    def _rounded_down(self, low: Tensor) -> Tensor:
        """float32 of float64, which takes half the time to sort."""
        near = low.float()
        below = self._device.torch.nextafter(near, near.new_tensor(-np.inf))
        return below.where(near < np.inf, near)

    def _estimate(self, chunk: int, into: Tensor) -> None:
        columns, seen = self._columns, self._seen[self._center_of_chunk[chunk]]
        span = slice(columns.starts[chunk], columns.starts[chunk + 1])
        codes = self._store.coded(columns.chunks[chunk], span.stop - span.start)
        products, factor = self._device.products(seen.codes, codes), columns.factor[span]
        if seen.scale.dim():
            products *= seen.scale
        else:
            factor = factor * seen.scale
        torch, base, reach = self._device.torch, columns.base[span], columns.reach[span]
        if seen.alike:
            base = base - seen.allowed[0].float() * reach
        torch.addcmul(base, products, factor, out=into)
        if not seen.alike:
            torch.addcmul(into, seen.allowed.float()[:, None], reach, value=-1, out=into)
        if columns.inverse is not None:
            torch.addcmul(into, seen.turn, columns.inverse[span], out=into)

    def _judge(self) -> None:
        """What may be among the nearest by each column's own error, and what can't be told."""
        columns, task = self._columns, self._task
        chunk = self._chunk_of(self._column)
        low = self._low.double()
        key = low + self._errors(self._allowed, chunk)
        error = self._errors(self._near, chunk) + _ROUNDED_DOWN * low.abs()
        limit = (key + error).topk(task.k, dim=1, largest=False, sorted=False).values.amax(1)
        beyond = self._low.amax(1)
        if self._low.shape[1] == columns.starts[-1]:
            beyond = beyond.new_full(beyond.shape, np.inf)
        self._lost = ~(limit < beyond) | ~self._in_range
        near = (key - error <= limit[:, None]) & self._low.isfinite()
        self._certain = near & ~self._lost[:, None]

    def _errors(self, near: Tensor, chunk: Tensor) -> Tensor:
        """float64 (q, kept), the bound for each."""
        columns, column = self._columns, self._column
        reach, fixed = columns.reach[column].double(), self._fixed.gather(1, chunk)
        if columns.inverse is not None:
            fixed *= columns.inverse[column]
        curve = columns.curve * reach * reach
        return near.gather(1, chunk) * reach + fixed + curve + columns.ratio

    def _chunk_of(self, column: Tensor) -> Tensor:
        starts = self._columns.chunk_starts
        return self._device.torch.bucketize(column, starts, right=True) - 1

    def _distances(self, query: Tensor, column: Tensor) -> Tensor:
        """float64 (n,): distances of pairs, which are in order of chunk."""
        found = self._device.empty(len(query), dtype="float64")
        most = min(_DECIDED_AT_ONCE, self._device.total_bytes // 256)
        step = max(1, most // self._task.dim)
        chunk = self._chunk_of(column)
        counts = chunk.bincount(minlength=len(self._task.chunks)).cpu().numpy()
        for start in range(0, len(query), step):
            part = slice(start, min(start + step, len(query)))
            vectors = self._device.torch.cat(
                [
                    self._store.taken(
                        self._task.chunks[here], column[some] - self._columns.starts[here]
                    )
                    for here, some in _runs(counts, part)
                ]
            )
            queries = self._queries[query[part]].double()
            found[part] = wide.distances(vectors.double(), queries, self._task.metric, self._device)
        return found


def _runs(counts: np.ndarray, part: slice) -> Iterator[tuple[int, slice]]:
    """The chunks of a part of the pairs, and which pairs are theirs."""
    ends = np.cumsum(counts)
    for chunk in np.flatnonzero(counts):
        begin = max(int(ends[chunk] - counts[chunk]), part.start)
        end = min(int(ends[chunk]), part.stop)
        if begin < end:
            yield int(chunk), slice(begin, end)
