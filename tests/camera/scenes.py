"""Pictures made on the spot."""

from __future__ import annotations

import numpy as np

from kinlens.types import Pixels


def scene(seed: int = 0, width: int = 160, height: int = 120) -> Pixels:
    """A picture of large patches, unlike for each seed."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(patches.repeat(height // 6, axis=0).repeat(width // 8, axis=1))
