"""A browser's own camera: who is told that it is seen, and when it counts as off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from kinlens.live.types import DeviceStatus
from web_page import until
from web_shop import Pages, Shop, live_of

HIDE = """(state) => {
  Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


@pytest.fixture
def page(camera_browser: Browser, live_shop: Shop) -> Iterator[Page]:
    """The live page before a camera, not started yet."""
    context = camera_browser.new_context(base_url=live_shop.url)
    opened = context.new_page()
    opened.goto("/live")
    yield opened
    context.close()


@pytest.fixture
def watcher(live_shop: Shop, open_page: Pages) -> Page:
    """Somebody else who looks at the live page."""
    return open_page("live", url=live_shop.url)


def start(page: Page) -> None:
    page.get_by_role("button", name="Use this camera").last.click()
    page.get_by_role("button", name="Show it").click()
    expect(page.locator("#age")).to_have_text("Live")


def camera(shop: Shop) -> DeviceStatus | None:
    return next(iter(live_of(shop).devices()), None)


def is_off(shop: Shop, why: str) -> bool:
    status = camera(shop)
    return status is not None and (status.state, status.message) == ("offline", why)


def is_on(shop: Shop) -> bool:
    status = camera(shop)
    return status is not None and status.state == "online"


def test_its_owner_is_told_who_sees_it_before_the_browser_asks(page: Page, live_shop: Shop) -> None:
    page.evaluate(
        """() => {
          window.asked = 0;
          const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
          navigator.mediaDevices.getUserMedia = (wanted) => (window.asked++, ask(wanted));
        }"""
    )
    page.get_by_role("button", name="Use this camera").last.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Everybody who can open this page sees what you show")
    expect(dialog).to_contain_text("as browser-")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Use this camera").last.click()
    page.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert page.evaluate("window.asked") == 0
    assert camera(live_shop) is None
    start(page)
    assert page.evaluate("window.asked") == 1


def test_it_is_off_when_its_tab_is_closed(page: Page, live_shop: Shop, watcher: Page) -> None:
    start(page)
    expect(watcher.locator("#age")).to_have_text("Live")
    page.close()
    until(watcher, lambda: is_off(live_shop, "It has stopped."))
    expect(watcher.locator("#age")).to_contain_text("Off")
    expect(watcher.locator('.dot[data-state="offline"]')).to_be_visible()


def test_it_is_off_when_its_page_goes_elsewhere(page: Page, live_shop: Shop, watcher: Page) -> None:
    start(page)
    page.goto("/")
    until(watcher, lambda: is_off(live_shop, "It has stopped."))


def test_it_is_off_when_it_is_stopped(page: Page, live_shop: Shop) -> None:
    start(page)
    page.get_by_role("button", name="Stop this camera").click()
    until(page, lambda: is_off(live_shop, "It has stopped."))
    start(page)
    assert is_on(live_shop)


def test_it_is_off_while_its_page_is_hidden(page: Page, live_shop: Shop) -> None:
    start(page)
    page.evaluate(HIDE, "hidden")
    until(page, lambda: is_off(live_shop, "It has stopped."))
    page.wait_for_timeout(1500)
    before = live_of(live_shop).counters.snapshot()["received"]
    page.wait_for_timeout(1500)
    assert live_of(live_shop).counters.snapshot()["received"] == before, "it sends nothing"
    page.evaluate(HIDE, "visible")
    until(page, lambda: is_on(live_shop))


def test_it_is_off_when_its_network_is_gone(page: Page, live_shop: Shop, watcher: Page) -> None:
    start(page)
    page.context.set_offline(True)
    until(watcher, lambda: is_off(live_shop, "No frame has come for 3 s."))
    expect(watcher.locator("#age")).to_contain_text("Off")
    page.context.set_offline(False)
    until(watcher, lambda: is_on(live_shop))


def test_a_screen_goes_on_while_its_page_is_hidden(page: Page, live_shop: Shop) -> None:
    page.get_by_role("button", name="Use the screen").click()
    page.get_by_role("button", name="Show it").click()
    expect(page.locator("#age")).to_have_text("Live")
    page.evaluate(HIDE, "hidden")
    before = live_of(live_shop).counters.snapshot()["received"]
    until(page, lambda: live_of(live_shop).counters.snapshot()["received"] > before + 2)
    assert is_on(live_shop)


def test_an_answer_that_was_held_up_is_older_by_that(blank: Page) -> None:
    ages = blank.evaluate(
        """async () => {
          const { since, elapsed } = await import('/assets/live/time.js');
          const now = performance.now() / 1000;
          const age = (server, clock) => elapsed(since({ age: 1, server, clock }));
          return {
            first: age('a', now),
            held: age('a', now - 20),
            quicker: age('a', now + 100),
            after: age('a', now + 70),
            other: age('b', now - 5000),
          };
        }"""
    )
    rounded = {name: round(age / 10) * 10 for name, age in ages.items()}
    assert rounded == {"first": 0, "held": 20, "quicker": 0, "after": 30, "other": 0}
