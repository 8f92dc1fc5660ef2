"""What goes wrong, said plainly, with a way on."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from kinlens.keys import KeyStore
from web_page import expect_answer, expect_pictures, tile, tiles, upload
from web_shop import Pages, Shops, draw

TOTAL = 60


def said(page: Page, title: str) -> None:
    expect(page.locator("#message h2")).to_have_text(title)
    expect(page.locator("#live")).to_contain_text(title)


def test_a_file_that_is_no_picture(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    upload(page, b"dear diary", "notes.txt", "text/plain")
    expect(page.locator("#notice")).to_contain_text("“notes.txt” isn’t a picture")  # noqa: RUF001
    expect_pictures(page, TOTAL)
    upload(page, b"dear diary", "notes.png", "image/png")
    said(page, "That isn’t a picture Kinlens reads")  # noqa: RUF001
    expect(page.locator("#stage")).to_contain_text("No preview")
    page.get_by_role("button", name="Back to the catalog").click()
    expect_pictures(page, TOTAL)


def test_a_broken_picture(open_page: Pages) -> None:
    page = open_page()
    upload(page, draw("disc", "Red", format="PNG")[:300])
    said(page, "That picture can’t be read")  # noqa: RUF001


def test_a_picture_over_the_limit(open_page: Pages, open_shop: Shops) -> None:
    page = open_page(url=open_shop(max_pixels=40_000).url)
    upload(page, draw("disc", "Red", (300, 300), "PNG"))
    said(page, "That picture is too large")


@pytest.mark.parametrize(
    ("link", "title"),
    [
        ("http://127.0.0.1:1/x.jpg", "Kinlens doesn’t connect there"),  # noqa: RUF001
        ("http://169.254.169.254/latest", "Kinlens doesn’t connect there"),  # noqa: RUF001
    ],
)
def test_a_link_to_a_private_address(open_page: Pages, link: str, title: str) -> None:
    page = open_page()
    page.route(link, lambda route: route.abort())
    page.fill("#link", link)
    page.press("#link", "Enter")
    said(page, title)
    expect(page.get_by_role("button", name="Choose another picture")).to_be_visible()


def test_a_refused_link_takes_the_place_of_the_picture_before(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 0")
    expect_answer(page, 24, TOTAL)
    refused = "http://10.1.2.3/disc.jpg"
    seen = draw("ring", "Green")  # by this browser; the server doesn't connect there
    page.route(refused, lambda route: route.fulfill(body=seen, content_type="image/jpeg"))
    page.fill("#link", refused)
    page.press("#link", "Enter")
    said(page, "Kinlens doesn’t connect there")  # noqa: RUF001
    expect(page.locator("#stage")).to_contain_text("Kinlens got no picture from this link.")
    expect(page.locator("#stage")).to_contain_text("10.1.2.3")
    expect(page.locator("#stage img")).to_have_count(0)
    expect(page.locator("#stage .crop")).to_be_hidden()
    page.go_back()
    expect_answer(page, 24, TOTAL)
    expect(page.locator("#stage img")).to_have_attribute("alt", "Red disc")


def test_a_link_without_a_picture(open_page: Pages, open_shop: Shops) -> None:
    page = open_page(url=open_shop(fetch_allowed_hosts=("127.0.0.1",)).url)
    page.fill("#link", "http://127.0.0.1:1/x.jpg")
    page.press("#link", "Enter")
    said(page, "That link gave no picture")


def test_an_item_that_was_deleted(open_page: Pages) -> None:
    page = open_page("?like=id:gone")
    said(page, "That item is no longer here")
    expect(page.locator(".group").first).to_be_visible()


def test_a_guarded_catalog_asks_for_a_key(open_page: Pages, open_shop: Shops) -> None:
    guarded = open_shop()
    with KeyStore(guarded.search.data) as keys:
        token = keys.create("reader", ["read"])
    page = open_page(url=guarded.url)
    dialog = page.get_by_role("dialog", name="This catalog needs a key")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("kinlens keys create NAME")
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type("kl_wrong")
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    expect(dialog.locator("#key-text")).not_to_contain_text("Ask whoever")
    page.get_by_label("API key").fill(token)
    page.keyboard.press("Enter")
    expect_pictures(page, TOTAL)
    expect(tile(page, "Red disc").locator("img")).to_have_js_property("naturalWidth", 160)
    page.reload()
    expect_pictures(page, TOTAL)
    assert page.evaluate("Object.values(localStorage)") == []


def test_too_many_requests_wait_and_go_on(open_page: Pages, open_shop: Shops) -> None:
    page = open_page(url=open_shop(rate_limit=5).url)
    expect_pictures(page, TOTAL)
    status = 200
    for _ in range(5):
        if status == 200:
            with page.expect_response("**/v1/search") as answered:
                tiles(page).first.locator("a").press("m")
            status = answered.value.status
            if status == 200:  # the new tiles take the old one's place
                [best, *_] = answered.value.json()["hits"]
                expect(tiles(page).first).to_contain_text(best["metadata"]["name"])
    assert status == 429
    said(page, "One moment")
    expect(page.locator(".countdown")).to_have_text(re.compile(r"Trying again in \d+ s"))
    expect(tiles(page).first).to_be_visible()


def test_a_server_that_is_gone_and_comes_back(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    page.context.set_offline(True)
    tile(page, "Red disc").locator("a").press("m")
    said(page, "Kinlens doesn’t answer")  # noqa: RUF001
    expect(tiles(page)).to_have_count(TOTAL)
    page.context.set_offline(False)
    expect_answer(page, 24, TOTAL)
    expect(page.locator("#message")).to_be_empty()


def test_a_server_that_fails(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    page.route("**/v1/search", lambda route: route.fulfill(status=500, body="<h1>oops</h1>"))
    tile(page, "Red disc").locator("a").press("m")
    said(page, "The server has a problem")
    page.unroute("**/v1/search")
    page.get_by_role("button", name="Try again").click()
    expect_answer(page, 24, TOTAL)
