"""Products of int8 vectors are whole numbers, exactly, with each kind of vector instructions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from kinlens.neighbors import products
from kinlens.neighbors.products import PACK, PackedBlocks, Products

pytestmark = pytest.mark.skipif(products.library() is None, reason="NumKong isn't installed")


LEVELS = [
    "serial", "haswell", "alder", "sierra", "skylake", "icelake", "genoa", "turin", "sapphire",
    "sapphireamx", "neon", "neonsdot",
]  # fmt: skip
"""NumKong's names: haswell is AVX2, skylake AVX-512, icelake VNNI, sapphireamx AMX."""


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """Vector instructions that NumKong is told to use; besides, it always has its serial code."""
    numkong = products.library()
    there = [name for name, has in numkong.get_capabilities().items() if has]
    if request.param not in there:
        pytest.skip(f"this CPU has no {request.param}")
    others = [name for name in there if name not in (request.param, "serial")]
    for name in others:
        numkong.disable_capability(name)
    try:
        yield request.param
    finally:
        for name in others:
            numkong.enable_capability(name)


def codes(n: int, dim: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-127, 128, (n, dim), dtype=np.int8)


@pytest.mark.usefixtures("level")
def test_single_and_many() -> None:
    for n, dim in product((1, 17, PACK), (1, 31, 64, 512, 1000)):
        rows, room = codes(n, dim, 0), Products()
        for q in (1, 2, 33):
            queries, packed = codes(q, dim, q), products.library().dots_pack(rows)
            truth = queries.astype(np.int64) @ rows.astype(np.int64).T
            np.testing.assert_array_equal(room.many(queries, packed), truth)
            np.testing.assert_array_equal(room.single(queries[:1], rows), truth[:1])


@pytest.mark.usefixtures("level")
def test_the_largest_sums_fit() -> None:
    rows = np.full((5, 65_536), 127, np.int8)
    rows[1] = -127
    packed = PackedBlocks().get(rows, 0, 5)
    room = Products()
    assert room.many(rows[:2], packed)[0, :2].tolist() == [127**2 * 65_536, -(127**2) * 65_536]
    assert room.single(rows[:1], rows)[0, 0] == 127**2 * 65_536  # a power of two times 127^2


def test_it_is_fast_with_vector_instructions(level: str) -> None:
    assert products.is_fast.__wrapped__() == (level != "serial")


def test_parts_are_packed_once_and_anew_when_they_grow() -> None:
    rows, packs = codes(PACK + 10, 40, 0), PackedBlocks()
    first = packs.get(rows, 0, PACK)
    assert packs.get(rows, 0, PACK) is first
    short = packs.get(rows, PACK, PACK + 4)
    assert packs.get(rows, PACK, PACK + 10) is not short
    assert packs.nbytes >= (PACK + 10) * 40
    assert Products().many(rows[:1], packs.get(rows, PACK, PACK + 10)).shape == (1, 10)
