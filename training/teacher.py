"""The teacher: a public MobileNetV2, run by OpenVINO on the same views that the student sees."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino

from kinlens.preprocess import Recipe
from kinlens.types import Pixels

TEACHER_DIM = 1280

_LEVELS = 4
HISTOGRAM_DIM = _LEVELS**3


class Teacher:
    """Embeds batches of pictures, several batches at a time.

    Parameters
    ----------
    model : path of mobilenet_v2_imagenet.onnx
    size : side of its input; made for 224, but small pictures fare better at 160
    """

    def __init__(self, model: Path, size: int = 224) -> None:
        gray = (127.5, 127.5, 127.5)
        self.recipe = Recipe(size, "stretch", gray, gray)
        core = openvino.Core()
        network = core.read_model(model)
        network.reshape([-1, 3, size, size])
        self._compiled = core.compile_model(network, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})

    def embed(
        self, batches: Iterable[npt.NDArray[np.float32]], count: int
    ) -> npt.NDArray[np.float32]:
        """Embeddings float32 (count, 1280), unit length, of prepared batches with count rows."""
        embeddings = np.empty((count, TEACHER_DIM), np.float32)

        def keep(request: openvino.InferRequest, start: int) -> None:
            rows = request.get_tensor("embedding").data
            embeddings[start : start + len(rows)] = rows

        queue = openvino.AsyncInferQueue(self._compiled)
        queue.set_callback(keep)
        start = 0
        for batch in batches:
            queue.start_async({0: batch}, start)
            start += len(batch)
        queue.wait_all()
        return unit(embeddings)


def color_histograms(images: Pixels) -> npt.NDArray[np.float32]:
    """Soft RGB histograms, float32 (n, 64), unit length, of uint8 images (n, H, W, 3).

    Square roots of shares, so that a dot product is the Bhattacharyya similarity of two pictures'
    colors. Each pixel is shared among the bins around it, so a small shift of color is a small
    shift of the histogram.
    """
    histograms = np.zeros((len(images), HISTOGRAM_DIM), np.float32)
    for row, image in enumerate(images):
        place = image[::3, ::3].reshape(-1, 3).astype(np.float32) * ((_LEVELS - 1) / 255)
        lower = np.minimum(place.astype(np.int64), _LEVELS - 2)
        upper_share = place - lower
        for corner in np.ndindex(2, 2, 2):
            share = np.prod(np.where(corner, upper_share, 1 - upper_share), axis=1)
            bins = (lower + corner) @ (_LEVELS**2, _LEVELS, 1)
            histograms[row] += np.bincount(bins, share, HISTOGRAM_DIM).astype(np.float32)
    return unit(np.sqrt(histograms))


def unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows scaled to unit length."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
