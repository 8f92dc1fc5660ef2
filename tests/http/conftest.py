"""Fixtures of the HTTP door's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from http_door import COUNT, Door, Doors, new_items, open_tiny
from kinlens import wiring
from kinlens.config import Settings
from kinlens.http.serve import Server
from kinlens.keys import KeyStore
from kinlens.search import Search


@pytest.fixture(scope="session")
def pictures(make_picture: Callable[..., bytes]) -> list[bytes]:
    """The catalog's pictures, by number."""
    return [make_picture(96, 72, seed=number) for number in range(COUNT)]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Search]:
    """An empty catalog, for one test."""
    with open_tiny(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def stocked(empty: Search, pictures: list[bytes]) -> Search:
    """A catalog of twelve items, for one test, which may change it."""
    empty.add(new_items(pictures))
    return empty


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory, pictures: list[bytes]) -> Iterator[Search]:
    """A catalog of twelve items, shared by the tests of a file, which leave it as it was."""
    with open_tiny(tmp_path_factory.mktemp("catalog") / "data") as opened:
        opened.add(new_items(pictures))
        yield opened


def _doors() -> Iterator[Doors]:
    with ExitStack() as stack:

        def serve(search: Search, *, guarded: bool = False, **settings: Any) -> Door:
            keys = stack.enter_context(closing(KeyStore(search.data)))
            tokens = {}
            if guarded:
                tokens = {
                    "read": keys.create("reader", ["read"]),
                    "write": keys.create("writer", ["read", "write"]),
                    "camera": keys.create("camera", device="shelf-1"),
                }
            # A server that was held up would find what cameras show stale.
            usual = {"data": search.data, "port": 0, "rate_limit": 0, "live_max_age": 600.0}
            chosen = Settings(**{**usual, **settings})
            live = stack.enter_context(wiring.open_live(search, chosen))
            server = stack.enter_context(Server(search, chosen, keys=keys, live=live))
            client = stack.enter_context(httpx.Client(base_url=server.url, timeout=60))
            return Door(client, server, live, **tokens)

        yield serve


doors = pytest.fixture(_doors, name="doors")
"""Serve a search for one test: ``doors(search, guarded=False, **settings)``."""

file_doors = pytest.fixture(_doors, name="file_doors", scope="module")
"""Serve a search for the tests of a file."""


@pytest.fixture(scope="module")
def client(file_doors: Doors, search: Search) -> httpx.Client:
    """A client of an open server over the shared catalog."""
    return file_doors(search).client
