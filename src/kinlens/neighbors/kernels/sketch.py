"""Screens with sketches, a few numbers for each vector that bound its distances from below."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kinlens.neighbors import products
from kinlens.neighbors.coding import TINY, TINY_LENGTH, sum_error
from kinlens.neighbors.kernels import bounds
from kinlens.neighbors.kernels.bounds import SLIP, WIDE_SLIP
from kinlens.neighbors.kernels.limits import Limits
from kinlens.neighbors.kernels.winnow import BARRED, Part, Winnow
from kinlens.neighbors.sieve import Doubles, Positions
from kinlens.neighbors.sketches import ALLOWED, Axes, Sketches
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Shortlist, Task

Ints = npt.NDArray[np.int32]

_LEAST_ROWS = 12_000
_LEAST_ROWS_PER_NEIGHBOR = 64
_LARGEST = 2.0**29
_LOWEST = -0.75 * BARRED


class SketchKernel:
    """A fraction of the bytes of int8 codes, where vectors spread in few directions."""

    name = "sketch"
    queries_per_pass = 256
    """As many as `Winnow` takes."""

    def missing(self) -> str:
        """NumKong, where it doesn't suit the CPU."""
        return products.missing()

    def is_usable_for(self, task: Task) -> bool:
        """Needs rows enough, all of them sketched; about unit lengths for cosines."""
        return (
            task.living >= max(_LEAST_ROWS, _LEAST_ROWS_PER_NEIGHBOR * task.k)
            and all(chunk.sketches is not None for chunk in task.chunks)
            and bounds.in_range(task)
            and products.is_fast()
            and (task.metric != "cosine" or max(map(bounds.unit_error, task.chunks)) < 1)
        )

    def shortlist(self, task: Task) -> Shortlist:
        """See `Kernel`."""
        start = np.full(len(task.queries), np.inf)
        limits = Limits(start, task.k, sum(chunk.count for chunk in task.chunks))
        found = _found(task, limits)
        missed = limits.missed & ~found.lost
        if not missed.any():
            return found
        again = replace(task, queries=task.queries[missed])
        rest = _found(again, Limits(limits.certain(missed), task.k, None))
        return found.with_rest(rest, missed)


def _found(task: Task, limits: Limits) -> Shortlist:
    """Of queries that are neither lost nor missed."""
    parts = _parts(task)
    if parts is None:
        return Shortlist.without_entries(np.ones(len(task.queries), np.bool_))
    return Winnow(task, parts, limits).shortlist()


def _parts(task: Task) -> list[Part] | None:
    """How the chunks look; None where numbers get too large."""
    sketched = [(chunk, chunk.sketches) for chunk in task.chunks if chunk.sketches is not None]
    queries, seen = bounds.wide_queries(task), dict[Axes, SketchedQueries]()
    parts = []
    for (chunk, sketches), passing in zip(sketched, task.passing, strict=True):
        axes = sketches.axes
        if axes not in seen:
            alike = [one for one, other in sketched if other.axes is axes]
            seen[axes] = SketchedQueries.of(axes, queries, alike, task.metric)
        if not seen[axes].largest < _LARGEST:
            return None
        parts.append(Part(sketches, chunk.count, seen[axes], passing))
    return parts


@dataclass(frozen=True, slots=True, eq=False)
class SketchedQueries:
    """Queries p = query - center as they look along axes; see `winnow.Seen`.

    A slot's key is at least base - unit * (product - floor), where the product is that of codes
    and the floor is made of what is kept beside the slot's sketch.

    Parameters
    ----------
    codes : int8 (q, width)
    unit : what one of the product means for the key
    base : float64 (q,)
    squared : whether keys are squared distances, else minus products
    per_own : of the floor, for each unit of square, or of along
    per_slack : of the floor, for each unit of it
    largest : at least any floor
    """

    codes: npt.NDArray[np.int8]
    unit: float
    base: Doubles
    squared: bool
    per_own: float
    per_slack: float
    largest: float

    @staticmethod
    def of(axes: Axes, queries: Doubles, chunks: list[Chunk], metric: str) -> SketchedQueries:
        """For chunks that are sketched along these axes."""
        error, middle = sum_error(len(axes.center)), axes.norm
        shifted = queries - axes.center
        square = np.square(shifted).sum(axis=1)
        length = np.sqrt(square)
        step, codes, far, near = _coded(axes, shifted, square)
        reach, slack = _peaks(chunks, error)
        near = np.maximum(near * (1 + 2 * axes.lengthening) - far * ALLOWED, 0)
        near *= reach + 2 * TINY_LENGTH
        unit = step * axes.step
        squared = metric in {"euclidean", "sqeuclidean"}
        if squared:
            unit *= 2
            far *= 2
            base = square * (1 - WIDE_SLIP) - 2 * near
            per_own, own = (1 - error - SLIP) / unit, reach * reach
        else:
            base = -np.einsum("ij,j->i", queries, axes.center.astype(np.float64)) - near
            base -= (error + SLIP) * middle * reach + WIDE_SLIP * (length + middle) * middle
            per_own, own = -1 / unit, middle * reach
        if metric == "cosine":
            base -= 2 * error + SLIP + max(map(bounds.unit_error, chunks))
        largest = (own + far * slack) / unit
        # Floors are made in float32 and cut to whole numbers.
        base -= unit * (3 + largest * SLIP) + TINY
        return SketchedQueries(codes, unit, base, squared, per_own, far / unit, largest)

    def floors(self, sketches: Sketches, count: int) -> Ints:
        """int32 (count,) of a chunk's slots."""
        own = sketches.square if self.squared else sketches.along
        floors = own[:count] * np.float32(self.per_own)
        floors -= sketches.slack[:count] * np.float32(self.per_slack)
        return floors.astype(np.int32)

    def bars(self, limit: Doubles) -> Ints:
        """int32 (q, 1): a slot whose product less floor is below has a key above the limit."""
        bars = np.floor((self.base - limit) / self.unit).clip(_LOWEST, 3 * _LARGEST)
        return bars.astype(np.int32)[:, np.newaxis]

    def lower(self, query: Positions, above: Ints) -> Doubles:
        """float64 (n,): at most the keys, of products less floors."""
        return self.base[query] - self.unit * above


def _coded(
    axes: Axes, shifted: Doubles, square: Doubles
) -> tuple[float, npt.NDArray[np.int8], float, Doubles]:
    """Step and codes; the most of |step * codes|; |s(p) - step * codes| of each at most."""
    sketch = np.empty((len(shifted), axes.width))
    seen, rests = np.split(sketch, [len(axes.wide)], axis=1)
    # For one query BLAS would wake threads that cost more than they help.
    seen[:] = (
        np.einsum("ij,kj->ik", shifted, axes.wide) if len(shifted) == 1 else shifted @ axes.wide.T
    )
    rest = square * (1 + 3 * axes.skew + WIDE_SLIP) - np.square(seen).sum(axis=1)
    rests[:] = np.sqrt(np.maximum(rest, 0) / axes.rests)[:, np.newaxis]
    step = max(float(np.abs(sketch).max()) / 127, TINY_LENGTH)
    codes = np.rint(sketch / step)
    rounded = codes * step
    far = float(np.sqrt(np.square(rounded).sum(axis=1).max()))
    near = np.sqrt(np.square(sketch - rounded).sum(axis=1))
    return step, codes.astype(np.int8), far, near + (axes.skew + WIDE_SLIP) * np.sqrt(square)


def _peaks(chunks: list[Chunk], error: float) -> tuple[float, float]:
    """The most that |c| and the slack of the slots in use can be."""
    most = [of.peaks(chunk.count) for chunk in chunks if (of := chunk.sketches) is not None]
    reach = max(square for square, _ in most) ** 0.5 * (1 + error) + TINY_LENGTH
    return reach, max(slack for _, slack in most)
