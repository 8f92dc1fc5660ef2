"""A whole catalog, and copies of it that tests may damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from maintenance.damages import build, execute


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, make_picture: Callable[..., bytes]) -> Path:
    return build(tmp_path_factory.mktemp("whole"), make_picture)


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage, with an encoder and photos of its own."""
    root = tmp_path / "root"
    shutil.copytree(whole.parent, root)
    data = root / "data"
    old, new = str(whole.parent), str(root)
    execute(data, f"UPDATE items SET picture = replace(picture, '{old}', '{new}')")
    (data / "encoder").write_text(str(root / "tiny0.onnx"))
    return data
