"""Searches of every size before cameras ask for them.

The first searches load libraries and arrange the catalog's codes for products. On a busy machine
that may take a second, and while cameras look on is no time for it.
"""

from __future__ import annotations

import time

import numpy as np

from kinlens.catalog.base import Catalog
from kinlens.config import DeviceSettings
from kinlens.types import Vectors

BUDGET = 2.0
"""Seconds at most; sizes that are left come unrehearsed."""

_NOISE = 0.3


def rehearse(catalog: Catalog, settings: DeviceSettings, most: int) -> None:
    """Search for up to `most` vectors at once, as those of a device are searched for."""
    likely = _likely(catalog, most)
    if not len(likely):
        return
    until = time.monotonic() + BUDGET
    for size in [1, *(most >> by for by in range(most.bit_length() - 1))]:
        if time.monotonic() > until:
            return
        catalog.search(likely[:size], settings.k, where=settings.where, metric=settings.metric)


def _likely(catalog: Catalog, count: int) -> Vectors:
    """Unit vectors like the catalog's: how fast a search is depends on that."""
    dim = catalog.encoder.dim
    ramp = np.linspace(1, 2, dim, dtype=np.float32)
    [found] = catalog.search(ramp[None] / np.linalg.norm(ramp), count)
    if not found:
        return np.empty((0, dim), np.float32)
    near = np.resize(catalog.vectors([match.item.id for match in found]), (count, dim))
    noise = np.random.default_rng(0).standard_normal((count, dim)) * _NOISE / np.sqrt(dim)
    noisy = near + noise
    return np.asarray(noisy / np.linalg.norm(noisy, axis=1, keepdims=True), np.float32)
