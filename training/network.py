"""The network: a plain residual one, made of what 2-core CPUs multiply fastest.

Dense 3x3 and 1x1 convolutions, batch normalization (folded away on export) and ReLU. Depthwise
convolutions need fewer multiplications, but wait for memory: on two AVX2 cores dense ones train at
110 to 125 GFLOP/s, close to what a matrix product reaches there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Shape:
    """Widths and numbers of blocks of the four stages, at 1/4, 1/8, 1/16 and 1/32 of the input."""

    stem: int = 32
    widths: tuple[int, ...] = (32, 96, 192, 320)
    blocks: tuple[int, ...] = (1, 2, 2, 1)
    dim: int = 256


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the first may halve the picture."""

    def __init__(self, wide_in: int, wide_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *convolution(wide_in, wide_out, 3, stride),
            nn.ReLU(inplace=True),
            *convolution(wide_out, wide_out, 3, 1),
        )
        pool = [nn.AvgPool2d(2)] if stride == 2 else []
        same = wide_in == wide_out and stride == 1
        self.shortcut = nn.Sequential(*([] if same else [*pool, *convolution(wide_in, wide_out)]))
        nn.init.zeros_(cast("nn.BatchNorm2d", self.body[-1]).weight)

    def forward(self, features: Tensor) -> Tensor:
        """Features of (n, wide_out, H / stride, W / stride)."""
        return torch.relu(self.body(features) + self.shortcut(features))


class Encoder(nn.Module):
    """Pictures float32 (n, 3, S, S), S a multiple of 32, to vectors (n, dim), not normalized."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        first = shape.widths[0]
        layers: list[nn.Module] = [
            *convolution(3, shape.stem, 3, 2),
            nn.ReLU(inplace=True),
            *convolution(shape.stem, first, 3, 2),
            nn.ReLU(inplace=True),
        ]
        wide_in = first
        for stage, (width, count) in enumerate(zip(shape.widths, shape.blocks, strict=True)):
            for block in range(count):
                layers.append(Block(wide_in, width, 2 if stage > 0 and block == 0 else 1))
                wide_in = width
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.project = nn.Linear(wide_in, shape.dim)

    def forward(self, pictures: Tensor) -> Tensor:
        """One vector a picture."""
        return cast("Tensor", self.project(self.pool(self.features(pictures)).flatten(1)))


def convolution(wide_in: int, wide_out: int, kernel: int = 1, stride: int = 1) -> list[nn.Module]:
    """A convolution without bias and its batch normalization."""
    return [
        nn.Conv2d(wide_in, wide_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(wide_out),
    ]
