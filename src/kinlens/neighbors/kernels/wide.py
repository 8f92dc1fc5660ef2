"""`exact.distances` of tensors, the same to the last bit.

Additions, products, divisions and square roots of float64 are rounded alike on all devices; only
the order of a sum must be kept. It is that of NumPy's pairwise summation: up to 128 numbers are
added in eight lanes, more are halved.
"""

from __future__ import annotations

from kinlens.neighbors.result import NeighborMetric
from kinlens.neighbors.tensors import Device, Tensor

_BLOCK = 128
_LANES = 8


def distances(vectors: Tensor, queries: Tensor, metric: NeighborMetric, device: Device) -> Tensor:
    """float64 (n,), of float64 (n, dim) and (n, dim); the vectors are overwritten."""
    if metric == "inner":
        return 0.0 - row_sums(vectors * queries)
    if metric == "cosine":
        return _cosine(vectors, queries, device)
    vectors -= queries
    vectors *= vectors
    squares = row_sums(vectors)
    return device.square_roots(squares) if metric == "euclidean" else squares


def _cosine(vectors: Tensor, queries: Tensor, device: Device) -> Tensor:
    products = row_sums(vectors * queries)
    squares = row_sums(vectors * vectors), row_sums(queries * queries)
    norms = device.square_roots(squares[0]) * device.square_roots(squares[1])
    similarity = (products / norms).where(norms > 0, 0.0)
    return (1.0 - similarity).clamp(0.0, 2.0)


def row_sums(numbers: Tensor) -> Tensor:
    """float64 (n,) of float64 (n, width)."""
    return _sums(numbers) + 0.0  # NumPy begins with 0, so no sum is a negative zero


def _sums(numbers: Tensor) -> Tensor:
    count, width = numbers.shape
    if width <= _BLOCK:
        return _block_sums(numbers)
    half = width // 2 - width // 2 % _LANES
    if 2 * half < width:
        return _sums(numbers[:, :half]) + _sums(numbers[:, half:])
    halves = _sums(numbers.reshape(2 * count, half)).reshape(count, 2)
    return halves[:, 0] + halves[:, 1]


def _block_sums(numbers: Tensor) -> Tensor:
    width = numbers.shape[1]
    done = width - width % _LANES
    if done == 0:
        total, done = numbers[:, 0], 1
    else:
        lanes = numbers[:, :_LANES]
        for start in range(_LANES, done, _LANES):
            lanes = lanes + numbers[:, start : start + _LANES]
        while lanes.shape[1] > 1:
            lanes = lanes[:, ::2] + lanes[:, 1::2]
        total = lanes[:, 0]
    for position in range(done, width):
        total = total + numbers[:, position]
    return total
