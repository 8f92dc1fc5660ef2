"""Tests of kinlens.encoders.hub against a small Hub on loopback, over real HTTP.

huggingface_hub reads its environment when it is imported, so each test is a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from encoders import networks
from kinlens.encoders import open_encoder, write_bundle
from kinlens.encoders.hub import HubReference
from kinlens.errors import InvalidInput
from kinlens.preprocess import Recipe
from tiny_encoder import tiny_onnx, write_tiny

pytest.importorskip("huggingface_hub")

REVISION = "0123456789abcdef0123456789abcdef01234567"
REPO = "shop/tiny"
REFERENCE = f"hf://{REPO}@{REVISION}"
SCRIPT = """
import sys
from kinlens.encoders import open_encoder
from kinlens.errors import KinlensError
try:
    print(open_encoder(sys.argv[1]).identity.fingerprint)
except KinlensError as error:
    print(f"{type(error).__name__}: {error}")
"""


@dataclass
class Hub:
    """A Hub with one repository at one revision."""

    files: dict[str, bytes]
    requests: list[str] = field(default_factory=list)
    cut: bool = False

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(f"{handler.command} {handler.path}")
        prefix = f"/{REPO}/resolve/{REVISION}/"
        body = self.files.get(handler.path.removeprefix(prefix))
        if not handler.path.startswith(prefix) or body is None:
            missing = "EntryNotFound" if handler.path.startswith(prefix) else "RepoNotFound"
            handler.send_response(404)
            handler.send_header("X-Error-Code", missing)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(200)
        handler.send_header("X-Repo-Commit", REVISION)
        handler.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(body[: len(body) // 2] if self.cut else body)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    images = np.stack(networks.pictures(2))
    write_bundle(
        folder,
        onnx=tiny_onnx(),
        recipe=Recipe(32, "stretch", (128, 128, 128), (64, 64, 64)),
        images=images,
        card={"name": "tiny", "license": "CC0-1.0"},
    )
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def environ(endpoint: str, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return {**kept, "HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "cache")}


@dataclass
class Client:
    """Opens a reference in a process with its own cache."""

    environ: dict[str, str]

    def open(self, reference: str, **environ: str) -> str:
        return finished(started(reference, {**self.environ, **environ}))


def started(reference: str, environ: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, reference],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    answer, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, complaints
    return answer.strip()


@pytest.fixture
def hub(bundle: dict[str, bytes]) -> Iterator[tuple[Hub, str]]:
    shelf = Hub(dict(bundle))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shelf.answer(self)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield shelf, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(hub: tuple[Hub, str], tmp_path: Path) -> Client:
    return Client(environ(hub[1], tmp_path))


@pytest.fixture(scope="module", autouse=True)
def without_a_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """Begun early: huggingface_hub tries again for half a minute before it gives up."""
    process = started(REFERENCE, environ("http://127.0.0.1:9", tmp_path_factory.mktemp("none")))
    yield process
    process.kill()
    process.communicate()


def test_fetched_once_and_kept(hub: tuple[Hub, str], client: Client, tmp_path: Path) -> None:
    shelf = hub[0]
    fingerprint = open_encoder(write_tiny(tmp_path)).identity.fingerprint
    assert client.open(REFERENCE) == fingerprint
    asked = [request for request in shelf.requests if "/resolve/" in request]
    assert {request.rsplit("/", 1)[1] for request in asked} == set(shelf.files)
    assert all(REVISION in request for request in asked)
    shelf.requests.clear()
    assert client.open(REFERENCE, HF_HUB_OFFLINE="1") == fingerprint
    assert client.open(REFERENCE) == fingerprint
    assert not [request for request in shelf.requests if "/resolve/" in request]


def test_offline_says_what_to_do(client: Client) -> None:
    answer = client.open(REFERENCE, HF_HUB_OFFLINE="1")
    assert answer.startswith("ModelUnavailable: card.json of shop/tiny isn't on this machine")
    assert f"hf download {REPO} card.json recipe.json golden.npz model.onnx" in answer
    assert f"--revision {REVISION}" in answer


def test_a_repository_or_file_that_is_not_there(hub: tuple[Hub, str], client: Client) -> None:
    answer = client.open(f"hf://shop/other@{REVISION}")
    assert answer.startswith("ModelUnavailable: card.json of shop/other")
    assert "check the name" in answer
    del hub[0].files["golden.npz"]
    answer = client.open(REFERENCE)
    assert answer.startswith("ModelUnavailable: golden.npz of shop/tiny")


def test_a_connection_that_breaks(hub: tuple[Hub, str], client: Client) -> None:
    hub[0].cut = True
    assert client.open(REFERENCE).startswith("ModelUnavailable: card.json of shop/tiny")
    hub[0].cut = False
    assert len(client.open(REFERENCE)) == 16


def test_files_that_are_not_those_of_the_card(hub: tuple[Hub, str], client: Client) -> None:
    hub[0].files["model.onnx"] = tiny_onnx(seed=1)
    answer = client.open(REFERENCE)
    assert answer.startswith("BundleError:")
    assert "model.onnx was changed or damaged" in answer


def test_a_card_without_hashes(hub: tuple[Hub, str], client: Client) -> None:
    card = json.loads(hub[0].files["card.json"])
    del card["sha256"]
    hub[0].files["card.json"] = json.dumps(card).encode()
    assert 'needs "sha256"' in client.open(REFERENCE)


def test_a_digest_pins_the_card(hub: tuple[Hub, str], client: Client) -> None:
    digest = hashlib.sha256(hub[0].files["card.json"]).hexdigest()
    assert len(client.open(f"{REFERENCE}#sha256={digest}")) == 16
    answer = client.open(f"{REFERENCE}#sha256={'0' * 64}")
    assert answer.startswith("BundleError: card.json of shop/tiny has the sha256")


def test_without_the_extra(client: Client, tmp_path: Path) -> None:
    (tmp_path / "huggingface_hub.py").write_text("raise ImportError('blocked')\n")
    answer = client.open(REFERENCE, PYTHONPATH=str(tmp_path))
    assert answer == (
        "MissingDependency: Models from the Hub need huggingface_hub: pip install 'kinlens[hub]'"
    )


def test_references() -> None:
    assert HubReference.parse(REFERENCE) == HubReference(REPO, REVISION)
    pinned = HubReference.parse(f"{REFERENCE}#sha256={'a' * 64}")
    assert pinned.digest == "a" * 64


@pytest.mark.parametrize(
    "text",
    [
        "hf://shop/tiny",
        "hf://shop/tiny@main",
        "hf://shop/tiny@0123",
        f"hf://tiny@{REVISION}",
        f"hf://shop/tiny/model.onnx@{REVISION}",
        f"{REFERENCE}#sha256=abc",
        f"{REFERENCE}#md5=abc",
    ],
)
def test_references_that_pin_nothing(text: str) -> None:
    with pytest.raises(InvalidInput, match="40 hex digits"):
        open_encoder(text)


def test_no_hub_there(without_a_hub: subprocess.Popen[str]) -> None:
    answer = finished(without_a_hub)
    assert answer.startswith("ModelUnavailable: card.json of shop/tiny isn't on this machine")
