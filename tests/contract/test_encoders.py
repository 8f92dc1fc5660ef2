"""What every runtime of an encoder promises; a new one is a line in `RUNTIMES`."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from encoders import networks
from kinlens.encoders import NetworkEncoder, installed_runtimes, open_encoder
from kinlens.errors import BundleError, EncoderError, InvalidInput
from tiny_encoder import DIM, GRID, SIZE, write_tiny

RUNTIMES = ["openvino", "onnxruntime"]
"""Each is tested in float32; what bfloat16 may differ by is in `encoders/test_golden.py`."""


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name not in installed_runtimes():
        pytest.skip(f"{name} isn't installed")
    return name


opened = partial(open_encoder, precision="float32")


@pytest.fixture
def encoder(runtime: str, tmp_path: Path) -> NetworkEncoder:
    return opened(write_tiny(tmp_path), runtime=runtime)


def by_hand(images: list[Any]) -> Any:
    """The tiny network in NumPy, for pictures of its own size."""
    rng = np.random.default_rng(0)
    matrix = np.eye(DIM) + 0.1 * rng.standard_normal((DIM, DIM))
    pixels = (np.stack(images).astype(float) - 128) / 64
    side = SIZE // GRID
    parts = pixels.reshape(len(images), GRID, side, GRID, side, 3).mean(axis=(2, 4))
    vectors = parts.transpose(0, 3, 1, 2).reshape(len(images), DIM) @ matrix
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_says_what_it_is(encoder: NetworkEncoder, runtime: str) -> None:
    assert encoder.identity.name == "tiny0"
    assert encoder.identity.dim == DIM
    assert len(encoder.identity.fingerprint) == 16
    assert encoder.modalities == {"image"}
    assert encoder.recipe.size == SIZE
    assert encoder.runtime == runtime
    assert encoder.precision == encoder.float_precision == "float32"


def test_vectors_are_those_of_the_network(encoder: NetworkEncoder) -> None:
    images = networks.pictures(7, height=SIZE, width=SIZE)
    vectors = encoder.encode_images(images)
    assert vectors.dtype == np.float32
    assert vectors.shape == (7, DIM)
    np.testing.assert_allclose(vectors, by_hand(images), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_no_pictures(encoder: NetworkEncoder) -> None:
    assert encoder.encode_images([]).shape == (0, DIM)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 31, 33, 70])
def test_a_batch_gives_what_singles_give(encoder: NetworkEncoder, count: int) -> None:
    images = [networks.pictures(1, i, 10 + i, 40 - i % 30)[0] for i in range(count)]
    singles = np.concatenate([encoder.encode_images([image]) for image in images])
    np.testing.assert_allclose(encoder.encode_images(images), singles, atol=1e-6)


def test_threads_share_it(encoder: NetworkEncoder) -> None:
    batches = [networks.pictures(1 + i % 9, i) for i in range(40)]
    expected = [encoder.encode_images(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(encoder.encode_images, batches))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_result_stays_when_the_next_comes(encoder: NetworkEncoder) -> None:
    first, second = networks.pictures(2)
    kept = encoder.run(encoder.recipe.prepare([first]))
    before = kept.copy()
    encoder.run(encoder.recipe.prepare([second]))
    np.testing.assert_array_equal(kept, before)


def test_fingerprint_is_of_the_model_not_the_runtime(runtime: str, tmp_path: Path) -> None:
    path = networks.write(tmp_path, networks.pooling())
    encoder = opened(path, runtime=runtime)
    model = hashlib.sha256(path.read_bytes()).hexdigest()
    hashed = f"{model}\n{encoder.recipe.canonical_json()}\nvector"
    expected = hashlib.sha256(hashed.encode()).hexdigest()[:16]
    assert encoder.identity.fingerprint == expected


def test_fingerprint_tells_recipes_outputs_and_networks_apart(runtime: str, tmp_path: Path) -> None:
    both = networks.pooling({"vector": ("n", 48), "color": ("n", 3)})
    other = networks.pooling({"color": ("n", 3)})
    made = [
        networks.write(tmp_path, both, name="a", output="vector"),
        networks.write(tmp_path, both, name="b", output="color"),
        networks.write(tmp_path, both, name="c", output="color", fill=0),
        networks.write(tmp_path, other, name="d"),
    ]
    found = {opened(path, runtime=runtime).identity.fingerprint for path in made}
    assert len(found) == 4


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("pooling", ["average", "max", "none"])
def test_pooling(runtime: str, tmp_path: Path, declared: bool, pooling: str) -> None:
    onnx = networks.pooling({"map": ("n", 3, 4, 4)} if declared else {"color": ("n", 3)})
    path = networks.write(tmp_path, onnx, output="map", pooling=pooling)
    picture = networks.pictures(1, height=8, width=8)[0]
    parts = (picture.astype(np.float32).reshape(4, 2, 4, 2, 3).mean(axis=(1, 3)) - 128) / 64
    expected = {
        "average": parts.mean(axis=(0, 1)),
        "max": parts.max(axis=(0, 1)),
        "none": parts.transpose(2, 0, 1).ravel(),
    }
    encoder = opened(path, runtime=runtime)
    found = encoder.run(encoder.recipe.prepare([picture]))
    np.testing.assert_allclose(found, [expected[pooling]], atol=1e-5)


def test_pooling_of_what_turns_out_to_be_no_map(runtime: str, tmp_path: Path) -> None:
    path = networks.write(tmp_path, networks.pooling(), output="color", pooling="average")
    with pytest.raises(EncoderError, match=r"wants a spatial map.*gave \(1, 3\)"):
        opened(path, runtime=runtime)


def test_fingerprint_tells_poolings_apart(runtime: str, tmp_path: Path) -> None:
    path = networks.write(tmp_path, networks.pooling({"map": ("n", 3, 4, 4)}), pooling="none")
    found = {
        opened(path, runtime=runtime, pooling=pooling).identity.fingerprint
        for pooling in (None, "none", "max", "average")
    }
    assert len(found) == 3


def test_texts_are_refused(encoder: NetworkEncoder) -> None:
    with pytest.raises(InvalidInput, match="pictures only"):
        encoder.encode_texts(["a red dress"])


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_no_vector(runtime: str, tmp_path: Path, threads: int) -> None:
    images = networks.pictures(9)
    path = write_tiny(tmp_path)
    expected = opened(path, runtime=runtime).encode_images(images)
    found = opened(path, runtime=runtime, threads=threads).encode_images(images)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_named_output(runtime: str, tmp_path: Path) -> None:
    onnx = networks.pooling({"map": ("n", 3, 4, 4), "vector": ("n", 48), "color": ("n", 3)})
    encoder = opened(networks.write(tmp_path, onnx, output="color"), runtime=runtime)
    picture = networks.pictures(1, height=8, width=8)[0]
    color = (picture.astype(float).mean(axis=(0, 1)) - 128) / 64
    np.testing.assert_allclose(
        encoder.encode_images([picture])[0], color / np.linalg.norm(color), atol=1e-4
    )


@pytest.mark.parametrize("batch", [1, 4])
def test_a_network_of_one_batch_size(runtime: str, tmp_path: Path, batch: int) -> None:
    fixed = networks.pooling(shape=(batch, 3, 8, 8))
    encoder = opened(networks.write(tmp_path, fixed, name="fixed"), runtime=runtime)
    free = opened(networks.write(tmp_path, networks.pooling()), runtime=runtime)
    for count in (1, 3, 4, 9):
        images = networks.pictures(count)
        np.testing.assert_allclose(
            encoder.encode_images(images), free.encode_images(images), atol=1e-6
        )


def test_channels_last(runtime: str, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["pixels"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("Flatten", ["turned"], ["vector"]),
    ]
    onnx = networks.network(nodes, {"vector": ("n", 192)}, shape=("n", 8, 8, 3))
    last = opened(networks.write(tmp_path, onnx, layout="nhwc"), runtime=runtime)
    flat = networks.network([helper.make_node("Flatten", ["pixels"], ["vector"])], {"vector": None})
    first = opened(networks.write(tmp_path, flat, name="first"), runtime=runtime)
    images = networks.pictures(3)
    np.testing.assert_allclose(last.encode_images(images), first.encode_images(images), atol=1e-6)


def test_a_network_that_gives_nan(runtime: str, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="zero or not finite"):
        opened(networks.write(tmp_path, networks.halved()), runtime=runtime)


def test_a_network_that_gives_zeros(runtime: str, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="zero or not finite"):
        opened(networks.write(tmp_path, networks.silent()), runtime=runtime)


def test_one_vector_that_is_not_finite(runtime: str, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Sqrt", ["flat"], ["vector"]),
    ]
    onnx = networks.network(nodes, {"vector": ("n", 3)})
    path = networks.write(tmp_path, onnx, mean=[60, 60, 60])
    encoder = opened(path, runtime=runtime)
    bright, dark = np.full((8, 8, 3), 200, np.uint8), np.zeros((8, 8, 3), np.uint8)
    assert np.isfinite(encoder.encode_images([bright])).all()
    with pytest.raises(EncoderError, match="zero or not finite"):
        encoder.encode_images([bright, dark])


def test_a_spatial_map_that_the_file_does_not_tell(runtime: str, tmp_path: Path) -> None:
    path = networks.write(tmp_path, networks.pooling({"map": None}))
    with pytest.raises(EncoderError, match=r"gave \(1, 3, 4, 4\)"):
        opened(path, runtime=runtime)


def test_an_operator_it_does_not_have(runtime: str, tmp_path: Path, capfd: Any) -> None:
    with pytest.raises(BundleError, match=r"can't read own.*choose the runtime"):
        opened(networks.write(tmp_path, networks.foreign()), runtime=runtime)
    assert capfd.readouterr() == ("", "")


def test_a_damaged_network(runtime: str, tmp_path: Path, capfd: Any) -> None:
    whole = networks.pooling()
    damaged = whole.replace(b"Flatten", b"Flattem")
    with pytest.raises(BundleError, match="can't read own"):
        opened(networks.write(tmp_path, damaged), runtime=runtime)
    assert capfd.readouterr() == ("", "")


def test_teacher_tells_classes_apart(
    runtime: str, tmp_path: Path, teacher_onnx: Path, shared_data: Path
) -> None:
    from PIL import Image

    said = {"size": 224, "resize": "stretch", "mean": [127.5] * 3, "std": [127.5] * 3}
    recipe = tmp_path / "teacher.recipe.json"
    recipe.write_text(json.dumps({**said, "output": "embedding"}))
    encoder = opened(teacher_onnx, runtime=runtime, recipe=recipe)
    assert encoder.identity.dim == 1280
    assert encoder.identity.fingerprint == "bfd9397544463d20"
    folders = [shared_data / "objects" / name for name in ("Motorbikes", "airplanes", "watch")]
    images, classes = [], []
    for number, folder in enumerate(folders):
        for path in sorted(folder.iterdir())[:4]:
            images.append(np.asarray(Image.open(path).convert("RGB")))
            classes.append(number)
    vectors = encoder.encode_images(images)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    assert [classes[i] for i in similarity.argmax(axis=1)] == classes
