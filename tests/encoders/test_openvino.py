"""Tests of what is OpenVINO's own: precision by what the CPU has, and the second compilation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from encoders import networks
from kinlens.encoders.network import Network
from kinlens.encoders.quiet import without_telemetry
from kinlens.preprocess import Recipe
from tiny_encoder import tiny_onnx

with without_telemetry():
    ov = pytest.importorskip("openvino")

from kinlens.encoders.openvino import open_session

RECIPE = Recipe(32, "stretch", (128, 128, 128), (64, 64, 64))


def test_precision_is_the_best_the_cpu_has() -> None:
    capabilities = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    session = open_session(Network("tiny", tiny_onnx(), RECIPE), threads=1)
    assert session.precision == ("bfloat16" if "BF16" in capabilities else "float32")


def test_a_single_picture_waits_for_one_compilation_only() -> None:
    session = open_session(Network("tiny", tiny_onnx(), RECIPE), threads=2)
    session(RECIPE.prepare(networks.pictures(1)))
    assert session._streams is None
    session(RECIPE.prepare(networks.pictures(9)))
    assert session._streams is not None
    assert session._streams.count >= 1


def test_threads_are_limited(tmp_path: Path) -> None:
    session = open_session(Network("tiny", tiny_onnx(), RECIPE), threads=1)
    session(RECIPE.prepare(networks.pictures(4)))
    assert session._streams is not None
    assert session._streams.count == 1


def test_nothing_is_sent_to_the_maker_of_openvino() -> None:
    program = (
        "import sys, kinlens.encoders.openvino\n"
        "sent = [name for name in sys.modules if name.startswith('openvino_telemetry')]\n"
        "assert 'openvino' in sys.modules and not sent, sent"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
