"""Tests of kinlens.encoders.bundle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from encoders import networks
from encoders.rounding import bfloat16_encoder
from kinlens.cli import app
from kinlens.encoders import (
    installed_runtimes,
    open_encoder,
    read_bundle,
    rewrite_golden,
    write_bundle,
)
from kinlens.encoders.bundle import Bundle
from kinlens.encoders.golden import Golden
from kinlens.encoders.network import Network
from kinlens.errors import BundleError
from kinlens.preprocess import Recipe
from tiny_encoder import tiny_onnx, write_tiny

RECIPE = Recipe(32, "stretch", (128, 128, 128), (64, 64, 64))
CARD = {"name": "tiny", "license": "CC0-1.0", "metrics": {"knn": 0.5}}


def parts(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    images = np.stack(networks.pictures(3))
    encoder = open_encoder(write_tiny(tmp_path), precision="float32")
    vectors = encoder.encode_images(list(images))
    made: dict[str, Any] = {
        "onnx": tiny_onnx(),
        "recipe": RECIPE,
        "images": images,
        "vectors": vectors,
        "card": CARD,
    }
    return {**made, **changes}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "tiny"
    write_bundle(path, **parts(tmp_path))
    return path


def edit(path: Path, **changes: Any) -> None:
    values = {**json.loads(path.read_bytes()), **changes}
    kept = {key: value for key, value in values.items() if value is not None}
    path.write_text(json.dumps(kept))


def test_written_and_read(folder: Path) -> None:
    bundle = read_bundle(folder, hashed=True)
    assert bundle.card["metrics"] == {"knn": 0.5}
    assert sorted(path.name for path in folder.parent.iterdir()) == ["tiny"]
    for runtime in installed_runtimes():
        assert bundle.load(runtime=runtime).identity.name == "tiny"
    assert open_encoder(folder).identity.fingerprint == bundle.network.fingerprint


def test_output_is_kept(tmp_path: Path) -> None:
    onnx = networks.pooling({"vector": ("n", 48), "color": ("n", 3)})
    images = np.stack(networks.pictures(2, height=8, width=8))
    colors = ((images.astype(np.float32) - 128) / 64).mean(axis=(1, 2))
    made = parts(tmp_path, onnx=onnx, images=images, vectors=colors, output="color")
    made["recipe"] = Recipe.from_dict(networks.RECIPE)
    write_bundle(tmp_path / "colors", **made)
    assert open_encoder(tmp_path / "colors").identity.dim == 3


def test_pooling_of_a_map_within_is_kept(tmp_path: Path) -> None:
    images = np.stack(networks.pictures(2, height=8, width=8))
    scaled = (images.astype(np.float32) - 128) / 64
    largest = scaled.reshape(2, 4, 2, 4, 2, 3).mean(axis=(2, 4)).max(axis=(1, 2))
    made = parts(tmp_path, onnx=networks.pooling(), images=images, vectors=largest)
    made["recipe"] = Recipe.from_dict(networks.RECIPE)
    write_bundle(tmp_path / "largest", **made, output="map", pooling="max")
    assert open_encoder(tmp_path / "largest").identity.dim == 3


def test_a_reference_that_disagrees_writes_nothing(tmp_path: Path, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    made = parts(tmp_path)
    made["vectors"] = made["vectors"][::-1].copy()
    for target in (folder, tmp_path / "new"):
        with pytest.raises(BundleError, match="golden"):
            write_bundle(target, **made)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not (tmp_path / "new").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def rounding_parts(**changes: Any) -> dict[str, Any]:
    """Of a network whose vectors bfloat16 changes by more than float32's tolerance."""
    made = {
        "onnx": networks.shifted(),
        "recipe": Recipe.from_dict(networks.RECIPE),
        "images": np.stack(networks.pictures(3)),
        "card": CARD,
    }
    return {**made, **changes}


def rounded_vectors() -> Any:
    made = rounding_parts()
    encoder = bfloat16_encoder(Network("tiny", made["onnx"], made["recipe"]))
    return encoder.encode_images(list(made["images"]))


def test_reference_vectors_of_bfloat16_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"in float32: cosine 0\.99.*precision=\"float32\""):
        write_bundle(tmp_path / "new", **rounding_parts(vectors=rounded_vectors()))
    assert not (tmp_path / "new").exists()


def test_reference_vectors_that_are_left_out_are_computed_in_float32(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "new", **rounding_parts())
    for runtime in installed_runtimes():
        bundle.load(runtime=runtime, precision="float32")
    half = bfloat16_encoder(bundle.network)
    assert 0.99 <= bundle.golden.check(half) < 0.9999


def test_no_reference_can_be_computed(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match='needs "name"'):
        write_bundle(tmp_path / "new", **rounding_parts(card={"license": "CC0-1.0"}))
    with pytest.raises(BundleError, match="Golden numbers need"):
        write_bundle(tmp_path / "new", **rounding_parts(images=np.zeros((0, 8, 8, 3), np.uint8)))


@pytest.fixture
def rounded_bundle(tmp_path: Path) -> Path:
    """A bundle as older versions wrote it on a CPU with bfloat16."""
    folder = tmp_path / "rounded"
    bundle = write_bundle(folder, **rounding_parts())
    golden = Golden(bundle.golden.images, rounded_vectors()).to_bytes()
    (folder / "golden.npz").write_bytes(golden)
    hashes = {**bundle.card["sha256"], "golden.npz": hashlib.sha256(golden).hexdigest()}
    edit(folder / "card.json", sha256=hashes)
    return folder


def test_a_bundle_of_bfloat16_is_rewritten(rounded_bundle: Path) -> None:
    with pytest.raises(BundleError, match="kinlens rewrite-golden FOLDER"):
        open_encoder(rounded_bundle, precision="float32")
    before = read_bundle(rounded_bundle)
    assert 0.99 <= rewrite_golden(rounded_bundle) < 0.9999
    after: Bundle = read_bundle(rounded_bundle, hashed=True)
    assert after.network.fingerprint == before.network.fingerprint
    assert {**after.card, "sha256": None} == {**before.card, "sha256": None}
    for runtime in installed_runtimes():
        after.load(runtime=runtime, precision="float32")
    assert rewrite_golden(rounded_bundle) > 0.99999


def test_a_bundle_of_other_vectors_is_not_rewritten(rounded_bundle: Path) -> None:
    edit(rounded_bundle / "card.json", sha256=None)
    golden = Golden.from_bytes((rounded_bundle / "golden.npz").read_bytes())
    for vectors, said in (
        (golden.vectors[::-1], "more than rounding"),
        (golden.vectors[:, :9], "9"),
    ):
        other = Golden(golden.images, vectors.copy()).to_bytes()
        (rounded_bundle / "golden.npz").write_bytes(other)
        with pytest.raises(BundleError, match=said):
            rewrite_golden(rounded_bundle)
        assert (rounded_bundle / "golden.npz").read_bytes() == other


def test_written_over_an_older_one(tmp_path: Path, folder: Path) -> None:
    write_bundle(folder, **parts(tmp_path, card={**CARD, "version": "2"}))
    assert read_bundle(folder).card["version"] == "2"
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_another_folder_is_not_overwritten(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "cat.jpg").write_bytes(b"x")
    with pytest.raises(BundleError, match="no bundle"):
        write_bundle(photos, **parts(tmp_path))
    assert (photos / "cat.jpg").exists()


@pytest.mark.parametrize("name", ["model.onnx", "recipe.json", "golden.npz", "card.json"])
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"missing: {name}"):
        open_encoder(folder)


@pytest.mark.parametrize("name", ["model.onnx", "recipe.json", "golden.npz"])
def test_a_changed_file(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BundleError, match=f"{name} was changed or damaged"):
        open_encoder(folder)


def test_hashes_may_be_left_out_of_a_local_bundle_only(folder: Path) -> None:
    edit(folder / "card.json", sha256=None)
    assert read_bundle(folder).card["name"] == "tiny"
    with pytest.raises(BundleError, match=r'needs "sha256"'):
        read_bundle(folder, hashed=True)
    edit(folder / "card.json", sha256={"model.onnx": "0" * 64})
    with pytest.raises(BundleError, match=r'needs "sha256"'):
        read_bundle(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": None},
        {"name": "../../etc"},
        {"name": 7},
        {"license": None},
        {"license": ""},
        {"golden_cosine": 0.9},
        {"golden_cosine": {"float32": -1}},
        {"golden_cosine": {"float32": "high"}},
    ],
)
def test_a_card_that_lacks_what_is_needed(folder: Path, changes: dict[str, Any]) -> None:
    edit(folder / "card.json", **changes)
    with pytest.raises(BundleError, match=r"card\.json"):
        read_bundle(folder)


def test_weights_of_another_model(tmp_path: Path, folder: Path) -> None:
    edit(folder / "card.json", sha256=None)
    (folder / "model.onnx").write_bytes(tiny_onnx(seed=1))
    with pytest.raises(BundleError, match="doesn't reproduce its golden numbers"):
        open_encoder(folder)


def test_a_recipe_that_was_tampered_with(folder: Path) -> None:
    edit(folder / "card.json", sha256=None)
    edit(folder / "recipe.json", mean=[0, 0, 0])
    with pytest.raises(BundleError, match="doesn't reproduce its golden numbers"):
        open_encoder(folder)


def test_golden_numbers_of_another_dimension(folder: Path) -> None:
    edit(folder / "card.json", sha256=None)
    golden = Golden.from_bytes((folder / "golden.npz").read_bytes())
    shorter = Golden(golden.images, golden.vectors[:, :7])
    (folder / "golden.npz").write_bytes(shorter.to_bytes())
    with pytest.raises(BundleError, match="7 dimensions"):
        open_encoder(folder)


@pytest.mark.parametrize("name", ["recipe.json", "card.json"])
@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff\xfe"])
def test_json_that_is_none(folder: Path, name: str, content: bytes) -> None:
    if name == "recipe.json":
        edit(folder / "card.json", sha256=None)
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=name):
        read_bundle(folder)


def test_the_command_line_rewrites_a_bundle(rounded_bundle: Path) -> None:
    result = CliRunner().invoke(app, ["rewrite-golden", str(rounded_bundle), "--json"])
    assert result.exit_code == 0, result.output
    assert 0.99 <= json.loads(result.stdout)["cosine"] < 0.9999
    open_encoder(rounded_bundle, precision="float32")


def test_the_command_line_refuses_what_is_no_bundle(tmp_path: Path) -> None:
    failed = CliRunner().invoke(app, ["rewrite-golden", str(tmp_path)]).exception
    assert isinstance(failed, BundleError)
    assert "missing" in str(failed)
