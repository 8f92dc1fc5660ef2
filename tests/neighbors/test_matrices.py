"""Products and bases beside NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from kinlens.neighbors import matrices


@pytest.mark.parametrize(
    "shape", [(1, 3, 2), (0, 4, 3), (5, 0, 2), (1030, 257, 129), (7, 4000, 900)]
)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_products(shape: tuple[int, int, int], kind: type) -> None:
    n, d, m = shape
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((n, d)).astype(kind), rng.standard_normal((d, m)).astype(kind)
    found = matrices.product(left, right)
    assert found.dtype == kind
    np.testing.assert_allclose(found, left.astype(float) @ right, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("decay", [0, 1, 2, 4])
def test_an_orthonormal_basis_of_the_same_span(decay: int) -> None:
    """Columns that are nearly dependent too, where the eigenvalues of Y'Y don't tell."""
    rng = np.random.default_rng(1)
    spectrum = np.arange(1, 41, dtype=float) ** -decay
    columns = (rng.standard_normal((900, 40)) * spectrum) @ np.linalg.qr(
        rng.standard_normal((40, 40))
    )[0]
    columns = columns.astype(np.float32)
    basis = matrices.orthonormal(columns)
    assert basis.dtype == np.float32
    np.testing.assert_allclose(basis.T.astype(float) @ basis, np.eye(40), atol=1e-5)
    rest = columns - basis.astype(float) @ (basis.T.astype(float) @ columns)
    assert np.linalg.norm(rest) < 1e-4 * np.linalg.norm(columns)


def test_columns_that_are_the_same() -> None:
    columns = np.repeat(np.random.default_rng(2).standard_normal((50, 3)), 2, axis=1)
    basis = matrices.orthonormal(columns.astype(np.float32))
    np.testing.assert_allclose(basis.T.astype(float) @ basis, np.eye(6), atol=1e-5)
