"""What the tests of the device share: frames made on the spot, and a tiny encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from camera.scenes import scene
from kinlens.camera.film import to_jpeg
from kinlens.encoders import NetworkEncoder, open_encoder
from kinlens.images import PictureLoader
from tiny_encoder import write_tiny


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> NetworkEncoder:
    return open_encoder(write_tiny(tmp_path_factory.mktemp("encoder")), precision="float32")


@pytest.fixture(scope="session")
def loader() -> Iterator[PictureLoader]:
    with PictureLoader(workers=1) as opened:
        yield opened


@pytest.fixture
def frames_folder(tmp_path: Path) -> Callable[[int], Path]:
    """A folder of so many different frames, called 0.jpg and on."""

    def make(count: int) -> Path:
        folder = tmp_path / "frames"
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}.jpg").write_bytes(to_jpeg(scene(number), 95))
        return folder

    return make
