"""bfloat16 on any CPU: inputs, weights and results of operators are rounded, sums within aren't."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from kinlens.encoders.network import Batch, Network, NetworkEncoder, Precision
from kinlens.encoders.onnxruntime import OnnxRuntimeSession

_KEPT_BITS = 16


def rounded(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """The nearest bfloat16 numbers, ties to even, as float32."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    half = np.uint32(0x7FFF) + ((bits >> np.uint32(_KEPT_BITS)) & np.uint32(1))
    kept = (bits + half) & np.uint32(0xFFFF0000)
    return kept.view(np.float32)


def rounded_onnx(content: bytes) -> bytes:
    """A network whose weights and all results of operators are rounded to bfloat16."""
    model = onnx.load_from_string(content)
    graph = model.graph
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = rounded(numpy_helper.to_array(tensor))
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    nodes = [rounding for port in graph.input for rounding in _casts(port.name)]
    inputs = {port.name for port in graph.input}
    for node in graph.node:
        node.input[:] = [f"{name}.rounded" if name in inputs else name for name in node.input]
        names = list(node.output)
        node.output[:] = [f"{name}.exact" for name in names]
        nodes += [node, *(cast for name in names for cast in _casts(f"{name}.exact", name))]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _casts(name: str, result: str | None = None) -> Iterator[NodeProto]:
    yield helper.make_node("Cast", [name], [f"{name}.half"], to=TensorProto.BFLOAT16)
    target = result or f"{name}.rounded"
    yield helper.make_node("Cast", [f"{name}.half"], [target], to=TensorProto.FLOAT)


class RoundedSession:
    """A `Session` that computes in bfloat16 on any CPU, slowly."""

    runtime = "onnxruntime"
    precision: Precision = "bfloat16"

    def __init__(self, network: Network) -> None:
        made = replace(network, onnx=rounded_onnx(network.onnx))
        self._session = OnnxRuntimeSession(made, 1)

    def __call__(self, batch: Batch) -> Batch:
        return self._session(batch)


def bfloat16_encoder(network: Network) -> NetworkEncoder:
    """An encoder that computes as one does on a CPU with bfloat16."""
    return NetworkEncoder(network, RoundedSession(network))
