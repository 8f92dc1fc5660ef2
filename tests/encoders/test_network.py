"""Tests of kinlens.encoders.network: which networks and recipes fit each other."""

from __future__ import annotations

from typing import Any

import pytest
from onnx import TensorProto, helper

from encoders import networks
from kinlens.encoders.graph import read_graph
from kinlens.encoders.network import Network
from kinlens.encoders.pooling import Pooling
from kinlens.errors import BundleError
from kinlens.preprocess import Recipe


def make(
    onnx: bytes, output: str | None = None, pooling: Pooling | None = None, **recipe: Any
) -> Network:
    return Network("own", onnx, Recipe.from_dict({**networks.RECIPE, **recipe}), output, pooling)


@pytest.mark.parametrize(
    ("outputs", "chosen"),
    [
        ({"vector": ("n", 48)}, "vector"),
        ({"vector": None}, "vector"),
        ({"map": ("n", 3, 4, 4), "color": ("n", 3)}, "color"),
        ({"color": ("n", 3), "map": None}, "color"),
    ],
)
def test_the_only_output_that_fits(outputs: Any, chosen: str) -> None:
    network = make(networks.pooling(outputs))
    assert network.output.name == chosen
    assert network.output_index == list(outputs).index(chosen)


def test_outputs_to_choose_from_are_listed() -> None:
    onnx = networks.pooling({"vector": ("n", 48), "color": ("n", 3)})
    with pytest.raises(BundleError, match=r'"output": "NAME".*vector \(\?, 48\), color \(\?, 3\)'):
        make(onnx)
    with pytest.raises(BundleError, match=r"'logits'.*vector \(\?, 48\), color"):
        make(onnx, "logits")


def test_a_spatial_map_is_no_vector() -> None:
    with pytest.raises(BundleError, match='add "pooling": "average"'):
        make(networks.pooling({"map": ("n", 3, 4, 4)}))


def test_a_vector_is_no_spatial_map() -> None:
    with pytest.raises(BundleError, match=r"wants a spatial map.*is vector \(\?, 48\)"):
        make(networks.pooling(), pooling="max")


def test_a_tensor_within() -> None:
    network = make(networks.pooling(), "map", "average")
    assert network.output_index == 0
    assert [port.name for port in read_graph(network.trunk, "trunk").outputs] == ["map"]
    with pytest.raises(BundleError, match=r"'mop'.*vector \(\?, 48\)\. .*such as map"):
        make(networks.pooling(), "mop")
    with pytest.raises(BundleError, match="such as vector, pooled, color"):
        make(networks.pooling(), "xyz")


@pytest.mark.parametrize("recipe", [{"size": 9}, {"layout": "nhwc"}])
def test_a_recipe_that_does_not_fit(recipe: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match=r"the network takes pixels \(\?, 3, 8, 8\)"):
        make(networks.pooling(), **recipe)


def test_a_network_of_any_size_takes_the_recipe_s() -> None:
    onnx = networks.pooling({"color": ("n", 3)}, shape=("n", 3, "h", "w"))
    assert make(onnx, size=31).fixed_batch is None


def test_two_inputs() -> None:
    onnx = networks.network(
        [helper.make_node("Add", ["pixels", "words"], ["vector"])],
        {"vector": None},
        more_inputs={"words": ("n", 77)},
    )
    with pytest.raises(BundleError, match=r"one input.*words \(\?, 77\).*image tower"):
        make(onnx)


def test_half_precision_input() -> None:
    onnx = networks.network(
        [helper.make_node("Flatten", ["pixels"], ["vector"])],
        {"vector": None},
        dtype=TensorProto.FLOAT16,
    )
    with pytest.raises(BundleError, match="float32"):
        make(onnx)
