"""Products of int8 vectors are whole numbers, exactly, on whatever this CPU has."""

from __future__ import annotations

import numpy as np
import pytest

from kinlens.neighbors import products
from kinlens.neighbors.products import PACK, PackedBlocks, Products

pytestmark = pytest.mark.skipif(products.library() is None, reason="NumKong isn't installed")


def codes(n: int, dim: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-127, 128, (n, dim), dtype=np.int8)


@pytest.mark.parametrize("dim", [1, 31, 64, 512, 1000])
@pytest.mark.parametrize("n", [1, 17, PACK])
def test_single_and_many(n: int, dim: int) -> None:
    rows, room = codes(n, dim, 0), Products()
    for q in (1, 2, 33):
        queries = codes(q, dim, q)
        truth = queries.astype(np.int64) @ rows.astype(np.int64).T
        np.testing.assert_array_equal(room.many(queries, products.library().dots_pack(rows)), truth)
        np.testing.assert_array_equal(room.single(queries[:1], rows), truth[:1])


def test_the_largest_sums_fit() -> None:
    rows = np.full((5, 65_536), 127, np.int8)
    rows[1] = -127
    packed = PackedBlocks().get(rows, 0, 5)
    room = Products()
    assert room.many(rows[:2], packed)[0, :2].tolist() == [127**2 * 65_536, -(127**2) * 65_536]
    assert room.single(rows[:1], rows)[0, 0] == 127**2 * 65_536  # a power of two times 127^2


def test_parts_are_packed_once_and_anew_when_they_grow() -> None:
    rows, packs = codes(PACK + 10, 40, 0), PackedBlocks()
    first = packs.get(rows, 0, PACK)
    assert packs.get(rows, 0, PACK) is first
    short = packs.get(rows, PACK, PACK + 4)
    assert packs.get(rows, PACK, PACK + 10) is not short
    assert packs.nbytes >= (PACK + 10) * 40
    assert Products().many(rows[:1], packs.get(rows, PACK, PACK + 10)).shape == (1, 10)
