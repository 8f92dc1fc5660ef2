"""Tests of kinlens-mini, the encoder that ships: its files, its numbers, what it finds alike."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from encoders import networks
from kinlens.config import DEFAULT_ENCODER
from kinlens.encoders import NetworkEncoder, installed_runtimes, list_models, open_encoder
from kinlens.encoders.runtimes import precisions
from kinlens.types import Pixels

ROW = next(row for row in list_models() if row.name == DEFAULT_ENCODER)
LIMIT = 12_000_000


@pytest.fixture(
    scope="module",
    params=[("openvino", "float32"), ("openvino", "bfloat16"), ("onnxruntime", "float32")],
    ids="-".join,
)
def mini(request: pytest.FixtureRequest) -> NetworkEncoder:
    runtime, precision = request.param
    if runtime not in installed_runtimes():
        pytest.skip(f"{runtime} isn't installed")
    if precision not in precisions(runtime):
        pytest.skip(f"this CPU has no {precision}")
    return open_encoder(DEFAULT_ENCODER, runtime=runtime, precision=precision)


def pixels(source: Path | io.BytesIO) -> Pixels:
    return np.asarray(Image.open(source).convert("RGB"))


def test_row_says_what_the_bundle_is(mini: NetworkEncoder) -> None:
    bundle = ROW.read()
    assert bundle.card["license"] == ROW.license
    assert (mini.identity.name, mini.identity.dim) == (ROW.name, ROW.dim)
    assert mini.recipe.size == ROW.size
    assert mini.identity.fingerprint == bundle.network.fingerprint


def test_it_is_small_and_says_where_it_comes_from() -> None:
    bundle = ROW.read()
    assert len(bundle.network.onnx) < LIMIT
    assert "ImageNet" in str(bundle.card)
    assert bundle.card["metrics"]


def test_it_says_that_it_computes_in_integers(mini: NetworkEncoder) -> None:
    assert mini.precision == f"int8, the rest in {mini.float_precision}"


def test_it_reproduces_its_golden_numbers(mini: NetworkEncoder) -> None:
    bundle = ROW.read()
    golden, least = bundle.golden, bundle.card["golden_cosine"][mini.float_precision]
    together = mini.encode_images(list(golden.images))
    assert np.sum(together * golden.vectors, axis=1).min() > least
    assert golden.check(mini, bundle.card["golden_cosine"]) > least >= 0.99


def test_its_sums_fit_16_bits() -> None:
    """Else CPUs without VNNI, which add two products in 16 bits, give other vectors."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.load_from_string(ROW.read().network.onnx).graph
    weights = [
        onnx.numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 4
    ]
    assert len(weights) > 10
    assert max(np.abs(weight.astype(int)).max() for weight in weights) * 255 * 2 < 2**15


@pytest.mark.parametrize("count", [2, 5, 13, 33])
def test_a_batch_gives_what_singles_give(mini: NetworkEncoder, count: int) -> None:
    images = networks.pictures(count, height=90, width=70)
    singles = np.concatenate([mini.encode_images([image]) for image in images])
    tolerance = 1e-5 if mini.float_precision == "float32" else 2e-2
    np.testing.assert_allclose(mini.encode_images(images), singles, atol=tolerance)


def test_a_smaller_darker_copy_is_the_nearest(
    mini: NetworkEncoder, make_picture: Callable[..., bytes]
) -> None:
    images = [pixels(io.BytesIO(make_picture(300, 400, seed=seed))) for seed in range(12)]
    copies = [(image[::2, ::2] * 0.95).astype(np.uint8) for image in images]
    similarity = mini.encode_images(copies) @ mini.encode_images(images).T
    np.testing.assert_array_equal(similarity.argmax(axis=1), np.arange(12))


def test_things_of_a_kind_are_alike(mini: NetworkEncoder, shared_data: Path) -> None:
    kinds = ("Motorbikes", "airplanes", "watch", "sunflower", "grand_piano")
    images, classes = [], []
    for number, kind in enumerate(kinds):
        for path in sorted((shared_data / "objects" / kind).iterdir())[:8]:
            images.append(pixels(path))
            classes.append(number)
    vectors = mini.encode_images(images)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    found = np.asarray(classes)[similarity.argmax(axis=1)]
    assert np.mean(found == classes) > 0.7
