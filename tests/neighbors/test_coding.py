"""Codes and the norms beside them are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from kinlens.neighbors.coding import TINY_LENGTH, Center, Codes, sum_error
from kinlens.neighbors.storage import Chunk
from neighbors.hard_data import MAKERS, Maker, huge, tiny

SCREENABLE = [make for make in MAKERS if make is not huge]


@pytest.mark.parametrize("dim", [1, 64, 3000])
@pytest.mark.parametrize("make", SCREENABLE, ids=lambda make: make.__name__)
def test_norms_bound_what_they_claim(make: Maker, dim: int) -> None:
    data = make(np.random.default_rng(0), 300, dim).astype(np.float32)
    codes = Codes.empty(Center.of(data), 320)
    codes.write(20, data)
    used, center = slice(20, 320), codes.center.vector.astype(np.float64)
    centered = data.astype(np.float64) - center
    rounded = codes.scale[used, None].astype(np.float64) * codes.codes[used]
    residual = np.linalg.norm(centered - rounded, axis=1)
    assert (residual <= codes.residual[used]).all()
    square, error = np.square(centered).sum(axis=1), sum_error(dim)
    assert (np.abs(codes.square[used] - square) <= error * square + TINY_LENGTH**2).all()
    length, middle = np.sqrt(square), np.linalg.norm(center)
    assert (np.abs(codes.along[used] - centered @ center) <= error * middle * length + 1e-36).all()
    norm = np.linalg.norm(data.astype(np.float64), axis=1)
    assert (np.abs(codes.norm[used] - norm) <= error * norm).all()


def test_codes_use_the_whole_byte() -> None:
    data = np.random.default_rng(0).standard_normal((50, 33)).astype(np.float32)
    codes = Codes.empty(Center.of(data), 50)
    codes.write(0, data)
    assert (np.abs(codes.codes.astype(int)).max(axis=1) == 127).all()


def test_vectors_too_small_to_code_keep_their_length_as_residual() -> None:
    data = tiny(np.random.default_rng(0), 10, 8).astype(np.float32) * np.float32(1e-10)
    codes = Codes.empty(Center.of(np.zeros_like(data)), 10)
    codes.write(0, data)
    assert not codes.codes.any()
    assert (codes.residual >= np.linalg.norm(data.astype(np.float64), axis=1)).all()


def appended(chunk: Chunk, data: np.ndarray) -> Chunk:
    return chunk.appended(np.arange(chunk.count, chunk.count + len(data)), data)


def test_a_center_made_of_few_moves_when_it_fits_the_many_badly() -> None:
    rng = np.random.default_rng(0)
    first = np.full((1, 16), 9, np.float32)
    chunk = appended(Chunk.begun(0, first, None), first)
    before = chunk.codes.center
    for _ in range(100):
        chunk = appended(chunk, rng.standard_normal((5, 16)).astype(np.float32))
    assert chunk.codes.center is not before
    assert np.abs(chunk.codes.center.vector).max() < 2
    np.testing.assert_allclose(
        chunk.codes.square[: chunk.count],
        np.square(chunk.vectors[: chunk.count] - chunk.codes.center.vector).sum(axis=1),
        rtol=1e-5,
    )


def test_chunks_alike_share_a_center_and_others_do_not() -> None:
    rng = np.random.default_rng(0)
    data = rng.standard_normal((3000, 16)).astype(np.float32) + 4
    first = appended(Chunk.begun(0, data, None), data)
    assert Chunk.begun(1, data[::-1], first).codes.center is first.codes.center
    assert Chunk.begun(1, -data, first).codes.center is not first.codes.center
