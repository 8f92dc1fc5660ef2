"""Tests of kinlens.encoders.pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kinlens.encoders.pooling import pooled
from kinlens.preprocess import Layout

NUMBERS = np.random.default_rng(0).standard_normal((2, 5, 3, 3)).astype(np.float32)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(("pooling", "reduce"), [("average", np.mean), ("max", np.max)])
def test_over_the_two_equal_axes_wherever_they_are(
    layout: Layout, pooling: Any, reduce: Any
) -> None:
    expected = reduce(NUMBERS, axis=(2, 3))
    for maps in (NUMBERS, NUMBERS.transpose(0, 2, 3, 1)):
        found = pooled(maps, pooling, layout)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_as_many_channels_as_the_sides_are_long() -> None:
    maps = NUMBERS[:, :3]
    np.testing.assert_array_equal(pooled(maps, "max", "nchw"), maps.max(axis=(2, 3)))
    np.testing.assert_array_equal(pooled(maps, "max", "nhwc"), maps.max(axis=(1, 2)))


def test_none_keeps_the_order() -> None:
    np.testing.assert_array_equal(pooled(NUMBERS, "none", "nchw"), NUMBERS.reshape(2, 45))
