"""The live page, from what a camera shows to what a person sees."""

from __future__ import annotations

import re
import time
from functools import partial

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from kinlens.http.serve import Server
from kinlens.keys import KeyStore
from kinlens.live.types import DeviceStatus
from web_page import address, expect_answer, expect_match, repeated, tiles, titles, until
from web_shop import Pages, Shop, Show, draw, live_of


def test_look_alikes_follow_the_camera(open_page: Pages, live_shop: Shop, show: Show) -> None:
    page = open_page("live", url=live_shop.url)
    expect(page.get_by_text("No camera is watching")).to_be_visible()
    for shape, color in (("disc", "Red"), ("cross", "Green"), ("triangle", "Navy Blue")):
        with repeated(partial(show, shape, color)):
            expect_match(page, f"{color} {shape}")
            expect(page.locator("#age")).to_have_text("Live")
        time.sleep(1.1)  # what is seen for less isn't kept in the strip
    expect(page.locator("#history li")).to_have_count(3)
    expect(page.locator(".tab")).to_have_text(re.compile("shelf"))
    assert address(page) == {"device": ["shelf"]}
    picture = page.locator("#picture").get_attribute("src")
    assert picture is not None
    assert picture.startswith("data:image/jpeg;base64,")


def test_a_pause_holds_what_is_shown(open_page: Pages, live_shop: Shop, show: Show) -> None:
    show("disc", "Red")
    page = open_page("live", url=live_shop.url)
    expect_match(page, "Red disc")
    page.keyboard.press("Space")
    expect(page.locator("#age")).to_have_text(re.compile("^Paused"))
    show("cross", "Green")
    page.wait_for_timeout(1000)
    expect_match(page, "Red disc")
    page.get_by_role("button", name="Go on").click()
    with repeated(lambda: show("bar", "Yellow")):
        expect_match(page, "Yellow bar")


def test_what_was_seen_before_can_be_looked_at(
    open_page: Pages, live_shop: Shop, show: Show
) -> None:
    page = open_page("live", url=live_shop.url)
    show("disc", "Red")
    expect_match(page, "Red disc")
    time.sleep(1.1)
    show("cross", "Green")
    expect_match(page, "Green cross")
    page.locator("#history li").last.locator("button").click()
    expect_match(page, "Red disc")
    expect(page.locator("#age")).to_have_text(re.compile("^Paused"))


def test_one_of_several_cameras(open_page: Pages, live_shop: Shop, show: Show) -> None:
    show("disc", "Red", device="door")
    show("cross", "Green", device="till")
    page = open_page("live?device=door", url=live_shop.url)
    expect_match(page, "Red disc")
    page.get_by_role("button", name="till").click()
    expect_match(page, "Green cross")
    assert address(page) == {"device": ["till"]}
    page.reload()
    expect_match(page, "Green cross")
    expect(page.locator('.tab[aria-pressed="true"]')).to_have_text(re.compile("till"))


def test_a_frozen_picture_is_searched(open_page: Pages, live_shop: Shop, show: Show) -> None:
    show("disc", "Red")
    page = open_page("live", url=live_shop.url)
    expect_match(page, "Red disc")
    page.get_by_role("button", name="Search this").click()
    page.wait_for_url("**/?like=upload:*")
    expect_answer(page, 24, 60)
    assert titles(page)[0] == "Red disc"
    page.go_back()
    expect_match(page, "Red disc")


def test_a_match_leads_to_its_item(open_page: Pages, live_shop: Shop, show: Show) -> None:
    show("disc", "Red")
    page = open_page("live", url=live_shop.url)
    expect_match(page, "Red disc")
    tiles(page).first.locator("a").click()
    page.wait_for_url("**/?item=*")
    expect(page.locator("#detail h2")).to_have_text("Red disc")


def test_what_is_wrong_with_a_camera_is_told(open_page: Pages, live_shop: Shop, show: Show) -> None:
    show("disc", "Red")
    page = open_page("live", url=live_shop.url)
    expect_match(page, "Red disc")
    advice = "Its vectors are of another encoder; start it with --encoder kinlens-mini."
    status = DeviceStatus("shelf", "error", time.time(), message=advice)
    live_of(live_shop).store.set_status(status)
    expect(page.locator("#notice")).to_have_text(advice)
    expect(page.locator("#age")).to_have_text(re.compile("^Trouble"))
    live_of(live_shop).store.set_status(DeviceStatus("shelf", "online", time.time()))
    expect(page.locator("#notice")).to_be_hidden()


def test_the_server_goes_and_comes_back(open_page: Pages, live_shop: Shop, show: Show) -> None:
    show("disc", "Red")
    page = open_page("live", url=live_shop.url)
    expect_match(page, "Red disc")
    live = live_of(live_shop)
    live_shop.server.__exit__()
    expect(page.locator("#notice")).to_contain_text("The server may have stopped")
    settings = live_shop.server.app.state.kinlens.settings
    again = type(settings)(**{**vars_of(settings), "port": live_shop.server.port})
    with (
        KeyStore(live_shop.search.data) as keys,
        Server(live_shop.search, again, keys=keys, live=live),
    ):
        with repeated(lambda: show("cross", "Green")):
            expect(page.locator("#grid .title").first).to_have_text("Green cross")
        expect(page.locator("#notice")).to_be_hidden()


def vars_of(settings: object) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.__slots__}  # type: ignore[attr-defined]


def test_where_streams_are_kept_back_it_asks(open_page: Pages, live_shop: Shop, show: Show) -> None:
    page = open_page("?k=12", url=live_shop.url)
    page.route("**/events", lambda route: route.abort())
    show("disc", "Red")
    page.goto("/live")
    expect_match(page, "Red disc")
    show("cross", "Green")
    expect_match(page, "Green cross")


def test_a_key_is_asked_for(open_page: Pages, live_shop: Shop) -> None:
    keys = live_shop.server.app.state.kinlens.keys
    token = keys.create("both", ["read", "write"])
    page = open_page("live", url=live_shop.url)
    expect(page.get_by_role("dialog")).to_contain_text("This catalog needs a key")
    page.get_by_label("API key").fill(token)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("No camera is watching")).to_be_visible()
    answer = httpx.post(
        f"{live_shop.url}/v1/live/shelf/frames",
        content=draw("disc", "Red"),
        headers={"Content-Type": "image/jpeg", "Authorization": f"Bearer {token}"},
        timeout=60,
    )
    assert answer.status_code == 202
    expect_match(page, "Red disc")


@pytest.mark.parametrize("size", ["desktop", "tablet", "phone"])
def test_it_fits_every_screen(open_page: Pages, live_shop: Shop, show: Show, size: str) -> None:
    show("disc", "Red")
    page = open_page("live", url=live_shop.url, size=size)
    expect_match(page, "Red disc")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    best, second = (tiles(page).nth(at).bounding_box() for at in (0, 1))
    assert best is not None
    assert second is not None
    assert best["width"] > 1.8 * second["width"]


@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_the_browsers_own_camera(
    camera_browser: Browser, live_shop: Shop, size: tuple[int, int]
) -> None:
    width, height = size
    context = camera_browser.new_context(
        base_url=live_shop.url, viewport={"width": width, "height": height}
    )
    page = context.new_page()
    page.goto("/live")
    page.get_by_role("button", name="Use this camera").last.click()
    page.get_by_role("button", name="Show it").click()
    expect(page.locator("#grid .tile")).not_to_have_count(0)
    expect(page.locator("#age")).to_have_text("Live")
    expect(page.locator("#video")).to_be_visible()
    assert "cross" in titles(page)[0], titles(page)
    [camera] = live_of(live_shop).devices()
    assert camera.device.startswith("browser-")
    page.get_by_role("button", name="Stop this camera").click()
    expect(page.locator("#video")).to_be_hidden()
    until(page, lambda: sends_nothing(page, live_shop))
    page.get_by_role("button", name="Use this camera").last.click()
    page.get_by_role("button", name="Show it").click()
    expect(page.locator("#age")).to_have_text("Live")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    expect(page.get_by_role("button", name="Use this camera")).to_be_visible()
    context.close()


def sends_nothing(page: Page, shop: Shop) -> bool:
    """Within two and a half seconds, in which a camera sends at least once."""
    before = live_of(shop).counters.snapshot()["received"]
    page.wait_for_timeout(2500)
    return bool(live_of(shop).counters.snapshot()["received"] == before)


def test_the_screen_as_a_camera(camera_browser: Browser, live_shop: Shop) -> None:
    context = camera_browser.new_context(base_url=live_shop.url)
    page = context.new_page()
    page.goto("/live")
    page.get_by_role("button", name="Use the screen").click()
    expect(page.get_by_role("dialog")).to_contain_text("Show your screen to everybody here?")
    page.get_by_role("button", name="Show it").click()
    expect(page.locator("#grid .tile")).not_to_have_count(0)
    expect(page.locator("#video")).to_be_visible()
    assert live_of(live_shop).counters.snapshot()["received"] > 0
    page.get_by_role("button", name="Stop this camera").click()
    expect(page.locator("#video")).to_be_hidden()
    context.close()


def test_without_a_camera_the_page_says_what_to_do(open_page: Pages, live_shop: Shop) -> None:
    page = open_page("live", url=live_shop.url)  # this browser's camera needs a permission
    page.evaluate(
        """() => {
          const refuse = () => Promise.reject(new DOMException('', 'NotAllowedError'));
          navigator.mediaDevices.getUserMedia = refuse;
        }"""
    )
    page.locator("#own").click()
    page.get_by_role("button", name="Show it").click()
    expect(page.get_by_text("The camera is blocked")).to_be_visible()
    page.wait_for_timeout(2500)  # it looks for cameras meanwhile
    expect(page.get_by_text("The camera is blocked")).to_be_visible()
    expect(page.get_by_role("button", name="Use this camera")).to_be_visible()
