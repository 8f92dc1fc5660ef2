"""Tests of kinlens.encoders.graph, beside the `onnx` package's own reading."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from encoders import networks
from kinlens.encoders.graph import FLOAT32, Port, cut, read_graph
from kinlens.errors import BundleError


def test_reads_names_shapes_and_types() -> None:
    graph = read_graph(networks.pooling({"map": ("n", 3, 4, 4), "color": None}), "own")
    assert graph.inputs == (Port("pixels", FLOAT32, (None, 3, 8, 8)),)
    assert graph.outputs == (Port("map", FLOAT32, (None, 3, 4, 4)), Port("color", FLOAT32, None))
    assert str(graph.outputs[0]) == "map (?, 3, 4, 4)"
    assert str(graph.outputs[1]) == "color (shape not said)"


def test_weights_among_the_inputs_are_no_inputs() -> None:
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["vector"]),
    ]
    old = networks.network(
        nodes,
        {"vector": ("n", 5)},
        weights={"matrix": np.ones((192, 5), np.float32)},
        listed_weights=True,
    )
    assert [port.name for port in read_graph(old, "old").inputs] == ["pixels"]


def test_teacher(teacher_onnx: Path) -> None:
    ours = read_graph(teacher_onnx.read_bytes(), "teacher")
    theirs = onnx.load(teacher_onnx).graph
    assert [port.name for port in ours.inputs] == [port.name for port in theirs.input]
    assert [port.name for port in ours.outputs] == [port.name for port in theirs.output]
    assert ours.inputs[0].shape == (None, 3, 224, 224)


def quantized(*, activations: bool) -> bytes:
    """A product with weights of int8, which meet pixels of uint8, or of float32."""
    link = helper.make_node
    pixels = [link("Flatten", ["pixels"], ["flat"])]
    if activations:
        pixels += [
            link("QuantizeLinear", ["flat", "scale", "middle"], ["integers"]),
            link("DequantizeLinear", ["integers", "scale", "middle"], ["rounded"]),
        ]
    nodes = [
        *pixels,
        link("DequantizeLinear", ["matrix", "scale", "zero"], ["wide"]),
        link("MatMul", ["rounded" if activations else "flat", "wide"], ["vector"]),
    ]
    weights = {
        "matrix": np.ones((192, 5), np.int8),
        "scale": np.array(0.1, np.float32),
        "zero": np.array(0, np.int8),
        "middle": np.array(128, np.uint8),
    }
    return networks.network(nodes, {"vector": ("n", 5)}, weights=weights)


def test_quantized_is_what_meets_its_weights_in_integers() -> None:
    assert read_graph(quantized(activations=True), "own").quantized
    assert not read_graph(quantized(activations=False), "own").quantized
    assert not read_graph(networks.pooling(), "own").quantized


def test_what_lies_within() -> None:
    graph = read_graph(networks.pooling(), "own")
    assert [port.name for port in graph.inner] == ["map", "vector", "pooled", "color"]
    assert {port.shape for port in graph.inner} == {None}
    inferred = onnx.shape_inference.infer_shapes(onnx.load_from_string(networks.pooling()))
    said = read_graph(inferred.SerializeToString(), "own").inner[0]
    assert said == Port("map", FLOAT32, (None, 3, 4, 4))


@pytest.mark.parametrize("tensor", ["map", "pooled", "ä" * 200])
def test_cut_leaves_all_but_the_outputs(tensor: str) -> None:
    whole = networks.pooling({"vector": ("n", 48), "color": ("n", 3)})
    expected = onnx.load_from_string(whole)
    del expected.graph.output[:]
    expected.graph.output.add(name=tensor)
    assert onnx.load_from_string(cut(whole, tensor)) == expected


def test_weights_in_another_file_are_refused() -> None:
    model = onnx.load_from_string(
        networks.network(
            [helper.make_node("Add", ["pixels", "shift"], ["vector"])],
            {"vector": None},
            weights={"shift": np.ones(1, np.float32)},
        )
    )
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    with pytest.raises(BundleError, match="save it as one file"):
        read_graph(model.SerializeToString(), "split.onnx")


@pytest.mark.parametrize("data", [b"", b"not a network", b"\x89PNG\r\n\x1a\n", b"\xff" * 99])
def test_other_files(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"photo\.onnx"):
        read_graph(data, "photo.onnx")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_is_an_error_or_harmless(data: st.DataObject) -> None:
    whole = networks.pooling()
    cut = data.draw(st.integers(0, len(whole)), "cut")
    damaged = bytearray(whole[:cut])
    for place in data.draw(st.lists(st.integers(0, max(cut - 1, 0)), max_size=4), "places"):
        if damaged:
            damaged[place] ^= data.draw(st.integers(1, 255), "flip")
    with suppress(BundleError):
        assert read_graph(bytes(damaged), "damaged").inputs
