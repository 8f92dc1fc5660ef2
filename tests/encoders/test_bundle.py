"""Tests of kinlens.encoders.bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoders import networks
from kinlens.encoders import installed_runtimes, open_encoder, read_bundle, write_bundle
from kinlens.encoders.golden import Golden
from kinlens.errors import BundleError
from kinlens.preprocess import Recipe
from tiny_encoder import tiny_onnx, write_tiny

RECIPE = Recipe(32, "stretch", (128, 128, 128), (64, 64, 64))
CARD = {"name": "tiny", "license": "CC0-1.0", "metrics": {"knn": 0.5}}


def parts(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    images = np.stack(networks.pictures(3))
    vectors = open_encoder(write_tiny(tmp_path)).encode_images(list(images))
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
