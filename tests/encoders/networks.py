"""Small ONNX networks of every shape that a user may bring."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

SIZE = 8
Shape = Sequence[int | str | None]
RECIPE: Mapping[str, Any] = {
    "size": SIZE,
    "resize": "stretch",
    "mean": [128, 128, 128],
    "std": [64, 64, 64],
}


def network(
    nodes: Sequence[NodeProto],
    outputs: Mapping[str, Shape | None],
    *,
    shape: Shape = ("n", 3, SIZE, SIZE),
    weights: Mapping[str, npt.NDArray[Any]] | None = None,
    dtype: int = TensorProto.FLOAT,
    listed_weights: bool = False,
    more_inputs: Mapping[str, Shape] | None = None,
) -> bytes:
    """An ONNX file with the input `pixels` and the named outputs."""
    tensors = [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()]
    inputs = [helper.make_tensor_value_info("pixels", dtype, shape)]
    for name, axes in (more_inputs or {}).items():
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, axes))
    if listed_weights:
        inputs += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors]
    graph = helper.make_graph(
        nodes,
        "network",
        inputs,
        [helper.make_tensor_value_info(name, dtype, axes) for name, axes in outputs.items()],
        tensors,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=3 if listed_weights else 8,
    )
    return bytes(model.SerializeToString())


def pooling(
    outputs: Mapping[str, Shape | None] | None = None, shape: Shape = ("n", 3, SIZE, SIZE)
) -> bytes:
    """Averages: `map` (n, 3, 4, 4), `vector` (n, 48) and `color` (n, 3)."""
    nodes = [
        helper.make_node("AveragePool", ["pixels"], ["map"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["map"], ["vector"]),
        helper.make_node("GlobalAveragePool", ["pixels"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["color"]),
    ]
    return network(nodes, outputs or {"vector": (shape[0], 48)}, shape=shape)


def shifted(by: float = 8.0) -> bytes:
    """Averages to which a number is added and taken away: (n, 48), which bfloat16 rounds a lot."""
    nodes = [
        helper.make_node("AveragePool", ["pixels"], ["map"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Add", ["map", "by"], ["up"]),
        helper.make_node("Sub", ["up", "by"], ["down"]),
        helper.make_node("Flatten", ["down"], ["vector"]),
    ]
    return network(nodes, {"vector": ("n", 48)}, weights={"by": np.float32([by])})


def halved(mistake: str = "Sqrt") -> bytes:
    """A network that gives NaN for pixels below the mean."""
    nodes = [
        helper.make_node(mistake, ["pixels"], ["broken"]),
        helper.make_node("Flatten", ["broken"], ["vector"]),
    ]
    return network(nodes, {"vector": ("n", 3 * SIZE * SIZE)})


def silent() -> bytes:
    """A network that gives zeros whatever it sees."""
    nodes = [
        helper.make_node("Sub", ["pixels", "pixels"], ["nothing"]),
        helper.make_node("Flatten", ["nothing"], ["vector"]),
    ]
    return network(nodes, {"vector": ("n", 3 * SIZE * SIZE)})


def foreign() -> bytes:
    """A network of an operator that no runtime has."""
    node = helper.make_node("Telepathy", ["pixels"], ["vector"], domain="example.org")
    model = onnx.load_from_string(network([node], {"vector": ("n", 3)}))
    model.opset_import.append(helper.make_opsetid("example.org", 1))
    return bytes(model.SerializeToString())


def write(folder: Path, onnx_file: bytes, *, name: str = "own", **recipe: Any) -> Path:
    """The network with its recipe beside it; gives the path of the ONNX file."""
    path = folder / f"{name}.onnx"
    path.write_bytes(onnx_file)
    path.with_suffix(".recipe.json").write_text(json.dumps({**RECIPE, **recipe}), "utf-8")
    return path


def pictures(count: int, seed: int = 0, height: int = 20, width: int = 14) -> list[Any]:
    """Noise, uint8 (height, width, 3) each."""
    rng = np.random.default_rng(seed)
    return list(rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8))
