"""Tests of what is OpenVINO's own: precision as it is told, and the second compilation."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from encoders import networks
from kinlens.encoders.base import normalize
from kinlens.encoders.golden import MIN_COSINE
from kinlens.encoders.network import Network, Precision
from kinlens.encoders.quiet import without_telemetry
from kinlens.preprocess import Recipe
from tiny_encoder import tiny_onnx

with without_telemetry():
    pytest.importorskip("openvino")

from kinlens.encoders.openvino import open_session, precisions, precisions_of

RECIPE = Recipe(32, "stretch", (128, 128, 128), (64, 64, 64))
TINY = Network("tiny", tiny_onnx(), RECIPE)


def test_precisions_are_those_of_the_cpu_the_fastest_first() -> None:
    assert precisions_of(["FP32", "INT8", "BIN", "EXPORT_IMPORT"]) == ("float32",)
    assert precisions_of(["FP32", "INT8", "BF16", "EXPORT_IMPORT"]) == ("bfloat16", "float32")
    assert precisions_of(["FP32", "FP16", "INT8"]) == ("float32",)
    assert "float32" in precisions()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_computes_in_the_precision_it_is_told(precision: Precision) -> None:
    if precision not in precisions():
        pytest.skip(f"this CPU has no {precision}; tests of rounding.py compute it in float32")
    batch = RECIPE.prepare(networks.pictures(9))
    session = open_session(TINY, 1, precision)
    assert session.precision == precision
    exact = open_session(TINY, 1, "float32")(batch)
    least = MIN_COSINE[precision]
    for size in (1, 9):
        found = session(batch[:size])
        assert np.sum(normalize(found) * normalize(exact[:size]), axis=1).min() >= least


def test_a_single_picture_waits_for_one_compilation_only() -> None:
    session = open_session(TINY, 2, "float32")
    session(RECIPE.prepare(networks.pictures(1)))
    assert session._streams is None
    session(RECIPE.prepare(networks.pictures(9)))
    assert session._streams is not None
    assert session._streams.count >= 1


def test_threads_are_limited() -> None:
    session = open_session(TINY, 1, "float32")
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
