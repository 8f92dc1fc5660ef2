"""A real encoder and folders of pictures to index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kinlens.search import Search
from kinlens.wiring import open_search
from tiny_encoder import write_tiny


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def search(data: Path, encoder: Path) -> Iterator[Search]:
    with open_search(
        data, encoder, fetch_allowed_hosts=("localhost",), max_bytes=300_000
    ) as opened:
        yield opened


@pytest.fixture
def photos(tmp_path: Path, make_picture: Callable[..., bytes]) -> Path:
    """Twenty pictures, red/00.jpg to blue/19.jpg."""
    folder = tmp_path / "photos"
    for seed in range(20):
        path = folder / ("red" if seed < 10 else "blue") / f"{seed:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_picture(seed=seed))
    return folder
