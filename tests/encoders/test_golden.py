"""Tests of kinlens.encoders.golden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoders import networks
from kinlens.encoders import NetworkEncoder, open_encoder
from kinlens.encoders.golden import Golden
from kinlens.errors import BundleError
from tiny_encoder import write_tiny


@pytest.fixture
def encoder(tmp_path: Path) -> NetworkEncoder:
    return open_encoder(write_tiny(tmp_path))


def golden_of(encoder: NetworkEncoder, count: int = 3) -> Golden:
    images = np.stack(networks.pictures(count))
    return Golden(images, encoder.encode_images(list(images)))


def test_bytes_and_back(encoder: NetworkEncoder) -> None:
    golden = golden_of(encoder)
    again = Golden.from_bytes(golden.to_bytes())
    np.testing.assert_array_equal(again.images, golden.images)
    np.testing.assert_allclose(again.vectors, golden.vectors, atol=1e-7)
    assert golden.to_bytes() == golden.to_bytes()


def test_an_encoder_reproduces_itself(encoder: NetworkEncoder) -> None:
    assert golden_of(encoder).check(encoder) > 0.99999


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
    assert near.check(encoder, {encoder.float_precision: 0.9}) < 0.9999


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
