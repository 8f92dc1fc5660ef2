"""Make a float bundle an integer one: half the time of a picture, half the file.

    python training/quantize.py --data ../shared/data --version 2 \
        --float work/kinlens-mini-float --bundle src/kinlens/encoders/bundled/kinlens-mini

Static quantization of weights and activations, channel by channel, calibrated on pictures that may
be trained on; then a few steps of `tune.py`. Three choices keep vectors the same whatever computes
them:

- Weights have 7 bits. A CPU without VNNI adds two products in 16 bits, and two of 8 by 7 bits fit.
  With 8 they overflow there: clothing's test split falls from 0.71 to 0.59.
- A pixel p enters as (p - 128) / 64 with a step of 1/64, so that it is the integer itself and no
  runtime has anything to round.
- The last layer stays in float: it costs nothing and gives the vector its fine steps.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from data import load, training_pictures
from evaluate import Evaluation, onnx_embedder
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from teacher import unit
from tune import STEPS, tuned

from kinlens.encoders.bundle import Bundle, read_bundle, write_bundle
from kinlens.preprocess import Recipe
from kinlens.types import Pixels

CENTER, STEP = 128, 64
ALL = 1_000_000
PICTURES = 512
BATCH = 64
PERCENTILE = 99.999
"""Share of the activations that the integers reach; the few beyond are cut off."""

GOLDEN_COSINE = {"float32": 0.995, "bfloat16": 0.99}
"""Runtimes sum and round between the layers each in their own way: OpenVINO beside ONNX Runtime has
0.9994 on these pictures, 0.996 at worst on 8,000."""

TINY = 3000
"""Pictures of Tiny ImageNet among those that the weights are tuned on."""

HOW = (
    "Version {old} with weights of 7 bits and activations of 8, calibrated on {count} pictures of "
    "the training splits of clothing and objects, then tuned towards its vectors in {steps} steps "
    "on those splits and {tiny:,} pictures of Tiny ImageNet, without labels."
)

Matrix = npt.NDArray[np.float32]


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # it has no types
    """Batches of network input."""

    def __init__(self, inputs: Matrix) -> None:
        self._batches = self._cut(inputs)

    def get_next(self) -> dict[str, Matrix] | None:
        """See `CalibrationDataReader`."""
        return next(self._batches, None)

    @staticmethod
    def _cut(inputs: Matrix) -> Iterator[dict[str, Matrix]]:
        for start in range(0, len(inputs), BATCH):
            yield {"pictures": inputs[start : start + BATCH]}


def squares_of(data: Path, recipe: Recipe, clothing: int, objects: int, tiny: int) -> Pixels:
    """Some pictures that may be trained on, uint8 (n, S, S, 3); all of a source if it has fewer."""
    rng = np.random.default_rng(5)
    chosen: list[Path] = []
    for source, count in (("clothing", clothing), ("objects", objects), ("tiny", tiny)):
        paths = [picture.path for picture in training_pictures(data) if picture.source == source]
        chosen += [paths[i] for i in rng.permutation(len(paths))[:count]]
    return np.stack([recipe.square(load(path)) for path in chosen])


def centered(model: onnx.ModelProto, recipe: Recipe) -> Recipe:
    """Move the first convolution to pixels of (p - 128) / 64, and give the recipe of those."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    kernel, bias = (tensors[name] for name in first.input[1:3])
    weights = numpy_helper.to_array(kernel).astype(np.float64)
    shift = (CENTER - np.array(recipe.mean)) / np.array(recipe.std)
    moved = numpy_helper.to_array(bias) + np.einsum("oihw,i->o", weights, shift)
    scaled = weights * (STEP / np.array(recipe.std))[:, None, None]
    kernel.CopyFrom(numpy_helper.from_array(scaled.astype(np.float32), kernel.name))
    bias.CopyFrom(numpy_helper.from_array(moved.astype(np.float32), bias.name))
    return replace(recipe, mean=(CENTER,) * 3, std=(STEP,) * 3)


def store_floats(model: onnx.ModelProto) -> None:
    """Undo `export.store_halves`: the quantizer looks for float32."""
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Cast"]:
        tensor = tensors[node.input[0]]
        assert tensor.data_type == TensorProto.FLOAT16, f"{node.name} casts something else"
        floats = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(floats, node.output[0]))
        graph.node.remove(node)


def quantized(model: onnx.ModelProto, inputs: Matrix) -> bytes:
    """The integer network of a float one."""
    floats = [node.name for node in model.graph.node if node.op_type == "Gemm"]
    exact = {"scale": np.array(1 / STEP, np.float32), "zero_point": np.array(CENTER, np.uint8)}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "integer.onnx"
        onnx.save(model, source)
        quantize_static(
            source,
            target,
            Calibration(inputs),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_exclude=floats,
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={
                "CalibPercentile": PERCENTILE,
                "TensorQuantOverrides": {"pictures": [exact]},
            },
        )
        onnx.checker.check_model(onnx.load(target), full_check=True)
        return target.read_bytes()


def card(old: Bundle, version: str, metrics: dict[str, float], like_float: float) -> dict[str, Any]:
    """The card of the float bundle with what has changed."""
    kept = {name: value for name, value in old.card.items() if name not in ("sha256", "metrics")}
    quantization = {
        "how": HOW.format(old=old.card["version"], count=PICTURES, steps=STEPS, tiny=TINY),
        "golden_cosine_to_float": round(like_float, 4),
        "float_metrics": old.card["metrics"],
    }
    return {
        **kept,
        "version": version,
        "metrics": metrics,
        "quantization": quantization,
        "golden_cosine": GOLDEN_COSINE,
    }


def main() -> None:
    """Quantize, measure, and write the bundle."""
    parser = argparse.ArgumentParser(description="make an integer bundle of a float one")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--float", type=Path, required=True, help="bundle of `export.py`")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--version", required=True)
    options = parser.parse_args()
    old = read_bundle(options.float)
    model = onnx.load_from_string(old.network.onnx)
    store_floats(model)
    recipe = centered(model, old.network.recipe)
    half = PICTURES // 2
    inputs = recipe.normalize(squares_of(options.data, recipe, half, half, 0))
    teacher = onnxruntime.InferenceSession(model.SerializeToString())
    content = tuned(
        quantized(model, inputs),
        model,
        lambda batch: cast("Matrix", teacher.run(None, {"pictures": batch})[0]),
        squares_of(options.data, recipe, ALL, ALL, TINY),
        recipe,
    )
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    batch = recipe.prepare(list(old.golden.images))
    vectors = unit(cast("Matrix", session.run(None, {"pictures": batch})[0]))
    like_float = float((vectors * old.golden.vectors).sum(1).min())
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        Path(file.name).write_bytes(content)
        metrics = Evaluation(options.data, recipe).all(onnx_embedder(Path(file.name), recipe))
    write_bundle(
        options.bundle,
        onnx=content,
        recipe=recipe,
        images=old.golden.images,
        vectors=vectors,
        card=card(old, options.version, metrics, like_float),
    )
    print(json.dumps(metrics | {"golden cosine to float": like_float}, indent=2))


if __name__ == "__main__":
    main()
