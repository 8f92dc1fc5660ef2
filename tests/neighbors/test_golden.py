"""Canonical answers for one small case: vectors of whole numbers, distances worked out exactly.

The case is in `tests/golden/neighbors.json`: 64 vectors, 3 queries, and the 4 nearest for each
metric. The squared distances and the products are whole numbers, so nothing in it depends on a
machine; the others follow from them by one square root or division.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kinlens.neighbors import ExactIndex, products
from kinlens.neighbors.kernels import KERNELS

GOLDEN = json.loads(
    (Path(__file__).parent.parent / "golden" / "neighbors.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("kernel", [kernel.name for kernel in KERNELS if not kernel.missing()])
@pytest.mark.parametrize("metric", GOLDEN["nearest"])
def test_canonical_answers(metric: str, kernel: str) -> None:
    index = ExactIndex(GOLDEN["dim"], kernel=kernel)
    index.append(np.array(GOLDEN["vectors"]))
    found = index.search(np.array(GOLDEN["queries"]), GOLDEN["k"], metric=metric)
    # Sketches are for many rows only, and few rows are taken at once about unit lengths.
    coarse = kernel == "sketch" or (kernel == "few" and metric == "cosine")
    expected_kernel = "int8" if coarse else kernel
    assert expected_kernel in found.kernel.split("+") or not products.is_fast()
    expected = GOLDEN["nearest"][metric]
    assert found.rows.tolist() == expected["rows"]
    np.testing.assert_allclose(found.distances, expected["distances"], rtol=1e-15, atol=1e-15)
