"""How kinlens-mini sees a picture, in training and ever after."""

from __future__ import annotations

from kinlens.preprocess import Recipe

RECIPE = Recipe(size=96, resize="stretch", mean=(127.5, 127.5, 127.5), std=(63.75, 63.75, 63.75))
