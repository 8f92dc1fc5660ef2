"""Opening a catalog: which encoder, which settings, and what is told when it can't be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kinlens.config import Settings
from kinlens.errors import (
    CatalogError,
    ConfigError,
    EncoderError,
    EncoderMismatch,
    InvalidInput,
    ModelUnavailable,
)
from kinlens.types import NewItem
from kinlens.wiring import check_catalog, encoder_for, open_search
from tiny_encoder import DIM, write_tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("encoder")


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Path:
    return write_tiny(folder)


def test_the_catalog_remembers_its_encoder_by_path(tmp_path, encoder, make_picture, monkeypatch):
    monkeypatch.chdir(encoder.parent)
    with open_search(tmp_path, encoder.name) as search:
        search.add([NewItem("a", image=make_picture())])
    monkeypatch.chdir(tmp_path)
    with open_search(tmp_path) as search:
        assert search.encoder.dim == DIM
        assert search.search(make_picture()).hits[0].id == "a"
    assert encoder_for(Settings(data=tmp_path)).identity.name == "tiny0"


def test_a_model_is_remembered_by_name_though_a_file_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("kinlens-mini").write_text("something else")
    for _ in range(2):
        with open_search(tmp_path / "data", "kinlens-mini") as search:
            assert search.encoder.name == "kinlens-mini"
    with open_search(tmp_path / "data") as search:
        assert search.encoder.name == "kinlens-mini"


def test_a_note_that_a_crash_left_empty_is_done_without(tmp_path):
    open_search(tmp_path / "data", "kinlens-mini").close()
    (tmp_path / "data" / "encoder").write_text("")
    open_search(tmp_path / "data").close()


@pytest.mark.parametrize("host", ["no host!", "https://pictures.internal", "pictures.internal:80"])
def test_a_host_to_allow_that_is_none_is_a_mistake_in_the_settings(tmp_path, encoder, host):
    with pytest.raises(ConfigError, match="fetch_allowed_hosts"):
        open_search(tmp_path / "data", encoder, fetch_allowed_hosts=(host,))


def test_another_encoder_is_an_error_that_names_both_and_the_way_out(tmp_path, folder, encoder):
    open_search(tmp_path, encoder).close()
    other = write_tiny(folder, seed=1)
    with pytest.raises(EncoderMismatch, match=r"(?s)tiny0.*tiny1.*kinlens reencode"):
        open_search(tmp_path, other)
    with open_search(tmp_path) as search:
        assert search.encoder.name == "tiny0"


def test_without_a_catalog_there_is_nothing_to_open(tmp_path: Path, encoder: Path):
    with pytest.raises(CatalogError, match="kinlens index"):
        open_search(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()
    assert check_catalog(Settings(data=tmp_path / "none"))["state"] == "nothing indexed yet"


def test_an_encoder_that_is_not_there_leaves_no_catalog(tmp_path: Path):
    with pytest.raises(ModelUnavailable):
        open_search(tmp_path / "data", "no-such-model")
    assert not (tmp_path / "data").exists()


def test_settings_come_from_arguments(tmp_path: Path, encoder: Path):
    settings = Settings(data=tmp_path, max_bytes=1000)
    with open_search(settings=settings, encoder=encoder, max_pixels=5000, threads=1) as search:
        assert search.data == tmp_path
        assert search.threads == 1
        assert search.parts.limits.max_bytes == 1000
        assert search.parts.limits.max_pixels == 5000
    with pytest.raises(ConfigError, match="colour"):
        open_search(tmp_path, colour=1)
    with pytest.raises(ConfigError, match="colour"):
        open_search(settings=settings, colour=1)


def test_a_checked_catalog_tells_its_size(tmp_path: Path, encoder: Path, make_picture):
    with open_search(tmp_path, encoder) as search:
        search.add([NewItem("a", image=make_picture()), NewItem("b", image=b"")])
    facts = check_catalog(Settings(data=tmp_path))
    assert facts["items"] == 1
    assert facts["failed"] == 1
    assert facts["encoder"].startswith("tiny0 (")
    (tmp_path / "catalog.sqlite").write_bytes(b"junk" * 1000)
    with pytest.raises(CatalogError):
        check_catalog(Settings(data=tmp_path))


def test_the_teacher_works_by_path(tmp_path: Path, teacher_onnx: Path, shared_data: Path):
    recipe = tmp_path / "teacher.json"
    recipe.write_text(
        f'{{"model": "{teacher_onnx}", "output": "embedding", "size": 224, "resize": "stretch", '
        '"mean": [127.5, 127.5, 127.5], "std": [127.5, 127.5, 127.5]}'
    )
    pictures = sorted((shared_data / "clothing" / "test" / "shoes").glob("*.jpg"))[:6]
    with open_search(tmp_path / "data", recipe) as search:
        outcomes = search.add([NewItem(path.name, path=path) for path in pictures])
        assert {outcome.state for outcome in outcomes} == {"indexed"}
        assert search.encoder.dim == 1280
        assert search.search(pictures[2], k=1).hits[0].id == pictures[2].name


def test_a_lazy_catalog_needs_no_encoder_until_it_encodes(tmp_path, make_picture):
    model = write_tiny(tmp_path)
    with open_search(tmp_path / "data", model) as search:
        search.add([NewItem(name, image=make_picture(seed=ord(name))) for name in "ab"])
    model.unlink()
    with pytest.raises(EncoderError):
        open_search(tmp_path / "data")
    with open_search(tmp_path / "data", lazy=True) as search:
        assert [item.id for item in search.items()] == ["a", "b"]
        assert [hit.id for hit in search.similar("a").hits] == ["b"]
        assert search.stats().items == 2
        with pytest.raises(EncoderError):
            search.search(make_picture())
        assert search.delete(["a"]) == ["a"]


def test_a_lazy_encoder_must_still_be_the_one_of_the_catalog(tmp_path, make_picture):
    model = write_tiny(tmp_path)
    with open_search(tmp_path / "data", model) as search:
        search.add([NewItem("a", image=make_picture())])
    write_tiny(tmp_path, seed=1).replace(model)
    with (
        open_search(tmp_path / "data", lazy=True) as search,
        pytest.raises(EncoderMismatch, match="another version"),
    ):
        search.search(make_picture())


def test_a_model_that_went_away_is_asked_for(tmp_path, make_picture):
    model = write_tiny(tmp_path)
    open_search(tmp_path / "data", model).close()
    model.unlink()
    with pytest.raises(ModelUnavailable, match=r"was indexed with .*tiny0.onnx.* put it back"):
        open_search(tmp_path / "data")


def test_the_encoder_computes_in_the_precision_that_is_set(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, encoder=str(write_tiny(tmp_path)), precision="float32")
    assert encoder_for(settings).float_precision == "float32"
    portable = replace(settings, runtime="onnxruntime", precision="bfloat16")
    with pytest.raises(InvalidInput, match="onnxruntime computes in float32 on this machine"):
        encoder_for(portable)
