"""Compiled networks on the disk: the same vectors, and nothing on the disk can spoil them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from kinlens.encoders import open_encoder
from kinlens.encoders.compiled import KEPT, CompiledCache
from kinlens.encoders.openvino import OpenVinoSession
from kinlens.types import Pixels
from tiny_encoder import write_tiny


def pictures(count: int) -> list[Pixels]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (96, 96, 3), np.uint8) for _ in range(count)]


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the networks that were read to be compiled."""
    found: list[str] = []
    model = OpenVinoSession._model.func  # type: ignore[attr-defined]

    def reading(session: OpenVinoSession) -> object:
        found.append(session._name)
        return model(session)

    monkeypatch.setattr(OpenVinoSession, "_model", property(reading))
    return found


def test_the_next_process_compiles_nothing_and_gives_the_same_vectors(
    tmp_path: Path, compilations: list[str]
) -> None:
    options = {"runtime": "openvino", "precision": "float32"}
    wanted = open_encoder("kinlens-mini", **options).encode_images(pictures(3)[:1])
    compilations.clear()
    first = open_encoder("kinlens-mini", cache=tmp_path / "compiled", **options)
    assert compilations == ["kinlens-mini"]
    second = open_encoder("kinlens-mini", cache=tmp_path / "compiled", **options)
    assert compilations == ["kinlens-mini"]
    for encoder in (first, second):
        assert encoder.precision == "int8, the rest in float32"
        np.testing.assert_array_equal(encoder.encode_images(pictures(3)[:1]), wanted)
    # A batch is computed by a network that is compiled for batches, as without the folder.
    assert second.encode_images(pictures(3)).shape == (3, 256)


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "another"])
def test_what_is_damaged_is_compiled_again(
    tmp_path: Path, compilations: list[str], damage: str
) -> None:
    network = write_tiny(tmp_path)
    folder = tmp_path / "compiled"
    wanted = open_encoder(network, runtime="openvino").encode_images(pictures(1))
    open_encoder(network, runtime="openvino", cache=folder)
    (file,) = folder.iterdir()
    content = file.read_bytes()
    if damage == "another":  # whole, and nothing that OpenVINO can read
        key = "some key"
        CompiledCache(folder).write(key, b"no network at all")
        CompiledCache(folder)._file(key).replace(file)
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        file.write_bytes({"cut": content[:middle], "flipped": flipped, "emptied": b""}[damage])
    compilations.clear()
    again = open_encoder(network, runtime="openvino", cache=folder)
    assert len(compilations) > 0
    np.testing.assert_array_equal(again.encode_images(pictures(1)), wanted)
    assert file.read_bytes()[32:] != b"no network at all"
    compilations.clear()
    open_encoder(network, runtime="openvino", cache=folder)
    assert compilations == []


def test_a_folder_that_can_not_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    encoder = open_encoder("kinlens-mini", runtime="openvino", cache=tmp_path / "file")
    assert encoder.encode_images(pictures(1)).shape == (1, 256)
    cache = CompiledCache(tmp_path / "no" / "such" / "folder")
    cache.write("key", b"data")
    assert cache.read("key") is None
    cache.remove("key")


def test_the_oldest_are_forgotten(tmp_path: Path) -> None:
    cache = CompiledCache(tmp_path)
    for number in range(KEPT + 3):
        cache.write(f"key {number}", b"data %d" % number)
        os.utime(cache._file(f"key {number}"), (number, number))
    assert [cache.read(f"key {number}") is not None for number in range(KEPT + 3)] == [
        number >= 3 for number in range(KEPT + 3)
    ]
    assert len(list(tmp_path.iterdir())) == KEPT
    assert cache.read(f"key {KEPT}") == b"data %d" % KEPT
