"""The network of an ONNX file, run by torch operator by operator: the peer of the runtimes.

In float32 throughout, as one writes it in torch: of an integer network the weights are what their
integers stand for, and nothing is rounded between the layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (its usual name)


class TorchNetwork:
    """Weights and operators of an ONNX file; only those operators that `OPERATORS` lists.

    Parameters
    ----------
    content : of the file
    """

    def __init__(self, content: bytes) -> None:
        graph = onnx.load_from_string(content).graph
        unknown = {node.op_type for node in graph.node} - OPERATORS.keys()
        if unknown:
            raise SystemExit(f"torch_network.py needs the operators {sorted(unknown)}; add them.")
        self._output = graph.output[0].name
        self._constants = {
            tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))
            for tensor in graph.initializer
        }
        [self._input] = [port.name for port in graph.input if port.name not in self._constants]
        self._steps = []
        for node in graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type in STORING and node.input[0] in self._constants:
                self._constants[node.output[0]] = self._stored(node.op_type, node.input)
            else:
                step = (OPERATORS[node.op_type], list(node.input), node.output[0], attributes)
                self._steps.append(step)

    def _stored(self, kind: str, inputs: Sequence[str]) -> Tensor:
        """A weight as float32; the file has it in float16, or in integers, one scale a channel."""
        weight, *scaling = (self._constants[name] for name in inputs)
        if kind == "Cast":
            return weight
        scale, zero = (value.reshape(-1, *[1] * (weight.ndim - 1)) for value in scaling)
        return (weight - zero) * scale

    @torch.inference_mode()
    def __call__(self, batch: Tensor) -> Tensor:
        """Output of the network, float32 (n, dim), for its input, float32 (n, 3, S, S)."""
        values = {**self._constants, self._input: batch}
        for operator, inputs, output, attributes in self._steps:
            values[output] = operator(*(values[name] for name in inputs), **attributes)
        return values[self._output]


def _conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, **given: Any) -> Tensor:
    padding = _even(given.get("pads", [0, 0, 0, 0]))
    strides, groups = given.get("strides", [1, 1]), given.get("group", 1)
    return F.conv2d(x, weight, bias, strides, padding, given.get("dilations", [1, 1]), groups)


def _average(x: Tensor, **given: Any) -> Tensor:
    padding = _even(given.get("pads", [0, 0, 0, 0]))
    counts = bool(given.get("count_include_pad", 0))
    return F.avg_pool2d(
        x, given["kernel_shape"], given["strides"], padding, count_include_pad=counts
    )


def _gemm(x: Tensor, weight: Tensor, bias: Tensor, **given: Any) -> Tensor:
    assert given.get("alpha", 1) == given.get("beta", 1) == given.get("transB") == 1
    return F.linear(x, weight, bias)


def _quantize(x: Tensor, _scale: Tensor, zero: Tensor, **_: Any) -> Tensor:
    """Integers from 0 up have taken the place of a ReLU."""
    return x if zero else torch.relu(x)


def _even(pads: list[int]) -> list[int]:
    assert pads[:2] == pads[2:], "padding that differs between the sides"
    return pads[:2]


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "AveragePool": _average,
    "Cast": torch.clone,
    "Conv": _conv,
    "DequantizeLinear": lambda x, *_, **__: x,
    "Flatten": lambda x, **_: x.flatten(1),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    "QuantizeLinear": _quantize,
    "Relu": torch.relu,
}
STORING = ("Cast", "DequantizeLinear")
