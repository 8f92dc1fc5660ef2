from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinlens.camera.blobs import Blob, Mask, largest_blob, outside


def mask_of(*rows: str) -> Mask:
    return np.array([[char == "#" for char in row] for row in rows])


def flooded(mask: Mask) -> list[list[tuple[int, int]]]:
    """The slow, obvious way: each region's pixels, by when the first of them is met."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    regions = []
    while left:
        region, edge = [], [min(left)]
        left.discard(edge[0])
        while edge:
            y, x = edge.pop()
            region.append((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge += near
        regions.append(region)
    return regions


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (mask_of("....", "...."), None),
        (mask_of("#..#", "...#"), Blob(2, 3, 0, 4, 2)),
        (mask_of("#...", ".#..", "..#.", "...#"), Blob(4, 0, 0, 4, 4)),
        (mask_of("#.#.#", "#.#.#", "#####", ".....", "####."), Blob(11, 0, 0, 5, 3)),
        (mask_of("#####", "#...#", "#.#.#", "#...#", "#####"), Blob(16, 0, 0, 5, 5)),
        (mask_of("##.##"), Blob(2, 0, 0, 2, 1)),
    ],
)
def test_the_largest_region(mask: Mask, expected: Blob | None):
    assert largest_blob(mask) == expected


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 14), st.integers(1, 14), st.floats(0.1, 0.9), st.integers(0, 999))
def test_it_is_what_a_flood_finds(height: int, width: int, share: float, seed: int):
    mask = np.random.default_rng(seed).random((height, width)) < share
    regions = flooded(mask)
    found = largest_blob(mask)
    if found is None:
        assert not regions
        return
    largest = max(regions, key=len)
    ys, xs = zip(*largest, strict=True)
    assert found == Blob(len(largest), min(xs), min(ys), max(xs) + 1, max(ys) + 1)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.1, 0.9), st.integers(0, 999))
def test_the_outside_is_what_the_edge_reaches(height: int, width: int, share: float, seed: int):
    mask = np.random.default_rng(seed).random((height, width)) < share
    expected = np.zeros_like(mask)
    for region in flooded(mask):
        if any(y in (0, height - 1) or x in (0, width - 1) for y, x in region):
            expected[tuple(zip(*region, strict=True))] = True
    assert np.array_equal(outside(mask), expected)
