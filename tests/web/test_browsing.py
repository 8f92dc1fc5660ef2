"""The catalog without a question: browsing, an empty one, one item in detail."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from kinlens.types import NewItem
from web_page import address, expect_answer, expect_pictures, tile, tiles, titles
from web_shop import HOSTILE, Pages, Shop, Shops, draw, products

TOTAL = 60


def test_the_catalog_is_there_to_browse(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    expect(tiles(page)).to_have_count(TOTAL)
    expect(page.get_by_text("Drop a picture")).to_be_visible()
    red = tile(page, "Red disc")
    expect(red.locator(".details")).to_have_text("5.50 · Red")
    expect(red.locator("img")).to_have_attribute("loading", "lazy")
    expect(red.locator("img")).to_have_js_property("naturalWidth", 160)


def test_scrolling_brings_the_rest(open_page: Pages, open_shop: Shops) -> None:
    picture = draw("disc", "Red", (32, 32))
    items = [NewItem(f"{number:03d}", image=picture) for number in range(140)]
    page = open_page(url=open_shop(items).url)
    expect_pictures(page, 140)
    expect(tiles(page)).to_have_count(60)
    for count in (120, 140):
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        expect(tiles(page)).to_have_count(count)
    assert titles(page) == [item.id for item in items]
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()


def test_a_busy_browser_that_tells_of_scrolling_late_brings_the_rest_too(
    open_page: Pages, open_shop: Shops
) -> None:
    picture = draw("disc", "Red", (32, 32))
    items = [NewItem(f"{number:03d}", image=picture) for number in range(140)]
    page = open_page(url=open_shop(items).url)
    page.add_init_script(
        """const Prompt = window.IntersectionObserver;
        window.IntersectionObserver = class extends Prompt {
          constructor(tell, options) {
            const changes = [];
            super(more => changes.push(...more), options);
            window.tell = () => tell(changes.splice(0));
          }
        };"""
    )
    page.reload()
    for count in (60, 120):
        expect(tiles(page)).to_have_count(count)
        page.evaluate(
            """async () => {
              const frame = () => new Promise(resolve => requestAnimationFrame(resolve));
              await frame();
              scrollTo(0, document.body.scrollHeight);
              await frame();
              await frame();
              tell();
            }"""
        )
    expect(tiles(page)).to_have_count(140)
    assert titles(page) == [item.id for item in items]


def test_an_empty_catalog_says_the_command_and_sees_the_first_item(
    open_page: Pages, open_shop: Shops
) -> None:
    empty = open_shop([])
    page = open_page(url=empty.url)
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    expect(page.locator(".command")).to_have_text("kinlens index FOLDER --data DATA")
    expect(page.locator("#message")).to_contain_text(
        "DATA is the folder that kinlens serve was started with"
    )
    expect(page.locator("#message")).not_to_contain_text(str(empty.search.data))
    said = page.locator("#live").text_content()
    page.wait_for_timeout(3500)
    expect(page.locator("#live")).to_have_text(said or "")
    expect(page.locator(".skeleton")).to_have_count(0)
    empty.search.add(products()[:3])
    expect_pictures(page, 3)
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_hidden()


def test_detail_shows_all_that_is_known(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 1")
    expect_answer(page, 24, TOTAL)
    tile(page, "Red disc").locator("a").click()
    detail = page.get_by_role("dialog", name="Red disc")
    expect(detail).to_be_visible()
    assert address(page)["item"] == ["shop/disc 0"]
    expect(detail.locator(".large img")).to_have_js_property("naturalWidth", 160)
    shown = dict(
        zip(
            detail.locator("dt").all_text_contents(),
            detail.locator("dd").all_text_contents(),
            strict=True,
        )
    )
    assert shown["Color"] == "Red"
    assert shown["Price"] == "5.50"
    assert shown["In stock"] == "No"
    assert shown["Tags"] == "new, disc"
    assert shown["Year"] == "2019"
    assert shown["Size"] == "160 × 160 pixels"  # noqa: RUF001
    assert shown["Id"] == "shop/disc 0"
    expect(detail.get_by_text(re.compile("Similarity"))).to_be_visible()
    expect(detail.locator(".kin a")).to_have_count(6)
    original = detail.get_by_role("link", name="Open original").get_attribute("href")
    assert original
    assert page.request.get(original).ok


def test_detail_steps_through_the_results_and_closes_back(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 1")
    expect_answer(page, 24, TOTAL)
    first, second = titles(page)[:2]
    tiles(page).first.locator("a").click()
    expect(page.locator("#detail h2")).to_have_text(first)
    expect(page.get_by_role("button", name="Previous")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#detail h2")).to_have_text(second)
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    expect(tiles(page).nth(1).locator("a")).to_be_focused()
    assert "item" not in address(page)


def test_detail_by_address_searches_on(open_page: Pages) -> None:
    page = open_page("?item=shop/ring 2")
    expect(page.get_by_role("dialog", name="Green ring")).to_be_visible()
    detail = page.locator("#detail")
    detail.get_by_role("button", name="More like this").click()
    expect(page.locator("#detail")).to_be_hidden()
    expect_answer(page, 24, TOTAL)
    assert address(page) == {"like": ["id:shop/ring 2"]}
    page.go_back()
    expect(page.get_by_role("dialog", name="Green ring")).to_be_visible()


def test_an_item_that_is_not_there(open_page: Pages) -> None:
    page = open_page("?item=nowhere")
    expect(page.locator("#detail")).to_contain_text("There is no item “nowhere”")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#detail")).to_be_hidden()


def test_the_id_can_be_copied(open_page: Pages) -> None:
    page = open_page("?item=shop/ring 2", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy id").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "shop/ring 2"


def test_metadata_is_text_and_never_markup(open_page: Pages) -> None:
    page = open_page("?item=shop/square 1")
    expect(page.locator("#detail h2")).to_have_text(HOSTILE)
    assert HOSTILE in titles(page)
    assert page.title() == "Kinlens"


def test_what_is_under_a_picture_can_be_chosen(open_page: Pages) -> None:
    page = open_page()
    page.get_by_role("button", name="View").click()
    page.get_by_role("checkbox", name="Price").uncheck()
    page.get_by_role("checkbox", name="Tags").check()
    expect(tile(page, "Red disc").locator(".details")).to_have_text("Red · new, disc")
    page.get_by_label("Large").check()
    page.reload()
    expect(tile(page, "Red disc").locator(".details")).to_have_text("Red · new, disc")
    expect(page.locator("#results")).to_have_attribute("data-size", "large")


def test_an_expired_picture_address_is_renewed(open_page: Pages, shop: Shop) -> None:
    page = open_page("?k=12&like=id:shop/disc 1")
    expect_answer(page, 12, TOTAL)
    image = tiles(page).first.locator("img")
    fresh = image.get_attribute("src")
    image.evaluate("image => { image.src = image.src.replace(/expires=\\d+/, 'expires=1'); }")
    expect(image).not_to_have_attribute("src", re.compile("expires=1&"))
    expect(image).to_have_js_property("naturalWidth", 160)
    assert (image.get_attribute("src") or "").split("?")[0] == (fresh or "").split("?")[0]
