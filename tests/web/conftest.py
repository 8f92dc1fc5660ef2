"""A real browser before a real server over a small drawn shop."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from kinlens import wiring
from kinlens.config import Settings
from kinlens.http.serve import Server
from kinlens.keys import KeyStore
from kinlens.types import NewItem
from tiny_encoder import write_tiny
from web_shop import Pages, Shop, Shops, Show, draw, products

FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
)
PATIENCE = 60_000
"""Milliseconds that a busy machine may take; what never comes costs them once."""

expect.set_options(timeout=PATIENCE)

SIZES = {"desktop": (1440, 900), "tablet": (1024, 768), "phone": (390, 844)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the page's tests in one worker: a browser is heavy."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("web"))


@pytest.fixture(scope="module")
def open_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shops]:
    """Serve a new shop: ``open_shop(items=None, token=False, **settings)``."""
    with ExitStack() as stack:

        def serve(items: list[NewItem] | None = None, **settings: Any) -> Shop:
            folder = tmp_path_factory.mktemp("shop")
            chosen = Settings(
                **{"data": folder / "data", "port": 0, "rate_limit": 0, "threads": 2, **settings}
            )
            search = wiring.open_search(encoder=write_tiny(folder), settings=chosen)
            stack.callback(search.close)
            search.add(products() if items is None else items)
            keys = stack.enter_context(KeyStore(search.data))
            live = stack.enter_context(wiring.open_live(search, chosen))
            return Shop(search, stack.enter_context(Server(search, chosen, keys=keys, live=live)))

        yield serve


@pytest.fixture(scope="module")
def shop(open_shop: Shops) -> Shop:
    """The shop that the tests of a file share and leave as it is."""
    return open_shop()


@pytest.fixture
def live_shop(open_shop: Shops) -> Shop:
    """A shop of one test, since it remembers its cameras."""
    return open_shop()


@pytest.fixture
def show(live_shop: Shop) -> Show:
    """Be a camera: ``show("disc", "Red", device="shelf")``."""

    def send(shape: str, color: str, device: str = "shelf") -> None:
        answer = httpx.post(
            f"{live_shop.url}/v1/live/{device}/frames",
            content=draw(shape, color),
            headers={"Content-Type": "image/jpeg"},
            timeout=60,
        )
        assert answer.status_code == 202, answer.text

    return send


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is missing; on Debian: apt-get install chromium")
        pytest.skip("chromium is missing; on Debian: apt-get install chromium")
    flags = [*FLAGS, "--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [*FLAGS]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=flags)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def camera_browser(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium with a camera before which a green cross is held."""
    film = tmp_path_factory.mktemp("camera") / "film.mjpeg"
    film.write_bytes(b"".join(draw("cross", "Green", size=(320, 240)) for _ in range(10)))
    opened = browser.browser_type.launch(
        executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
        args=[
            "--no-sandbox",
            "--disable-background-networking",
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-video-capture={film}",
        ],
    )
    yield opened
    opened.close()


@pytest.fixture
def open_page(browser: Browser, shop: Shop) -> Iterator[Pages]:
    """Open the page: ``open_page(address="", url=None, size="desktop", **context)``.

    After the test, no script has failed and no policy was broken, whatever else happened.
    """
    complaints: list[str] = []
    contexts = []

    def note(message: ConsoleMessage) -> None:
        if "Security Policy" in message.text:
            complaints.append(message.text)

    def go(
        address: str = "", url: str | None = None, size: str = "desktop", **context: Any
    ) -> Page:
        width, height = SIZES[size]
        touch = {"has_touch": True, "is_mobile": True} if size == "phone" else {}
        options = {"viewport": {"width": width, "height": height}, **touch, **context}
        opened = browser.new_context(base_url=url or shop.url, **options)
        contexts.append(opened)
        page = opened.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", note)
        page.goto(f"/{address}")
        return page

    yield go
    for opened in contexts:
        opened.close()
    assert complaints == []


@pytest.fixture
def blank(open_page: Pages) -> Page:
    """A page to call the modules of, one at a time."""
    return open_page("?k=12")
