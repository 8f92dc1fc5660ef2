"""A small convolutional network of 512 dimensions, as a bundle, for what an encoder costs.

Its weights are random, so it recognizes nothing. Its last layer is fitted to photos such that its
vectors of them spread over the dimensions as those of a trained network do.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from kinlens.encoders.bundle import write_bundle
from kinlens.encoders.network import Network
from kinlens.encoders.runtimes import connect
from kinlens.preprocess import Recipe
from kinlens.types import Pixels

DIM = 512
CHANNELS = (3, 32, 64, 128, 256, DIM)
RECIPE = Recipe(size=128, resize="stretch", mean=(127.5,) * 3, std=(63.75,) * 3)
NAME = "random-512"

Array = npt.NDArray[np.float32]


def make_encoder(folder: Path, images: list[Pixels]) -> str:
    """Write the bundle and give its path; `images` should be a thousand or so."""
    plain = _onnx(np.eye(DIM, dtype=np.float32), np.zeros(DIM, np.float32))
    body = connect(Network(NAME, plain, RECIPE), precision="float32")
    blocks = [images[i : i + 32] for i in range(0, len(images), 32)]
    features = np.concatenate([body.run(RECIPE.prepare(block)) for block in blocks])
    model = _onnx(*_spread(features))
    sample = np.stack([RECIPE.square(image) for image in images[:4]])
    write_bundle(
        folder,
        onnx=model,
        recipe=RECIPE,
        images=sample,
        card={"name": NAME, "license": "Apache-2.0", "summary": "Random weights: for its cost."},
    )
    return str(folder)


def _spread(features: Array) -> tuple[Array, Array]:
    """Weights and bias that center features and give their axes the lengths 1, 2^-.5, 3^-.5 ..."""
    mean = features.mean(0)
    _, lengths, axes = np.linalg.svd(features - mean, full_matrices=False)
    deviation = np.maximum(lengths / np.sqrt(len(features)), lengths[0] * 1e-6)
    wanted = 1 / np.sqrt(1 + np.arange(len(lengths)))
    weights = np.zeros((DIM, DIM))
    weights[: len(axes)] = (wanted / deviation)[:, None] * axes
    return weights.astype(np.float32), (-weights @ mean).astype(np.float32)


def _onnx(weights: Array, bias: Array) -> bytes:
    rng = np.random.default_rng(0)
    nodes, tensors, last = [], [], "pictures"
    for layer, (inner, outer) in enumerate(pairwise(CHANNELS)):
        kernel = rng.standard_normal((outer, inner, 3, 3)) * np.sqrt(2 / (9 * inner))
        tensors.append(numpy_helper.from_array(kernel.astype(np.float32), f"kernel{layer}"))
        nodes += [
            helper.make_node(
                "Conv", [last, f"kernel{layer}"], [f"conv{layer}"], pads=[1] * 4, strides=[2, 2]
            ),
            helper.make_node("Relu", [f"conv{layer}"], [f"relu{layer}"]),
        ]
        last = f"relu{layer}"
    tensors += [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")]
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["vectors"], transB=1),
    ]
    size = RECIPE.size
    pictures = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, size, size])
    vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", DIM])
    graph = helper.make_graph(nodes, NAME, [pictures], [vectors], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
