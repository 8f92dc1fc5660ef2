"""Make the bundle that ships: ONNX model, recipe, golden numbers and card.

    python training/export.py --data ../shared/data --checkpoint /tmp/mini/checkpoint.pt \
        --bundle src/kinlens/encoders/bundled/kinlens-mini

Export fails if ONNX Runtime and torch disagree, or any installed runtime doesn't reproduce the
reference run. Weights are stored as float16 and cast to float32
when the model is loaded: half the file, and the reference is what ships, so nothing drifts.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from data import load
from evaluate import Evaluation, onnx_embedder
from network import Encoder, Shape
from onnx import TensorProto, helper, numpy_helper
from recipe import RECIPE
from teacher import unit
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from kinlens.encoders.bundle import write_bundle
from kinlens.preprocess import Recipe
from kinlens.types import Pixels

OPSET = 17
TOLERANCE = 1e-4
"""Largest difference allowed in any number of a unit vector, ONNX Runtime beside torch."""

Matrix = npt.NDArray[np.float32]


def network_of(checkpoint: dict[str, Any]) -> Encoder:
    """The averaged network of a checkpoint, folded, its weights rounded to float16."""
    shape = {k: tuple(v) if isinstance(v, list) else v for k, v in checkpoint["shape"].items()}
    network = Encoder(Shape(**shape))
    averaged = {
        name.removeprefix("module."): value
        for name, value in checkpoint["average"].items()
        if name.startswith("module.")
    }
    network.load_state_dict(averaged)
    network = folded(network.eval())
    for weight in network.parameters():
        weight.data = weight.data.half().float()
    return network


def folded(network: Encoder) -> Encoder:
    """The same function with each batch normalization folded into the convolution before it."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            _fold(module)
    return network


def _fold(layers: nn.Sequential) -> None:
    for place in range(len(layers) - 1, 0, -1):
        before, layer = layers[place - 1], layers[place]
        if isinstance(before, nn.Conv2d) and isinstance(layer, nn.BatchNorm2d):
            layers[place - 1] = fuse_conv_bn_eval(before, layer)
            del layers[place]


def write_onnx(network: Encoder, size: int, path: Path) -> None:
    """Write the network with a free batch size: `pictures` (n, 3, S, S) to `vectors` (n, dim)."""
    torch.onnx.export(
        network,
        (torch.zeros(2, 3, size, size),),
        path,
        dynamo=False,
        opset_version=OPSET,
        input_names=["pictures"],
        output_names=["vectors"],
        dynamic_axes={"pictures": {0: "n"}, "vectors": {0: "n"}},
    )
    model = onnx.load(path)
    store_halves(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def store_halves(model: onnx.ModelProto) -> None:
    """Store float weights as float16, each behind a cast back to float32."""
    graph = model.graph
    casts = []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT:
            continue
        name = weight.name
        half = numpy_helper.to_array(weight).astype(np.float16)
        weight.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def golden_images(data: Path) -> Pixels:
    """Eight small pictures, uint8 (8, 96, 72, 3): drawn ones and CC0 photos of clothes."""
    rng = np.random.default_rng(7)
    small = Recipe(96, "stretch", (0, 0, 0), (1, 1, 1))
    ramp = np.linspace(0, 255, 96)
    across, down = np.meshgrid(ramp[:72], ramp)
    drawn = [
        np.stack([across, down, 255 - across], axis=2),
        np.where((across // 32 % 2)[:, :, None] == 0, (200, 30, 40), (245, 240, 230)),
        np.where(
            np.hypot(across - 96, down - 128)[:, :, None] < 70, (20, 60, 160), (255, 255, 255)
        ),
        np.full((96, 72, 3), rng.integers(0, 256, 3)),
    ]
    photos = [
        small.square(load(sorted((data / "clothing" / "train" / name).iterdir())[0]))[:, 12:84]
        for name in ("dress", "hat", "shoes", "pants")
    ]
    return np.stack([np.asarray(picture).astype(np.uint8) for picture in [*drawn, *photos]])


def check_agreement(
    network: Encoder, model: Path, recipe: Recipe, inputs: Sequence[Pixels]
) -> Matrix:
    """Unit vectors by ONNX Runtime; raises if torch or a batch of one says otherwise."""
    batch = recipe.prepare(inputs)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    vectors = unit(cast("Matrix", session.run(None, {"pictures": batch})[0]))
    with torch.inference_mode():
        expected = unit(network(torch.from_numpy(batch)).numpy())
    single = unit(cast("Matrix", session.run(None, {"pictures": batch[:1]})[0]))
    worst = max(np.abs(vectors - expected).max(), np.abs(vectors[:1] - single).max())
    if worst > TOLERANCE:
        raise SystemExit(f"ONNX and torch differ by {worst:.2e}; at most {TOLERANCE} is allowed.")
    return vectors


def main() -> None:
    """Export, check, measure, and write the bundle."""
    parser = argparse.ArgumentParser(description="make the bundle of kinlens-mini")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--size", type=int, default=RECIPE.size)
    parser.add_argument("--version", default="1")
    options = parser.parse_args()
    recipe = replace(RECIPE, size=options.size)
    checkpoint = torch.load(options.checkpoint, weights_only=True)
    network = network_of(checkpoint)
    images = golden_images(options.data)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        write_onnx(network, recipe.size, model)
        vectors = check_agreement(network, model, recipe, list(images))
        metrics = Evaluation(options.data, recipe).all(onnx_embedder(model, recipe))
        write_bundle(
            options.bundle,
            onnx=model.read_bytes(),
            recipe=recipe,
            images=images,
            vectors=vectors,
            card=card(checkpoint, options.version, metrics),
        )
    print(json.dumps(metrics, indent=2))


def card(checkpoint: dict[str, Any], version: str, metrics: dict[str, float]) -> dict[str, Any]:
    """What a user should know of the model."""
    template = json.loads((Path(__file__).parent / "card.json").read_text())
    progress = checkpoint["progress"]
    training = {
        "views_seen": progress["seen"],
        "epochs": progress["epoch"],
        "seconds": round(progress["seconds"]),
        "machine": "2 shared AVX2 cores (AMD EPYC), no GPU",
        "plan": checkpoint["plan"],
        "network": checkpoint["shape"],
    }
    training["note"] = template.pop("training_note")
    return {"version": version, **template, "metrics": metrics, "training": training}


if __name__ == "__main__":
    main()
