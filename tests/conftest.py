"""What every test may use: the shared data, and pictures made on the spot."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent

# How fast examples are made says something of the machine only.
settings.register_profile("kinlens", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kinlens")

# Also of the processes that tests start: a CPU with bfloat16 would compute other vectors. What is
# said of bfloat16 is tested where it is asked for, in `encoders/`.
os.environ["KINLENS_PRECISION"] = "float32"


def _data_folder() -> Path:
    return Path(os.environ.get("KINLENS_TEST_DATA") or ROOT.parent / "shared" / "data")


def _absent(what: Path) -> None:
    """Skip, or in CI where the shared folder is there, fail."""
    if os.environ.get("CI") == "true" and _data_folder().parent.is_dir():
        pytest.fail(f"{what} is missing though the shared folder is there")
    pytest.skip(f"{what} is absent; set KINLENS_TEST_DATA to run this")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures; skips where there is none."""
    folder = _data_folder()
    if not folder.is_dir():
        _absent(folder)
    return folder


@pytest.fixture(scope="session")
def teacher_onnx() -> Path:
    """MobileNetV2 as a user's own ONNX file; skips where there is none."""
    path = _data_folder().parent / "models" / "mobilenet_v2_imagenet.onnx"
    if not path.is_file():
        _absent(path)
    return path


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., bytes]:
    """Encoded picture bytes: ``make_picture(width, height, format="JPEG", seed=0, **save)``.

    A smooth gradient with a disc on it: unlike for each seed, and kind to lossy codecs.
    """

    def make(
        width: int = 64, height: int = 48, format: str = "JPEG", seed: int = 0, **save: Any
    ) -> bytes:
        rng = np.random.default_rng(seed)
        first, second, disc = rng.integers(0, 256, (3, 3))
        y, x = np.mgrid[0:height, 0:width]
        blend = ((x / max(width - 1, 1) + y / max(height - 1, 1)) / 2)[..., None]
        pixels = first * (1 - blend) + second * blend
        center = rng.uniform(0.3, 0.7, 2)
        radius = min(width, height) * rng.uniform(0.2, 0.4)
        inside = (x - center[0] * width) ** 2 + (y - center[1] * height) ** 2 < radius**2
        pixels[inside] = disc
        stream = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(stream, format, **save)
        return stream.getvalue()

    return make
