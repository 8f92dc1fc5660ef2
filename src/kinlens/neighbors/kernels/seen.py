"""Queries as a GPU sees them beside vectors coded about one center; `cuda` has the bound."""

from __future__ import annotations

from dataclasses import dataclass

from kinlens.neighbors.coding import TINY, Center, sum_error
from kinlens.neighbors.kernels.bounds import SLIP, WIDE_SLIP
from kinlens.neighbors.kernels.held import padded
from kinlens.neighbors.tensors import Device, Tensor

_HALF = 2.0**-11
"""Unit roundoff of float16."""
_LOSS = 2.0**-22
"""Twice what each number added on a tensor core may lose of the largest."""
_LARGEST_CODE = 2.0**14
_SMALLEST_SCALE = 2.0**-100
_CLOSE = 2.0
"""Bounds so close to each other are made equal, which saves a pass over the estimates."""
_ALIKE = 2.0**-12
"""Queries that are at least so long beside the longest can share its scale."""


def slot_error(dim: int) -> float:
    """Most that |c - c'| and the sums of a tensor core err by, for each unit of |c|."""
    rounded: float = 1.01 * _HALF + dim**0.5 * 2.0**-24
    return rounded + 1.01 * (dim + 16) * _LOSS


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Queries p = query - center.

    Parameters
    ----------
    codes : float16 (q, dim padded)
    scale : float32 (), or (q, 1) where queries differ too much in length to share one
    offset, near, fixed : float64 (q,), see `bounds.Bound`
    allowed : float64 (q,), at least `near`; the same for all if they are `alike`
    turn : float32 (q, 1), minus query.center and fixed: what is left to divide by norms
    """

    codes: Tensor
    scale: Tensor
    offset: Tensor
    near: Tensor
    fixed: Tensor
    allowed: Tensor
    alike: bool
    turn: Tensor

    @staticmethod
    def about(
        center: Center, queries: Tensor, device: Device, *, squared: bool, divided: bool
    ) -> Seen:
        """Code queries, float64 (q, dim)."""
        vector = device.put(center.vector).double()
        shifted = queries - vector
        codes, scale, residual, length = _coded(shifted, device)
        dim, square, along = queries.shape[1], (shifted * shifted).sum(1), queries @ vector
        near = residual + length * slot_error(dim) + SLIP * (length + residual)
        if squared:
            near, offset, fixed = 2 * near, square, WIDE_SLIP * square
        else:
            near += center.norm * (sum_error(dim) + SLIP)
            fixed = WIDE_SLIP * (square.sqrt() + center.norm) * center.norm
            offset = -along
        if divided:
            offset, fixed = 0 * along, fixed + SLIP * center.norm
        fixed = fixed + 4 * TINY
        most = near.max()
        alike = bool(most <= _CLOSE * near.min())
        allowed = most.expand(len(near)) if alike else near * (1 + SLIP)
        turn = -(along + fixed).float()[:, None]
        return Seen(codes, scale.float(), offset, near, fixed, allowed, alike, turn)


def _coded(shifted: Tensor, device: Device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Codes and their scale, |p - p'| and |p'|."""
    norm, (count, dim) = device.torch.linalg.vector_norm, shifted.shape
    largest = shifted.abs().amax(1, keepdim=True)
    top = largest.max()
    if bool((largest > top * _ALIKE).all()):
        largest = top
    # What is divided by its own mantissa leaves a power of two.
    power = largest / device.torch.frexp(largest).mantissa.masked_fill(largest == 0, 1.0)
    scale = (power / _LARGEST_CODE).clamp(min=_SMALLEST_SCALE)
    codes = device.empty(count, padded(dim, 8), dtype="float16").zero_()
    codes[:, :dim] = shifted / scale
    rounded = codes[:, :dim].double() * scale
    return codes, scale, norm(shifted - rounded, dim=1), norm(rounded, dim=1)
