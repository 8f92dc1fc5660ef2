"""The weighted mix, against its formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kinlens.errors import InvalidInput
from kinlens.examples import Clock, mix

rows = arrays.arrays(np.float64, (3, 4), elements=st.floats(-1, 1, width=32))


@given(rows, st.lists(st.floats(-3, 3).filter(bool), min_size=3, max_size=3))
def test_the_mix_is_the_direction_of_the_weighted_sum(vectors, weights):
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if np.any(lengths < 1e-3):
        return
    units = (vectors / lengths).astype(np.float32)
    total = sum(weight * unit.astype(float) for weight, unit in zip(weights, units, strict=True))
    if np.linalg.norm(total) < 1e-3 * sum(map(abs, weights)):
        return
    mixed = mix(list(units), weights)
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, total / np.linalg.norm(total), atol=1e-4)


def test_nothing_left_is_an_error():
    unit = np.array([1, 0], np.float32)
    with pytest.raises(InvalidInput, match="cancel"):
        mix([unit, unit], [1, -1])


def test_the_clock_books_each_lap():
    clock = Clock()
    clock.lap("decode")
    clock.lap("encode")
    assert clock.total >= sum(clock.spent.values()) > 0
    assert clock.spent["search"] == 0
