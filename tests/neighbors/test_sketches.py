"""Sketches bound distances from below, and searches that rely on them are exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinlens.neighbors import ExactIndex, products
from kinlens.neighbors.coding import sum_error
from kinlens.neighbors.kernels import bounds, sketch
from kinlens.neighbors.result import NEIGHBOR_METRICS
from kinlens.neighbors.sketches import ALLOWED, LEAST, Axes, Sketches
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Task, key_of
from neighbors.hard_data import unit
from neighbors.twin import all_distances, check_neighbors

needs_int8 = pytest.mark.skipif(not products.is_fast(), reason="NumKong has no code for this CPU")
DIM = 160


def spread(
    rng: np.random.Generator, n: int, steepness: float = 1.0, length: float | None = 1
) -> np.ndarray:
    """Vectors around a few, of a spectrum as steep as this; of one length unless None."""
    shared = np.random.default_rng(99)
    turn, _ = np.linalg.qr(shared.standard_normal((DIM, DIM)))
    spectrum = np.arange(1, DIM + 1) ** -float(steepness)
    few = shared.standard_normal((50, DIM)) * spectrum
    data = (few[rng.integers(0, 50, n)] + 0.7 * rng.standard_normal((n, DIM)) * spectrum) @ turn
    data += 0.05 * shared.standard_normal(DIM)
    if length is not None:
        data *= length / np.linalg.norm(data, axis=1, keepdims=True)
    return data.astype(np.float32)


def indexed(data: np.ndarray, block: int = 5000) -> ExactIndex:
    # Named, it begins whatever the clock says.
    index = ExactIndex(data.shape[1], kernel="sketch" if products.is_fast() else None)
    for start in range(0, len(data), block):
        index.append(data[start : start + block])
    return index


def axes_for(data: np.ndarray) -> Axes:
    axes = Axes.learned(data)
    assert axes is not None
    return axes


@pytest.mark.parametrize("length", [1, 1e-4, 1e9, None])
def test_sketches_hold_what_they_claim(length: float | None) -> None:
    data = spread(np.random.default_rng(0), 5000, length=length)
    axes = axes_for(spread(np.random.default_rng(0), 5000, length=length or 1))
    if length is None:
        data[::150] *= 30  # beyond what the codes reach
        data[5] = 0
    sketches = Sketches.empty(axes, len(data))
    sketches.write(0, data)
    centered = data.astype(np.float64) - axes.center
    basis = axes.basis.astype(np.float64)
    left, _, right = np.linalg.svd(basis, full_matrices=False)
    seen = centered @ (left @ right)
    square = np.square(centered).sum(axis=1)
    rest = np.sqrt(np.maximum(square - np.square(seen).sum(axis=1), 0))
    coded = sketches.codes * axes.step
    # The stored rest may be any that is at least the true one.
    count = len(axes.wide)
    off = np.linalg.norm(seen - coded[:, :count], axis=1)
    error = sketches.slack - ALLOWED * np.sqrt(square)
    room = np.sqrt(np.maximum(error**2 - off**2, 0))
    assert (off <= error).all()
    assert (np.linalg.norm(coded[:, count:], axis=1) + room >= rest).all()
    assert (np.abs(sketches.square - square) <= sum_error(DIM) * square).all()
    assert np.abs(basis.T @ basis - np.eye(basis.shape[1])).max() <= axes.skew


@needs_int8
@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("q", [1, 9])
@pytest.mark.parametrize("length", [1, 1e-4, 1e9])
def test_lower_bounds_are_below_the_keys(q: int, metric: str, length: float) -> None:
    rng = np.random.default_rng(1)
    data, queries = spread(rng, 5000, length=length), spread(rng, q, length=length)
    queries[0] = data[17]
    if metric == "cosine" and length != 1:
        pytest.skip("not for other lengths")
    chunk = Chunk.begun(0, data, None).appended(np.arange(5000), data)
    task = Task((chunk,), (None,), 5000, queries, 1, metric)
    parts = sketch._parts(task)
    assert parts is not None
    (part,) = parts
    above = part.queries.codes.astype(np.int64) @ part.sketches.codes[:5000].T - part.floors
    query = np.repeat(np.arange(q), 5000)
    lower = part.queries.lower(query, above.ravel()).reshape(q, 5000)
    keys = key_of(all_distances(data, queries, metric), metric)
    assert (lower <= keys).all()
    limit = np.median(keys, axis=1)
    assert (above >= part.queries.bars(limit))[keys <= limit[:, None]].all()
    # Not idle: the bound is about as wide as steps of one part in 127 make it.
    assert np.median((keys - lower) / bounds.peak_reach(chunk, DIM) ** 2) < 0.4


@needs_int8
@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("steepness", [0.6, 0.8, 1.0])
def test_searches_are_exact_and_decide_on_few(steepness: float, metric: str) -> None:
    rng = np.random.default_rng(2)
    data, queries = spread(rng, 14_000, steepness), spread(rng, 20, steepness)
    queries[:3] = data[[0, 9000, 13_999]]
    index = indexed(data)
    found = index.search(queries, 12, metric=metric)
    assert found.kernel == "sketch"
    assert found.candidates < 20 * 40
    check_neighbors(found, data, queries, 12, metric)
    check_neighbors(index.search(queries[7], 12, metric=metric), data, queries[7:8], 12, metric)


@needs_int8
@pytest.mark.parametrize("metric", ["euclidean", "inner"])
def test_lengths_of_all_kinds(metric: str) -> None:
    rng = np.random.default_rng(3)
    data = spread(rng, 14_000, length=None)
    data[100] *= 1e6
    data[200:300] *= 30
    data[300] = 0
    queries = np.concatenate([spread(rng, 4, length=None), data[100:101], 1e-9 * data[:1]])
    index = indexed(data)
    check_neighbors(index.search(queries, 5, metric=metric), data, queries, 5, metric)
    for query in queries:
        check_neighbors(index.search(query, 5, metric=metric), data, query[None], 5, metric)


def test_steep_spectra() -> None:
    rng = np.random.default_rng(2)
    data, queries = spread(rng, 14_000, 3), spread(rng, 5, 3)
    check_neighbors(indexed(data).search(queries, 12), data, queries, 12, "euclidean")


@needs_int8
def test_flat_spectra_are_not_sketched() -> None:
    data = unit(np.random.default_rng(4), 14_000, 256).astype(np.float32)
    assert Axes.learned(data) is None
    assert indexed(data).search(data[:2], 3).kernel == "int8"


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((5000, DIM), np.float32),
        np.full((5000, DIM), 3e38, np.float32),
        np.full((5000, DIM), -3e38, np.float32),
        np.random.default_rng(0).standard_normal((5000, DIM)).astype(np.float32) * np.float32(1e30),
        np.ones((5000, 40), np.float32),
    ],
)
def test_what_can_not_be_sketched_is_searched_all_the_same(data: np.ndarray) -> None:
    data = np.concatenate([data] * 3)
    found = indexed(data).search(data[:1], 3)
    np.testing.assert_array_equal(found.distances[0, 0], 0)
    assert found.rows[0, 0] == 0


@needs_int8
@pytest.mark.parametrize("q", [1, 5])
def test_near_ties_and_duplicates(q: int) -> None:
    """The k-th neighbor differs from the next ones far below what a sketch tells apart."""
    rng = np.random.default_rng(5)
    data = spread(rng, 14_000)
    same = rng.permutation(14_000)[:200]
    data[same] = data[same[0]]
    data[same[100:]] += 1e-7 * rng.standard_normal((100, DIM)).astype(np.float32)
    queries = np.concatenate([data[same[:1]], spread(rng, q - 1)])
    found = indexed(data).search(queries, 60)
    assert found.kernel == "sketch"
    check_neighbors(found, data, queries, 60, "euclidean")
    np.testing.assert_array_equal(found.rows[0], np.sort(same[:100])[:60])


@needs_int8
@pytest.mark.parametrize("share", [0.9, 0.5, 0.02, 0.0003])
@pytest.mark.parametrize("q", [1, 4])
def test_masks(q: int, share: float) -> None:
    rng = np.random.default_rng(6)
    data, queries = spread(rng, 40_000), spread(rng, q)
    mask = rng.random(40_000) < share
    found = indexed(data).search(queries, 8, metric="cosine", mask=mask)
    assert ("sketch" in found.kernel) == (share >= 0.5)
    check_neighbors(found, data, queries, 8, "cosine", mask)


@needs_int8
def test_changes_after_axes_were_learned() -> None:
    rng = np.random.default_rng(7)
    data = spread(rng, 20_000)
    index, alive = indexed(data, 3000), np.ones(20_000, bool)
    for step in range(4):
        gone = rng.permutation(np.flatnonzero(alive))[:500]
        index.delete(gone)
        alive[gone] = False
        changed = rng.permutation(np.flatnonzero(alive))[:700]
        # Later ones lie elsewhere, in directions that the axes weren't made for.
        data[changed] = np.roll(spread(rng, 700), 10 * step, axis=1)
        index.replace(changed, data[changed])
        new = np.roll(spread(rng, 300), 10 * step, axis=1)
        index.append(new)
        data, alive = np.concatenate([data, new]), np.concatenate([alive, np.ones(300, bool)])
        queries = np.concatenate([new[:2], spread(rng, 3)])
        for metric in ("cosine", "euclidean"):
            found = index.search(queries, 9, metric=metric)
            assert "sketch" in found.kernel
            check_neighbors(found, data, queries, 9, metric, alive)


@needs_int8
def test_chunks_in_order_of_kind_have_axes_of_their_own() -> None:
    rng = np.random.default_rng(8)
    turn, _ = np.linalg.qr(rng.standard_normal((DIM, DIM)))
    data = np.concatenate([spread(rng, 16_384, 1.0), spread(rng, 16_384, 1.0) @ turn])
    data = data.astype(np.float32)
    index = indexed(data)
    first, last = (chunk.sketches for chunk in index._snapshot.chunks)
    assert first is not None
    assert last is not None
    assert last.axes is not first.axes
    queries = np.concatenate([data[[3, 30_000]], spread(rng, 2, 1.0)])
    found = index.search(queries, 9)
    assert found.kernel == "sketch"
    check_neighbors(found, data, queries, 9, "euclidean")


@pytest.mark.parametrize("steepness", [0.5, 0.7, 1.0])
def test_chunks_alike_share_axes(steepness: float) -> None:
    rng = np.random.default_rng(15)
    axes = axes_for(spread(rng, LEAST, steepness))
    for _ in range(5):
        assert axes.or_better(spread(rng, 6000, steepness)) is axes


def test_axes_make_room_for_better_ones_and_for_none() -> None:
    rng = np.random.default_rng(16)
    axes = axes_for(spread(rng, LEAST))
    turn, _ = np.linalg.qr(rng.standard_normal((DIM, DIM)))
    others = axes.or_better((spread(rng, 6000) @ turn).astype(np.float32))
    assert others is not None
    assert others is not axes
    assert axes.or_better(unit(rng, 6000, DIM).astype(np.float32)) is None


def test_peaks_are_of_the_slots_in_use() -> None:
    data = spread(np.random.default_rng(17), LEAST + 1000)
    data[LEAST:] *= 3
    sketches = Sketches.empty(axes_for(data[:LEAST]), len(data))
    sketches.write(0, data[:LEAST])
    before = sketches.peaks(LEAST)
    sketches.write(LEAST, data[LEAST:])
    for count in (LEAST, len(data), LEAST):
        expected = sketches.square[:count].max(), sketches.slack[:count].max()
        assert sketches.peaks(count) == expected
    assert sketches.peaks(LEAST) == before < sketches.peaks(len(data))


def test_what_sketches_lose_goes_to_other_kernels() -> None:
    rng = np.random.default_rng(9)
    data = spread(rng, 20_000)
    data[:9000] = data[0] + 1e-3 * unit(rng, 9000, DIM)
    queries = data[[0, 15_000]]
    found = indexed(data).search(queries, 5)
    check_neighbors(found, data, queries, 5, "euclidean")


def test_numbers_too_large_for_whole_ones_are_left_to_others() -> None:
    rng = np.random.default_rng(10)
    data = spread(rng, 14_000)
    index = indexed(data)
    axes = index._snapshot.chunks[0].sketches
    if axes is None:
        pytest.skip("not sketched")
    chunk = replace(index._snapshot.chunks[0])
    query = (axes.axes.center + np.float32(1e-12)).astype(np.float32)[None]
    task = Task((chunk,), (None,), chunk.living, query, 3, "euclidean")
    lost = sketch.SketchKernel().shortlist(task).lost
    assert lost.all() or not lost.any()
    check_neighbors(index.search(query, 3), data, query, 3, "euclidean")


def test_axes_are_learned_when_there_are_rows_enough() -> None:
    data = spread(np.random.default_rng(11), LEAST)
    index = ExactIndex(DIM)
    index.append(data[:-1])
    assert index._snapshot.chunks[0].sketches is None
    index.append(data[-1:])
    assert index._snapshot.chunks[0].sketches is not None


@needs_int8
@pytest.mark.parametrize("q", [1, 12])
def test_barred_slots_set_no_limit(q: int) -> None:
    """What lies near is barred but for one row, the only one that passes in the first chunk."""
    rng = np.random.default_rng(12)
    data = spread(rng, 60_000)
    queries = np.repeat(data[:1], q, axis=0) + 1e-4 * spread(rng, q)
    far = np.argsort(all_distances(data, queries[:1], "euclidean")[0])[30_000:]
    mask = np.zeros(len(data), bool)
    mask[far] = True
    mask[:16_384] = False
    mask[0] = True
    found = indexed(data).search(queries, 30, mask=mask)
    check_neighbors(found, data, queries, 30, "euclidean", mask)


@needs_int8
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "inner"])
def test_many_queries_of_all_lengths_keep_their_order(metric: str) -> None:
    rng = np.random.default_rng(13)
    data, queries = spread(rng, 14_000), spread(rng, 600)
    data[3000:3400] = data[2999]
    queries[10] = data[2999]
    if metric != "cosine":
        queries *= rng.permutation(np.geomspace(1e-3, 1e3, 600))[:, None].astype(np.float32)
    found = indexed(data).search(queries, 6, metric=metric)
    assert "sketch" in found.kernel
    check_neighbors(found, data, queries, 6, metric)


@needs_int8
def test_wide_sketches_of_slow_spectra() -> None:
    rng = np.random.default_rng(14)
    turn, _ = np.linalg.qr(rng.standard_normal((512, 512)))
    made = rng.standard_normal((13_020, 512)) * np.arange(1, 513) ** -0.6
    made = np.maximum(made @ turn + 0.02, 0).astype(np.float32)
    data, queries = made[:13_000], made[13_000:]
    index = indexed(data)
    sketches = index._snapshot.chunks[0].sketches
    assert sketches is not None
    assert sketches.axes.width >= 96
    found = index.search(queries, 5)
    check_neighbors(found, data, queries, 5, "euclidean")
