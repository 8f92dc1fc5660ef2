"""The bounds hold: no estimate is further from the truth than its view says."""

from __future__ import annotations

import numpy as np
import pytest

from kinlens.neighbors import products
from kinlens.neighbors.desk import Desk
from kinlens.neighbors.kernels import bounds, float32, int8
from kinlens.neighbors.kernels.base import Kernel
from kinlens.neighbors.result import NEIGHBOR_METRICS
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Task, key_of
from neighbors.hard_data import MAKERS, Maker, huge, unit
from neighbors.twin import all_distances

SCREENABLE = [make for make in MAKERS if make is not huge]
SCREENS = {
    "int8": pytest.param(
        int8._Screen,
        marks=pytest.mark.skipif(not products.is_fast(), reason="NumKong has no code for this CPU"),
    ),
    "float32": pytest.param(float32._Screen),
}


def chunk_of(data: np.ndarray) -> Chunk:
    return Chunk.begun(0, data, None).appended(np.arange(len(data)), data)


@pytest.mark.parametrize("screen", SCREENS.values(), ids=SCREENS.keys())
@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("make", SCREENABLE, ids=lambda make: make.__name__)
@pytest.mark.parametrize("q", [1, 9])
def test_keys_are_within_the_bound(make: Maker, metric: str, q: int, screen: type) -> None:
    rng = np.random.default_rng(7)
    data = make(rng, 1500, 96).astype(np.float32)
    queries = make(rng, q, 96).astype(np.float32)
    task = Task((chunk_of(data),), (None,), len(data), queries, 1, metric)
    assert bounds.in_range(task)
    view = screen(task).view(task.chunks[0])
    with np.errstate(all="ignore"):
        keys = view.estimates(0, len(data), Desk()) + view.offset[:, None]
    truth = key_of(all_distances(data, queries, metric), metric)
    query, slot = np.divmod(np.arange(keys.size), len(data))
    errors = view.errors(query, slot).reshape(keys.shape)
    assert (np.abs(keys - truth) <= errors).all()
    assert (errors <= view.slack[:, None] * (1 + 1e-12)).all()


@pytest.mark.parametrize("kernel", [int8.Int8Kernel(), float32.Float32Kernel()])
def test_numbers_beyond_the_bound_are_refused(kernel: Kernel) -> None:
    data = huge(np.random.default_rng(0), 2000, 96).astype(np.float32)
    task = Task((chunk_of(data),), (None,), len(data), data[:1], 1, "euclidean")
    assert not kernel.is_usable_for(task)


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("length", [1, 40])
def test_the_bounds_are_not_idle(length: float, metric: str) -> None:
    """int8 steps err by about 0.014 |q||c| at most, float32 by some 2^-24 for each dimension."""
    rng = np.random.default_rng(8)
    data, queries = (
        length * unit(rng, n, 512).astype(np.float32) * (1 + 0.01 * rng.random((n, 1), np.float32))
        for n in (2000, 4)
    )
    task = Task((chunk_of(data),), (None,), len(data), queries, 1, metric)
    view = task.chunks[0]
    size = {"cosine": 1, "inner": length**2}.get(metric, 2 * length**2)
    if products.is_fast():
        assert int8._Screen(task).view(view).slack.max() < 0.03 * size
    assert float32._Screen(task).view(view).slack.max() < 1.5e-4 * size
