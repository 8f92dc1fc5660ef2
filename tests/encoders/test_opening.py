"""Tests of kinlens.encoders.opening, registry and runtimes: from a name to an encoder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kinlens.encoders.runtimes as runtimes_module
from encoders import networks
from kinlens.encoders import list_models, open_encoder
from kinlens.errors import (
    BundleError,
    EncoderError,
    InvalidInput,
    MissingDependency,
    ModelUnavailable,
)
from privileges import given_up
from tiny_encoder import write_tiny


def test_known_models_are_rows_with_license_and_a_pinned_source() -> None:
    rows = list_models()
    assert rows[0].name == "kinlens-mini"
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert row.license
        assert row.source.startswith("bundled:") or "#sha256=" in row.source


def test_auto_prefers_openvino(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    assert open_encoder(write_tiny(tmp_path)).runtime == "openvino"


def test_auto_falls_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    found = runtimes_module.find_spec
    monkeypatch.setattr(
        runtimes_module, "find_spec", lambda name: None if name == "openvino" else found(name)
    )
    assert open_encoder(write_tiny(tmp_path)).runtime == "onnxruntime"
    with pytest.raises(MissingDependency, match=r"pip install kinlens$"):
        open_encoder(write_tiny(tmp_path), runtime="openvino")


def test_no_runtime_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes_module, "find_spec", lambda _: None)
    for runtime in ("auto", "onnxruntime"):
        with pytest.raises(MissingDependency, match=r"pip install 'kinlens\[onnxruntime\]'"):
            open_encoder(write_tiny(tmp_path), runtime=runtime)


def test_a_runtime_that_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kinlens.encoders.openvino", None)
    with pytest.raises(MissingDependency, match="can't be loaded"):
        open_encoder(write_tiny(tmp_path), runtime="openvino")


def test_unknown_names_say_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"kinlens-mini.*no model 'resnet' here"):
        open_encoder("resnet")
    with pytest.raises(ModelUnavailable, match=r"folder without model\.onnx"):
        open_encoder(tmp_path)


def test_arguments_that_cannot_be_used(tmp_path: Path) -> None:
    path = write_tiny(tmp_path)
    with pytest.raises(InvalidInput, match="runtime is one of"):
        open_encoder(path, runtime="torch")
    with pytest.raises(InvalidInput, match="threads"):
        open_encoder(path, threads=-1)
    with pytest.raises(
        InvalidInput, match="precision is one of auto, float32, bfloat16; got 'int8'"
    ):
        open_encoder(path, precision="int8")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"onnxruntime computes in float32 on.*got 'bfloat16'"):
        open_encoder(path, runtime="onnxruntime", precision="bfloat16")
    with pytest.raises(InvalidInput, match="recipe"):
        open_encoder("kinlens-mini", recipe=path)


def test_another_output_than_the_recipe_s(tmp_path: Path) -> None:
    path = networks.write(tmp_path, networks.pooling(), output="map", pooling="average")
    assert open_encoder(path).identity.dim == 3
    assert open_encoder(path, pooling="none").identity.dim == 48
    assert open_encoder(path, output="vector").identity.dim == 48
    with pytest.raises(BundleError, match="average, max, none"):
        open_encoder(path, pooling="mean")  # type: ignore[arg-type]


def test_the_last_map_of_a_bundle() -> None:
    usual = open_encoder("kinlens-mini")
    within = "/features/features.9/Relu_output_0"
    other = open_encoder("kinlens-mini", output=within, pooling="none")
    assert other.identity.dim > usual.identity.dim
    assert other.identity.fingerprint != usual.identity.fingerprint


def test_a_picture_is_no_network(tmp_path: Path) -> None:
    path = networks.write(tmp_path, b"\xff\xd8\xff\xe0 JFIF")
    with pytest.raises(BundleError, match="not a whole ONNX file"):
        open_encoder(path)


def test_half_a_download(tmp_path: Path) -> None:
    whole = networks.pooling()
    with pytest.raises(EncoderError, match="not a whole ONNX file"):
        open_encoder(networks.write(tmp_path, whole[: len(whole) // 2]))


def test_importing_loads_no_runtime() -> None:
    code = (
        "import sys, kinlens.encoders\n"
        "heavy = {'openvino', 'onnxruntime', 'huggingface_hub'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_opening_is_silent(tmp_path: Path) -> None:
    path = write_tiny(tmp_path)
    code = f"import kinlens.encoders as e\ne.open_encoder({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.parametrize("inner", ["", "encoder"])
def test_a_bundle_that_may_not_be_read_says_so(tmp_path: Path, inner: str) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0)
    try:
        with given_up(), pytest.raises(ModelUnavailable, match="Permission denied"):
            open_encoder(str(folder / inner))
    finally:
        folder.chmod(0o700)
