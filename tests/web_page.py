"""What a person sees and does on the page, as functions, so that tests read like it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, Request, expect


def tiles(page: Page) -> Locator:
    """The pictures of the grid."""
    return page.locator("#grid .tile:not(.skeleton)")


def titles(page: Page) -> list[str]:
    """Their titles, in order."""
    return page.locator("#grid .title").all_text_contents()


def tile(page: Page, title: str) -> Locator:
    """The first tile of this title."""
    return tiles(page).filter(has=page.locator(".title", has_text=re.compile(f"^{title}$"))).first


def expect_pictures(page: Page, count: int) -> None:
    """The catalog is shown, with this many pictures in all."""
    expect(page.locator("#status")).to_have_text(re.compile(rf"^{count:,} pictures?$"))


def expect_answer(page: Page, count: int, total: int) -> None:
    """A search was answered with so many of so many."""
    expect(page.locator("#status strong")).to_have_text(f"{count} of {total}")
    expect(page.locator("#results")).to_have_attribute("data-state", "answered")
    expect(tiles(page)).to_have_count(count)


def upload(page: Page, content: bytes, name: str = "query.png", kind: str = "image/png") -> None:
    """Choose a file."""
    page.set_input_files("#files", {"name": name, "mimeType": kind, "buffer": content})


def address(page: Page) -> dict[str, list[str]]:
    """What the address bar says."""
    return parse_qs(urlsplit(page.url).query)


def facet(page: Page, field: str, value: str) -> Locator:
    """A value to tick."""
    row = page.locator(f'.group[data-field="{field}"] label')
    return row.filter(has=page.locator(".name", has_text=re.compile(f"^{re.escape(value)}$")))


def counts(page: Page, field: str) -> dict[str, int]:
    """The counts shown beside the values of a field."""
    rows = page.locator(f'.group[data-field="{field}"] label')
    names = rows.locator(".name").all_text_contents()
    numbers = rows.locator(".count").all_text_contents()
    return {name: int(number.replace(",", "")) for name, number in zip(names, numbers, strict=True)}


def until(page: Page, holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait; the page's policy forbids Playwright's own way, which evaluates a text."""
    for _ in range(int(seconds * 20)):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError("what was waited for did not come")


@contextmanager
def searches(page: Page) -> Iterator[list[Request]]:
    """The searches that are sent meanwhile."""
    sent: list[Request] = []

    def note(request: Request) -> None:
        if urlsplit(request.url).path == "/v1/search":
            sent.append(request)

    page.on("request", note)
    yield sent
    page.remove_listener("request", note)


def transfer(page: Page, content: bytes, name: str = "dropped.png", kind: str = "image/png") -> Any:
    """A DataTransfer that holds a file, as a drop or a paste brings it."""
    return page.evaluate_handle(
        """([bytes, name, kind]) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(bytes)], name, { type: kind }));
          return transfer;
        }""",
        [list(content), name, kind],
    )


def expect_match(page: Page, title: str) -> None:
    """This is what looks most like what the camera sees."""
    expect(page.locator("#grid .title").first).to_have_text(title)
    expect(page.locator("#live-view")).to_have_attribute("data-state", "live")


@contextmanager
def repeated(act: Callable[[], None]) -> Iterator[None]:
    """As a camera does, several times a second."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(0.15):
            act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
