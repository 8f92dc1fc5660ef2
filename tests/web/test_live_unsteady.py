"""The live page while much of it changes: what is pressed, focused and told stays."""

from __future__ import annotations

import time

from playwright.sync_api import Page, Route, expect

from kinlens.live.types import DeviceStatus, View
from kinlens.types import Hit
from web_page import expect_match, repeated, tiles, until
from web_shop import HOSTILE, Pages, Shop, Show, draw, live_of


def press(page: Page, at: tuple[float, float]) -> None:
    """As slowly as a person does."""
    page.mouse.move(*at)
    page.mouse.down()
    page.wait_for_timeout(500)
    page.mouse.up()


def set_visible(page: Page, visible: str) -> None:
    """As if the page's tab were left or chosen."""
    page.evaluate(
        """state => {
          Object.defineProperty(document, 'visibilityState', { configurable: true, value: state });
          document.dispatchEvent(new Event('visibilitychange'));
        }""",
        visible,
    )


def test_a_press_lands_while_views_come(open_page: Pages, live_shop: Shop, show: Show) -> None:
    show("disc", "Red")
    page = open_page("live", url=live_shop.url)
    expect_match(page, "Red disc")
    with repeated(lambda: show("disc", "Red")):
        box = tiles(page).nth(1).bounding_box()
        assert box is not None
        press(page, (box["x"] + box["width"] / 2, box["y"] + box["height"] / 3))
        page.wait_for_url("**/?item=*")


def test_what_is_pressed_doesnt_move_away(open_page: Pages, live_shop: Shop, show: Show) -> None:
    show("disc", "Red")
    page = open_page("live", url=live_shop.url)
    expect_match(page, "Red disc")
    box = tiles(page).first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    show("cross", "Green")
    page.wait_for_timeout(1000)
    expect_match(page, "Red disc")
    page.mouse.move(box["x"] + 40, 2)
    page.mouse.up()
    expect_match(page, "Green cross")


def test_focus_stays_while_statuses_and_views_come(
    open_page: Pages, live_shop: Shop, show: Show
) -> None:
    show("disc", "Red")
    page = open_page("live", url=live_shop.url)
    expect_match(page, "Red disc")
    for name in (".tab", "#grid .tile:nth-child(2) a"):
        page.locator(name).focus()
        page.evaluate("() => { window.held = document.activeElement; window.left = 0; }")
        page.evaluate("() => held.addEventListener('blur', () => window.left++)")
        for number in range(6):
            show("disc", "Red")
            status = DeviceStatus("shelf", "online", time.time(), number)
            live_of(live_shop).store.set_status(status)
            page.wait_for_timeout(100)
        page.wait_for_timeout(2500)  # the list is asked for every two seconds
        assert page.evaluate("document.activeElement === held && left === 0"), name


def test_a_blocked_camera_is_told_for_longer_than_a_moment(
    open_page: Pages, live_shop: Shop, show: Show
) -> None:
    show("disc", "Red")
    page = open_page("live", url=live_shop.url)
    expect_match(page, "Red disc")
    page.evaluate(
        """() => {
          const refuse = () => Promise.reject(new DOMException('', 'NotAllowedError'));
          navigator.mediaDevices.getUserMedia = refuse;
        }"""
    )
    page.locator("#own").click()
    page.get_by_role("button", name="Show it").click()
    expect(page.locator("#notice")).to_contain_text("The camera is blocked")
    page.wait_for_timeout(1500)
    expect(page.locator("#notice")).to_be_visible()


def test_one_cameras_picture_isnt_shown_as_anothers(
    open_page: Pages, live_shop: Shop, show: Show
) -> None:
    show("disc", "Red", device="door")
    live_of(live_shop).store.set_status(DeviceStatus("till", "error", time.time(), message="Dark"))
    page = open_page("live?device=door", url=live_shop.url)
    expect_match(page, "Red disc")
    page.get_by_role("button", name="till").click()
    expect(page.locator("#notice")).to_have_text("Dark")
    assert page.locator("#picture").get_attribute("src") is None
    expect(tiles(page)).to_have_count(0)


def test_a_page_that_nobody_sees_asks_for_nothing(
    open_page: Pages, live_shop: Shop, show: Show
) -> None:
    show("disc", "Red")
    page = open_page("live", url=live_shop.url)
    expect_match(page, "Red disc")
    streams = live_shop.server.app.state.kinlens.streams
    until(page, lambda: len(streams) == 1)
    set_visible(page, "hidden")
    until(page, lambda: len(streams) == 0)
    show("cross", "Green")
    set_visible(page, "visible")
    expect_match(page, "Green cross")
    show("bar", "Yellow")
    expect_match(page, "Yellow bar")


def test_where_streams_never_begin_it_soon_asks(
    open_page: Pages, live_shop: Shop, show: Show
) -> None:
    page = open_page("?k=12", url=live_shop.url)

    def keep(route: Route) -> None:
        """A proxy that waits for the answer's end."""

    page.route("**/events", keep)
    show("disc", "Red")
    page.goto("/live")
    expect_match(page, "Red disc")


def test_a_camera_that_starts_anew_counts_anew(open_page: Pages, live_shop: Shop) -> None:
    store = live_of(live_shop).store
    pictures = [draw("disc", "Red"), draw("cross", "Green")]
    for session, picture in enumerate(pictures, 1):
        now = time.time() - 10 + 2 * session
        hits = (Hit(f"gone {session}", 0.5, 0.5, {}, 10, 10),)
        view = View("shelf", 1, now, now, now, hits, session, 1, pictured=True, picture=picture)
        store.put(view)
    store.set_status(DeviceStatus("shelf", "online", time.time()))
    page = open_page("live", url=live_shop.url)
    images = page.locator("#history img")
    expect(images).to_have_count(2)
    newest, oldest = (images.nth(at).get_attribute("src") for at in (0, 1))
    assert newest != oldest


def test_hostile_words_of_a_camera_are_only_words(
    open_page: Pages, live_shop: Shop, show: Show
) -> None:
    show("disc", "Red")
    status = DeviceStatus("shelf", "error", time.time(), None, HOSTILE, f"{HOSTILE}</li><script>")
    live_of(live_shop).store.set_status(status)
    page = open_page("live", url=live_shop.url)
    expect(page.locator("#notice")).to_have_text(f"{HOSTILE}</li><script>")
    expect(page).to_have_title("Live · Kinlens")
