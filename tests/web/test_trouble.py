"""What goes wrong, said plainly, with a way on."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from kinlens.keys import KeyStore
from web_page import expect_answer, expect_pictures, tile, tiles, upload
from web_shop import Pages, Shop, Shops, draw

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
    wrong = page.get_by_role("dialog", name="That key doesn’t work")  # noqa: RUF001
    expect(wrong).to_be_visible()
    expect(wrong).to_contain_text("incomplete, made for another catalog, or revoked")
    expect(wrong).not_to_contain_text("Ask whoever")
    expect(page.get_by_label("API key")).to_have_value("")
    expect(page.get_by_label("API key")).to_be_focused()
    page.get_by_label("API key").fill(token)
    page.keyboard.press("Enter")
    expect_pictures(page, TOTAL)
    expect(tile(page, "Red disc").locator("img")).to_have_js_property("naturalWidth", 160)
    page.reload()
    expect_pictures(page, TOTAL)
    assert page.evaluate("Object.values(localStorage)") == []


def enter_key(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")


@pytest.fixture(scope="module")
def guarded(open_shop: Shops) -> tuple[Shop, str]:
    """A shop that asks for a key, and one that reads."""
    shop = open_shop()
    with KeyStore(shop.search.data) as keys:
        return shop, keys.create("reader", ["read"])


@pytest.mark.parametrize("typed", ["kl_ключ", "kl_ wrong key", "kl_“x”", "k" * 390])
def test_a_key_of_any_characters_is_told_as_wrong(
    open_page: Pages, guarded: tuple[Shop, str], typed: str
) -> None:
    shop, token = guarded
    page = open_page("?item=shop/disc 0", url=shop.url)
    enter_key(page, typed)
    expect(page.get_by_role("dialog", name="That key doesn’t work")).to_be_visible()  # noqa: RUF001
    enter_key(page, f"  Bearer {token} ")
    expect_pictures(page, TOTAL)
    expect(page.locator("#detail h2")).to_have_text("Red disc")


def test_a_key_that_is_revoked_or_for_a_camera_is_told(
    open_page: Pages, guarded: tuple[Shop, str]
) -> None:
    shop, _ = guarded
    with KeyStore(shop.search.data) as keys:
        token, camera = keys.create("short", ["read"]), keys.create("camera", device="shelf")
        page = open_page(url=shop.url)
        enter_key(page, camera)
        dialog = page.get_by_role("dialog", name="That key may not do this")
        expect(dialog).to_contain_text("needs a key with the scope 'read'; the key 'camera' has")
        enter_key(page, token)
        expect_pictures(page, TOTAL)
        keys.revoke("short")
        tiles(page).first.locator("a").press("m")
        expect(page.get_by_role("dialog", name="That key doesn’t work")).to_be_visible()  # noqa: RUF001


def test_the_live_page_tells_a_wrong_key_too(open_page: Pages, guarded: tuple[Shop, str]) -> None:
    shop, token = guarded
    page = open_page("live", url=shop.url)
    enter_key(page, "kl_wrong")
    expect(page.get_by_role("dialog", name="That key doesn’t work")).to_be_visible()  # noqa: RUF001
    enter_key(page, token)
    expect(page.get_by_role("heading", name="No camera is watching")).to_be_visible()


def test_the_server_tells_a_wrong_key_from_none(guarded: tuple[Shop, str]) -> None:
    shop, token = guarded
    details = {}
    for key in ("", "kl_wrong", token):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer = httpx.get(f"{shop.url}/v1/items", headers=headers, timeout=60)
        details[key] = (answer.status_code, answer.json().get("detail", ""))
    assert details[""][0] == details["kl_wrong"][0] == 401
    assert details[""][1].startswith("This needs an API key")
    assert details["kl_wrong"][1].startswith("This API key doesn't work here")
    assert details[token][0] == 200


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
