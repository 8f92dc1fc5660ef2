"""What the tests of the HTTP door share: a real service, small, behind a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import onnx
from onnx import TensorProto, helper

from kinlens import wiring
from kinlens.http.serve import Server
from kinlens.live.service import LiveService
from kinlens.search import Search
from kinlens.types import NewItem

COLORS = ("red", "blue", "green")
COUNT = 12
DIM = 48


@dataclass
class Door:
    """A running server, a client, what cameras show it, and the tokens of its keys."""

    client: httpx.Client
    server: Server
    live: LiveService
    read: str = ""
    write: str = ""
    camera: str = ""


Doors = Callable[..., Door]


def write_encoder(folder: Path) -> Path:
    """A network that averages an 8 x 8 grid of each color, as an ONNX file with its recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 3, 32, 32])
    vector = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", DIM])
    nodes = [
        helper.make_node("AveragePool", ["picture"], ["grid"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["grid"], ["vector"]),
    ]
    graph = helper.make_graph(nodes, "tiny", [picture], [vector])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "tiny.onnx")
    recipe = {"size": 32, "resize": "stretch", "mean": [120.0] * 3, "std": [60.0] * 3}
    (folder / "tiny.recipe.json").write_text(json.dumps(recipe))
    return folder / "tiny.onnx"


def open_tiny(folder: Path) -> Search:
    """An empty catalog, or the one that is there, with a tiny encoder."""
    model = write_encoder(folder.parent / "encoder")
    return wiring.open_search(folder, model, threads=2)


def new_items(pictures: list[bytes]) -> list[NewItem]:
    """The catalog of the tests."""
    return [
        NewItem(
            item_id(number),
            image=picture,
            metadata={"color": COLORS[number % 3], "price": number * 2.5, "sale": number % 2 == 0},
        )
        for number, picture in enumerate(pictures)
    ]


def item_id(number: int) -> str:
    """With a slash and a blank, as ids from folders have."""
    return f"shop/item {number:02d}"


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """Check that an answer is this problem document; gives it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"] == f"/problems/{slug}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["instance"] == response.request.url.path
    assert document["request_id"] == response.headers["x-request-id"]
    return document


def bearer(token: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {token}"}
