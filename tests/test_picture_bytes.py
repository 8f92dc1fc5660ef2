"""Pictures of Pillow and NumPy, and open files, are searched as the pixels that they hold."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from kinlens.errors import BrokenPicture, InvalidInput
from kinlens.images import PictureLoader
from kinlens.picture_bytes import picture_bytes
from kinlens.search import Search
from kinlens.types import Example, NewItem, Pixels
from kinlens.wiring import open_search
from tiny_encoder import write_tiny


@pytest.fixture(scope="module")
def loader() -> Iterator[PictureLoader]:
    with PictureLoader(workers=1) as loader:
        yield loader


@pytest.fixture
def search(tmp_path: Path) -> Iterator[Search]:
    with open_search(tmp_path / "data", write_tiny(tmp_path)) as search:
        yield search


def rgb() -> Pixels:
    down, across = np.mgrid[0:40, 0:60]
    return np.stack([4 * across, 6 * down, 2 * (across + down)], axis=2).astype(np.uint8)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "HSV", "RGBX"])
def test_every_mode_is_seen_as_pillow_shows_it(loader: PictureLoader, mode: str) -> None:
    picture = Image.fromarray(rgb()).convert(mode)
    seen = loader.load(picture_bytes(picture)).pixels.astype(int)
    shown = np.asarray(picture.convert("RGB")).astype(int)
    assert seen.shape == shown.shape
    assert np.abs(seen - shown).max() <= 3


def test_sixteen_bits_of_gray(loader: PictureLoader) -> None:
    gray = np.linspace(0, 65535, 40 * 60).reshape(40, 60).astype(np.uint16)
    seen = loader.load(picture_bytes(Image.fromarray(gray))).pixels[..., 0]
    assert np.abs(seen.astype(int) - (gray >> 8)).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_an_opened_file_is_honored(
    loader: PictureLoader, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(rgb()).save(file, "PNG", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    seen = loader.load(picture_bytes(Image.open(file))).pixels
    np.testing.assert_array_equal(seen, upright)


def test_a_color_profile_is_honored(loader: PictureLoader) -> None:
    from PIL import ImageCms

    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.fromarray(rgb())
    picture.info["icc_profile"] = lab
    with Image.open(io.BytesIO(picture_bytes(picture))) as encoded:
        assert encoded.info["icc_profile"] == lab


@pytest.mark.parametrize("shape", [(40, 60, 3), (40, 60), (40, 60, 4)])
def test_arrays(loader: PictureLoader, shape: tuple[int, ...]) -> None:
    array = np.full(shape, 255, np.uint8)
    array[:20] = 80
    array[..., -1:] = 255 if len(shape) == 3 and shape[2] == 4 else array[..., -1:]
    pixels = loader.load(picture_bytes(array[:, ::-1])).pixels
    assert pixels.shape == (40, 60, 3)
    assert (pixels[:20] == 80).all()
    assert (pixels[20:] == 255).all()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((3, 40, 60), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(256, np.float32),
        np.ma.masked_equal(np.zeros((4, 4, 3), np.uint8), 0),
    ],
)
def test_arrays_that_are_no_pictures(array: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="A NumPy picture"):
        picture_bytes(array)


def test_files_that_are_of_no_use(tmp_path: Path, make_picture: Callable[..., bytes]) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(make_picture())
    with path.open("rb") as file:
        assert picture_bytes(file) == path.read_bytes()
        with pytest.raises(InvalidInput, match="seek"):
            picture_bytes(file)
    with pytest.raises(InvalidInput, match="rb"):
        picture_bytes(file)
    with path.open(encoding="latin-1") as text, pytest.raises(InvalidInput, match="rb"):
        picture_bytes(text)
    with Image.open(io.BytesIO(path.read_bytes()[:-60])) as cut, pytest.raises(BrokenPicture):
        picture_bytes(cut)


def test_each_form_of_a_picture_finds_its_item(
    search: Search, tmp_path: Path, make_picture: Callable[..., bytes]
) -> None:
    for seed in range(5):
        search.add([NewItem(f"item {seed}", image=make_picture(60, 40, seed=seed))])
    data = make_picture(60, 40, seed=3)
    path = tmp_path / "three.png"
    path.write_bytes(data)
    picture = Image.open(path)
    forms = [str(path), path, data, bytearray(data), memoryview(data), picture,
             np.asarray(picture.convert("RGB")), io.BytesIO(data), Example(image=picture),
             [picture], (np.asarray(picture.convert("RGB")), data), [str(path), path]]  # fmt: skip
    for form in forms:
        hit = search.search(form).hits[0]
        assert (hit.id, round(hit.score, 3)) == ("item 3", 1.0)
    with path.open("rb") as file:
        assert search.search(file).hits[0].id == "item 3"
    for wrong in (7, None, {"image": data}, [[1, 2]], object()):
        with pytest.raises(InvalidInput, match=r"A search is for|at least one"):
            search.search(wrong)


def test_pictures_in_memory_are_added(search: Search) -> None:
    picture = Image.fromarray(rgb())
    added = search.add([NewItem("pillow", image=picture), NewItem("numpy", image=rgb())])
    assert [outcome.state for outcome in added] == ["indexed", "indexed"]
    assert search.get(["numpy"])["numpy"].width == 60
    assert [hit.id for hit in search.search(picture, k=2).hits] == ["pillow", "numpy"]


def test_pillow_is_not_imported_for_bytes() -> None:
    program = (
        "import sys; from kinlens.search import as_query; as_query(b'x'); as_query('a.jpg'); "
        "import kinlens.picture_bytes as p; p.is_picture_object(7); "
        "sys.exit('PIL.ImageOps' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
