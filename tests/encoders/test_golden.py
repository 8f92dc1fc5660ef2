"""Tests of kinlens.encoders.golden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoders import networks
from encoders.rounding import bfloat16_encoder, rounded
from kinlens.config import DEFAULT_ENCODER
from kinlens.encoders import NetworkEncoder, list_models
from kinlens.encoders.golden import MIN_COSINE, Golden, least_cosine
from kinlens.encoders.network import Network
from kinlens.encoders.runtimes import connect
from kinlens.errors import BundleError
from kinlens.preprocess import Recipe
from tiny_encoder import tiny_onnx

TINY = Network("tiny", tiny_onnx(), Recipe(32, "stretch", (128,) * 3, (64,) * 3))
SHIFTED = Network("shifted", networks.shifted(), Recipe.from_dict(networks.RECIPE))


@pytest.fixture
def encoder() -> NetworkEncoder:
    return connect(TINY, precision="float32")


def golden_of(encoder: NetworkEncoder, count: int = 3) -> Golden:
    images = np.stack(networks.pictures(count))
    return Golden(images, encoder.encode_images(list(images)))


def test_rounding_is_that_of_bfloat16() -> None:
    values = [1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-7, -3.1415927, 255.5]
    expected = [1.0, 1.0, 1 + 2**-6, 1 + 2**-7, -3.140625, 256.0]
    np.testing.assert_allclose(rounded(np.float32(values)), expected, rtol=0)


def test_bytes_and_back(encoder: NetworkEncoder) -> None:
    golden = golden_of(encoder)
    again = Golden.from_bytes(golden.to_bytes())
    np.testing.assert_array_equal(again.images, golden.images)
    np.testing.assert_allclose(again.vectors, golden.vectors, atol=1e-7)
    assert golden.to_bytes() == golden.to_bytes()


def test_an_encoder_reproduces_itself(encoder: NetworkEncoder) -> None:
    assert golden_of(encoder).check(encoder) > 0.99999


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_float32_is_reproduced_by_its_own_tolerance(runtime: str) -> None:
    pytest.importorskip(runtime)
    golden = golden_of(connect(SHIFTED, precision="float32"), 8)
    found = golden.check(connect(SHIFTED, runtime=runtime, precision="float32"))
    assert found >= MIN_COSINE["float32"]


def test_bfloat16_is_checked_by_its_own_tolerance() -> None:
    golden = golden_of(connect(SHIFTED, precision="float32"), 8)
    cosine = golden.check(bfloat16_encoder(SHIFTED))
    assert MIN_COSINE["bfloat16"] <= cosine < MIN_COSINE["float32"]


def test_vectors_of_bfloat16_are_no_reference_for_float32() -> None:
    golden = golden_of(bfloat16_encoder(SHIFTED), 8)
    wanted = r"openvino in float32: cosine 0\.99\d+, needed 0\.9999\..*kinlens rewrite-golden"
    with pytest.raises(BundleError, match=wanted):
        golden.check(connect(SHIFTED, precision="float32"))


def test_bfloat16_that_is_too_far_away() -> None:
    network = Network("far", networks.shifted(100.0), Recipe.from_dict(networks.RECIPE))
    golden = golden_of(connect(network, precision="float32"), 8)
    with pytest.raises(BundleError, match=r"in bfloat16: cosine 0\.\d+, needed 0\.99\. Its files"):
        golden.check(bfloat16_encoder(network))


def test_the_tolerance_is_that_of_the_precision_that_is_checked(encoder: NetworkEncoder) -> None:
    half = bfloat16_encoder(TINY)
    card = {"float32": 0.95, "bfloat16": 0.9}
    assert (least_cosine(encoder), least_cosine(half)) == (0.9999, 0.99)
    assert (least_cosine(encoder, card), least_cosine(half, card)) == (0.95, 0.9)
    assert least_cosine(half, {"float32": 0.95, "int8": 0.9}) == 0.99


def test_the_tolerance_of_integers() -> None:
    [row] = [row for row in list_models() if row.name == DEFAULT_ENCODER]
    mini = connect(row.read().network, precision="float32")
    assert least_cosine(mini) == 0.99
    assert least_cosine(mini, {"float32": 0.995}) == 0.995
    assert least_cosine(mini, {"float32": 0.995, "int8": 0.98}) == 0.98


def test_lengths_do_not_matter(encoder: NetworkEncoder) -> None:
    golden = golden_of(encoder)
    assert Golden(golden.images, golden.vectors * 7).check(encoder) > 0.99999


def test_one_wrong_vector_is_found(encoder: NetworkEncoder) -> None:
    golden = golden_of(encoder)
    vectors = golden.vectors.copy()
    vectors[1] += 0.1 * vectors[2]
    with pytest.raises(BundleError, match=r"doesn't reproduce.*openvino.*cosine 0\.9\d+, needed"):
        Golden(golden.images, vectors).check(encoder)


def test_a_card_may_ask_for_less(encoder: NetworkEncoder) -> None:
    golden = golden_of(encoder)
    near = Golden(golden.images, golden.vectors + np.float32(0.005))
    with pytest.raises(BundleError, match="needed"):
        near.check(encoder)
    assert near.check(encoder, {"float32": 0.9}) < 0.9999


def test_another_dimension(encoder: NetworkEncoder) -> None:
    golden = golden_of(encoder)
    with pytest.raises(BundleError, match="have 5 dimensions, but the network gives 48"):
        Golden(golden.images, golden.vectors[:, :5]).check(encoder)


@pytest.mark.parametrize(
    ("images", "vectors"),
    [
        (np.zeros((0, 4, 4, 3), np.uint8), np.ones((0, 5), np.float32)),
        (np.zeros((2, 4, 4, 3), np.uint8), np.ones((1, 5), np.float32)),
        (np.zeros((1, 4, 4, 3), np.float32), np.ones((1, 5), np.float32)),
        (np.zeros((1, 4, 4), np.uint8), np.ones((1, 5), np.float32)),
        (np.zeros((1, 4, 4, 3), np.uint8), np.ones((1, 5))),
        (np.zeros((65, 1, 1, 3), np.uint8), np.ones((65, 5), np.float32)),
    ],
)
def test_arrays_of_another_kind(images: Any, vectors: Any) -> None:
    with pytest.raises(BundleError, match="Golden numbers need"):
        Golden(images, vectors)


def test_other_files(tmp_path: Path) -> None:
    pickled = tmp_path / "golden.npz"
    np.savez(pickled, images=np.array([{}]), vectors=np.ones(1))
    lacking = tmp_path / "lacking.npz"
    np.savez(lacking, images=np.ones(1))
    for data in (b"", b"PK\x03\x04 no zip", pickled.read_bytes(), lacking.read_bytes()):
        with pytest.raises(BundleError, match=r"golden\.npz needs"):
            Golden.from_bytes(data)
