"""A real network, small enough for tests: it looks at the mean color of each part of a picture."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 32
GRID = 4
DIM = 3 * GRID * GRID


@cache
def tiny_onnx(seed: int = 0) -> bytes:
    """A network that averages a grid of parts and mixes the averages by a fixed random matrix."""
    rng = np.random.default_rng(seed)
    matrix = (np.eye(DIM) + 0.1 * rng.standard_normal((DIM, DIM))).astype(np.float32)
    side = SIZE // GRID
    nodes = [
        helper.make_node(
            "AveragePool", ["pixels"], ["parts"], kernel_shape=[side, side], strides=[side, side]
        ),
        helper.make_node("Flatten", ["parts"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIM])],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def write_tiny(folder: Path, seed: int = 0) -> Path:
    """The network and its recipe as files; gives the ONNX file's path."""
    path = folder / f"tiny{seed}.onnx"
    path.write_bytes(tiny_onnx(seed))
    recipe = {"size": SIZE, "resize": "stretch", "mean": [128] * 3, "std": [64] * 3}
    path.with_suffix(".recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    return path
