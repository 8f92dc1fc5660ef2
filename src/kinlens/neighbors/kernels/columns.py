"""The slots of a task side by side, as a GPU looks at them: one column each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinlens.neighbors.coding import TINY_LENGTH, sum_error
from kinlens.neighbors.kernels import bounds
from kinlens.neighbors.kernels.bounds import SLIP
from kinlens.neighbors.kernels.held import GROUP, Store, padded
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Task
from kinlens.neighbors.tensors import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """All slots of a task's chunks, each chunk's filled up to a multiple of `GROUP`.

    A lower bound of a key is factor * product + base - near * reach, plus turn * inverse where keys
    are divided by norms, up to what is the same for a query.

    Parameters
    ----------
    chunks : those of the task
    starts : where the columns of each chunk begin, and where the last end
    group_starts : the same for groups
    first, stride : int64 (groups,), the columns of a group: first + i * stride
    chunk_of_group : int64 (groups,)
    chunk_starts : int64 (chunks + 1,), `starts` on the device
    factor, base : float32 (columns,); the base is infinity for what may not be found
    reach : float32 (columns,), at least |c|, divided by the norm where keys are
    inverse : float32 (columns,), 1 / norm where keys are divided by it, else None
    rows : int64 (columns,)
    ratio, curve : of `bounds.Bound`
    """

    chunks: tuple[Chunk, ...]
    starts: list[int]
    group_starts: list[int]
    first: Tensor
    stride: Tensor
    chunk_of_group: Tensor
    chunk_starts: Tensor
    factor: Tensor
    base: Tensor
    reach: Tensor
    inverse: Tensor | None
    rows: Tensor
    ratio: float
    curve: float

    @staticmethod
    def of(task: Task, store: Store) -> Columns:
        """For one task."""
        device, torch = store.device, store.device.torch
        widths = [padded(chunk.count, GROUP) for chunk in task.chunks]
        starts = np.cumsum([0, *widths])
        groups = [width // GROUP for width in widths]
        held = [store.get(chunk) for chunk in task.chunks]
        sides = list(zip(held, widths, strict=True))
        numbers = torch.cat([one.numbers[:, :width] for one, width in sides], dim=1)
        square, along, norm, scale = numbers
        squared = task.metric in {"euclidean", "sqeuclidean"}
        away = _away(task)
        divided = task.metric == "cosine" and away >= 1
        inverse = _inverse(norm) if divided else None
        error = sum_error(task.dim) + SLIP
        ratio = error + sum_error(task.dim) if task.metric == "cosine" else 0.0
        curve = error if squared else 0.0
        reach = square.sqrt() * (1 + error) + TINY_LENGTH
        base = square - curve * reach * reach if squared else -along
        factor = scale * (-2.0 if squared else -1.0)
        if inverse is not None:
            base, factor, reach = base * inverse, factor * inverse, reach * inverse
        barred = _barred(task, widths)
        if barred is not None:
            base.masked_fill_(device.put(barred), np.inf)
        return Columns(
            chunks=task.chunks,
            starts=starts.tolist(),
            group_starts=np.cumsum([0, *groups]).tolist(),
            first=device.put(
                np.concatenate([at + np.arange(n) for at, n in zip(starts, groups, strict=False)])
            ),
            stride=device.put(np.repeat(groups, groups)),
            chunk_of_group=device.put(np.repeat(np.arange(len(groups)), groups)),
            chunk_starts=device.put(starts),
            factor=factor,
            base=base,
            reach=reach,
            inverse=inverse,
            rows=torch.cat([one.rows[:width] for one, width in sides]),
            ratio=ratio + (0.0 if divided else away),
            curve=curve,
        )

    def boards(self, most: int) -> Iterator[range]:
        """Runs of chunks of at most so many columns, or of one chunk."""
        begin = 0
        for end in range(1, len(self.chunks) + 1):
            if end == len(self.chunks) or self.starts[end + 1] - self.starts[begin] > most:
                yield range(begin, end)
                begin = end


def _away(task: Task) -> float:
    if task.metric != "cosine":
        return 0.0
    return max(map(bounds.unit_error, task.chunks))


def _inverse(norm: Tensor) -> Tensor:
    return (1.0 / norm).masked_fill_(norm <= 0, 0.0)


def _barred(task: Task, widths: list[int]) -> npt.NDArray[np.bool_] | None:
    """Columns that may not be found; None for none."""
    counts = [chunk.count for chunk in task.chunks]
    if counts == widths and all(passing is None for passing in task.passing):
        return None
    parts = []
    for count, width, passing in zip(counts, widths, task.passing, strict=True):
        part = np.arange(width) >= count
        if passing is not None:
            part[:count] = ~passing
        parts.append(part)
    return np.concatenate(parts)
