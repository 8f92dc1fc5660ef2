"""Teach an integer network to say what its float one says, rounding and all.

Weights are moved a little so that the errors of rounding cancel out: a forward pass computes what
the integers will, a backward pass looks through the rounding (straight-through estimator; Bengio et
al., arXiv:1308.3432). The steps between integers stay as calibrated. No labels are used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (its usual name)

from kinlens.preprocess import Recipe
from kinlens.types import Pixels

STEPS = 120
BATCH = 64
RATE = 4e-5
WARMUP = 20
MOST = 64
"""Largest magnitude of a weight's integer: 7 bits."""

Matrix = npt.NDArray[np.float32]
Teacher = Callable[[Matrix], Matrix]


@dataclass
class Stored:
    """A tensor that the file stores as integers, as a float parameter."""

    value: Tensor
    scale: Tensor
    output: str
    narrow: bool
    """Whether it is a weight of 7 bits; else a bias of 32."""

    def used(self) -> Tensor:
        """What the integers stand for; the gradient is the parameter's own."""
        steps = self.value / self.scale
        return (_rounded(steps).clamp(-MOST, MOST) if self.narrow else steps) * self.scale

    def integers(self) -> npt.NDArray[np.float32]:
        """As they are to be stored."""
        steps = (self.value / self.scale).round()
        return (steps.clamp(-MOST, MOST) if self.narrow else steps).detach().numpy()


class IntegerNetwork:
    """An ONNX file with QuantizeLinear and DequantizeLinear, as a function torch can learn.

    Parameters
    ----------
    content : of the file
    floats : of its float original, where the weights begin
    """

    def __init__(self, content: bytes, floats: onnx.ModelProto) -> None:
        self._model = onnx.load_from_string(content)
        graph = self._model.graph
        tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        originals = {t.name: numpy_helper.to_array(t) for t in floats.graph.initializer}
        self._stored: dict[str, Stored] = {}
        self._steps: list[tuple[str, list[str], str, dict[str, Any]]] = []
        for node in graph.node:
            name = node.input[0]
            if node.op_type == "DequantizeLinear" and name in tensors:
                scale = tensors[node.input[1]]
                original = originals.get(name.removesuffix("_quantized"))
                self._stored[name] = _stored(tensors[name], scale, original, node.output[0])
            else:
                attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
                self._steps.append((node.op_type, list(node.input), node.output[0], attributes))
        self._constants = {
            name: torch.tensor(value.astype(np.float32))
            for name, value in tensors.items()
            if name not in self._stored
        }
        self._floats = [name for name in self._constants if name.startswith("project.")]
        for name in self._floats:
            self._constants[name].requires_grad_(True)

    @property
    def parameters(self) -> list[Tensor]:
        """What may move."""
        stored = [tensor.value for tensor in self._stored.values()]
        return stored + [self._constants[name] for name in self._floats]

    def __call__(self, pictures: Tensor) -> Tensor:
        """Vectors (n, dim) of pictures (n, 3, S, S)."""
        values = {**self._constants, "pictures": pictures}
        values |= {tensor.output: tensor.used() for tensor in self._stored.values()}
        for kind, inputs, output, attributes in self._steps:
            values[output] = OPERATORS[kind](*(values[name] for name in inputs), **attributes)
        return values["vectors"]

    def content(self) -> bytes:
        """The file with the weights as they are now."""
        for tensor in self._model.graph.initializer:
            kind = numpy_helper.to_array(tensor).dtype
            if tensor.name in self._stored:
                values = self._stored[tensor.name].integers()
            elif tensor.name in self._floats:
                values = self._constants[tensor.name].detach().numpy()
            else:
                continue
            tensor.CopyFrom(numpy_helper.from_array(values.astype(kind), tensor.name))
        written: bytes = self._model.SerializeToString()
        return written


def tuned(
    content: bytes, floats: onnx.ModelProto, teacher: Teacher, squares: Pixels, recipe: Recipe
) -> bytes:
    """The integer network after a few steps towards the float one.

    Parameters
    ----------
    content : the integer network
    floats, teacher : the float network, and as a function
    squares : uint8 (n, S, S, 3), pictures that may be trained on
    recipe : of the input of both
    """
    torch.manual_seed(5)
    rng = np.random.default_rng(9)
    network = IntegerNetwork(content, floats)
    adam = torch.optim.Adam(network.parameters, lr=RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, _rate)
    for step in range(STEPS):
        batch = squares[rng.choice(len(squares), BATCH, replace=False)]
        inputs = recipe.normalize(batch[:, :, ::-1] if step % 2 else batch)
        wanted = torch.from_numpy(teacher(inputs))
        loss = (1 - F.cosine_similarity(network(torch.from_numpy(inputs)), wanted)).mean()
        adam.zero_grad()
        (100 * loss).backward()  # type: ignore[no-untyped-call]
        adam.step()
        schedule.step()
        if step % 20 == 0:
            print(f"step {step}: cosine to float {1 - float(loss.detach()):.5f}", flush=True)
    return network.content()


def _rate(step: int) -> float:
    return float(min(1.0, (step + 1) / WARMUP) * 0.5 * (1 + np.cos(np.pi * step / STEPS)))


def _stored(
    integers: npt.NDArray[Any],
    scale: npt.NDArray[np.float32],
    original: npt.NDArray[np.float32] | None,
    output: str,
) -> Stored:
    narrow = integers.dtype == np.int8
    scale = scale.reshape(-1, 1, 1, 1) if narrow else scale
    value = original if narrow and original is not None else integers * scale
    parameter = torch.tensor(value.astype(np.float32), requires_grad=True)
    return Stored(parameter, torch.tensor(scale), output, narrow)


def _rounded(values: Tensor) -> Tensor:
    return values + (values.round() - values).detach()


def _quantize(x: Tensor, scale: Tensor, zero: Tensor, **_: Any) -> Tensor:
    return _rounded(x / scale).clamp(-zero.item(), 255 - zero.item())


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "AveragePool": lambda x, **_: F.avg_pool2d(x, 2),
    "Conv": lambda x, w, b, **given: F.conv2d(
        x, w, b, stride=given["strides"], padding=given["pads"][:2]
    ),
    "DequantizeLinear": lambda x, scale, _zero, **_: x * scale,
    "Flatten": lambda x, **_: x.flatten(1),
    "Gemm": lambda x, w, b, **_: F.linear(x, w, b),
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    "QuantizeLinear": _quantize,
    "Relu": torch.relu,
}
