"""What the student should say of a view: the teacher's embedding, made compact, with its colors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from teacher import unit

Matrix = npt.NDArray[np.float32]

WHITENING = 0.3
"""Power of the singular values divided out: 0 is a plain PCA, 1 a full whitening."""

COLOR_SHARE = 0.1
"""Part of a target's squared length that speaks of color, to which the teacher is rather blind."""


@dataclass(frozen=True, slots=True)
class Projection:
    """Maps teacher embeddings (n, 1280) and color histograms (n, 64) to targets (n, dim)."""

    teacher_mean: Matrix
    teacher_axes: Matrix
    color_mean: Matrix
    color_axes: Matrix

    def __call__(self, teacher: Matrix, color: Matrix) -> Matrix:
        """Targets float32 (n, dim), unit length."""
        meaning = unit((teacher - self.teacher_mean) @ self.teacher_axes)
        colors = unit((color - self.color_mean) @ self.color_axes)
        joint = [meaning * np.sqrt(1 - COLOR_SHARE), colors * np.sqrt(COLOR_SHARE)]
        return np.concatenate(joint, axis=1).astype(np.float32)


def fit(teacher: Matrix, color: Matrix, dim: int) -> Projection:
    """Principal axes of a sample; one eighth of the dimensions goes to color."""
    for_color = dim // 8
    teacher_mean, teacher_axes = _principal(teacher, dim - for_color)
    color_mean, color_axes = _principal(color, for_color)
    return Projection(teacher_mean, teacher_axes, color_mean, color_axes)


def _principal(rows: Matrix, count: int) -> tuple[Matrix, Matrix]:
    mean = rows.mean(axis=0)
    centered = rows - mean
    values, vectors = np.linalg.eigh((centered.T @ centered).astype(np.float64) / len(rows))
    largest = np.argsort(values)[::-1][:count]
    scale = np.maximum(values[largest], 1e-9) ** (-WHITENING / 2)
    return mean, np.asarray(vectors[:, largest] * scale, np.float32)
