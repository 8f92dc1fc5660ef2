"""Every way to ask: file, drop, paste, link, camera, item, crop, several examples."""

from __future__ import annotations

import base64
import io
import random
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Error, FilePayload, Page, Route, expect

from web_page import (
    address,
    expect_answer,
    expect_pictures,
    searches,
    tile,
    tiles,
    titles,
    transfer,
    until,
    upload,
)
from web_shop import Pages, Shops, draw, photo

TOTAL = 60


def test_a_file_finds_its_like(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    upload(page, draw("disc", "Red", (400, 400), "PNG"))
    expect_answer(page, 24, TOTAL)
    assert titles(page)[0] == "Red disc"
    expect(page.locator("#status")).to_contain_text("exact")
    expect(page.locator("#live")).to_have_text("24 look-alikes")
    expect(page.locator("#stage img")).to_be_visible()


def test_several_files_are_one_query(open_page: Pages) -> None:
    page = open_page()
    files: list[FilePayload] = [
        {"name": f"{color}.png", "mimeType": "image/png", "buffer": draw("square", color)}
        for color in ("Red", "Yellow")
    ]
    page.set_input_files("#files", files)
    expect_answer(page, 24, TOTAL)
    expect(page.locator(".example .badge.plus")).to_have_count(2)
    assert len(address(page)["like"]) == 2


def test_drop_anywhere(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    files = transfer(page, draw("ring", "Green"))
    page.dispatch_event("body", "dragover", {"dataTransfer": files, "clientX": 700, "clientY": 400})
    expect(page.locator("#drop")).to_be_visible()
    expect(page.get_by_text("Find look-alikes")).to_be_visible()
    expect(page.get_by_text("Less like this", exact=True)).to_be_hidden()
    page.dispatch_event("body", "drop", {"dataTransfer": files, "clientX": 700, "clientY": 400})
    expect(page.locator("#drop")).to_be_hidden()
    expect_answer(page, 24, TOTAL)
    assert titles(page)[0] == "Green ring"


def test_drop_beside_a_query_adds_to_it(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 0")
    expect_answer(page, 24, TOTAL)
    files = transfer(page, draw("disc", "Pink"))
    where = {"dataTransfer": files, "clientX": 1300, "clientY": 400}
    page.dispatch_event("body", "dragover", where)
    expect(page.locator(".zone.over")).to_have_text("Less like this")
    page.dispatch_event("body", "drop", where)
    expect(page.locator(".example")).to_have_count(2)
    assert "upload:" in address(page)["unlike"][0]


def test_paste_a_picture_and_a_link(open_page: Pages, linked: str) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    paste(page, transfer(page, draw("arch", "Black")))
    expect_answer(page, 24, TOTAL)
    assert titles(page)[0] == "Black arch"
    text = page.evaluate_handle(
        "text => { const t = new DataTransfer(); t.setData('text', text); return t; }",
        f"{linked}/disc.jpg",
    )
    paste(page, text)
    until(page, lambda: address(page)["like"] == [f"url:{linked}/disc.jpg"])
    expect(page.locator("#stage .shown")).to_be_visible()


def paste(page: Page, data: Any) -> None:
    page.evaluate(
        """data => document.dispatchEvent(
          new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))""",
        data,
    )


@pytest.fixture(scope="module")
def linked() -> Any:
    """A web site with pictures, on this machine."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/disc.jpg"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "image/jpeg" if found else "text/plain")
            self.end_headers()
            self.wfile.write(draw("disc", "Yellow") if found else b"nothing here")

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Site) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_link_finds_its_like_and_shows_it(
    open_page: Pages, open_shop: Shops, linked: str
) -> None:
    shop = open_shop(fetch_allowed_hosts=("127.0.0.1",))
    page = open_page(url=shop.url)
    page.keyboard.press("/")
    page.keyboard.type(f"{linked}/disc.jpg")
    page.keyboard.press("Enter")
    expect_answer(page, 24, TOTAL)
    assert titles(page)[0] == "Yellow disc"
    expect(page.locator("#stage img")).to_have_js_property("naturalWidth", 160)


def test_a_word_is_no_link(open_page: Pages) -> None:
    page = open_page()
    page.fill("#link", "red shoes")
    page.press("#link", "Enter")
    expect(page.locator("#notice")).to_contain_text("a link to a picture")


def test_a_snapshot(open_page: Pages) -> None:
    page = open_page(permissions=["camera"])
    page.click("#snapshot")
    expect(page.locator("#camera")).to_have_attribute("data-state", "live")
    page.click("#camera-shutter")
    expect(page.locator("#camera")).to_be_hidden()
    expect_answer(page, 24, TOTAL)
    expect(page.locator("#stage img")).to_be_visible()


def test_a_blocked_camera_says_what_to_do(open_page: Pages) -> None:
    page = open_page(permissions=[])
    page.click("#snapshot")
    expect(page.locator("#camera")).to_have_attribute("data-state", "failed")
    expect(page.locator("#camera-message")).to_contain_text("The camera is blocked")
    page.keyboard.press("Escape")
    expect(page.locator("#camera")).to_be_hidden()


def test_more_like_this(open_page: Pages) -> None:
    page = open_page()
    tile(page, "Green cross").hover()
    tile(page, "Green cross").get_by_role("button", name="More like this").click()
    expect_answer(page, 24, TOTAL)
    assert address(page) == {"like": ["id:shop/cross 2"]}
    assert "Green cross" not in titles(page)
    expect(page.locator("#stage img")).to_have_attribute("alt", "Green cross")


def test_like_this_less_like_that(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 0")
    expect_answer(page, 24, TOTAL)
    before = titles(page)
    other = tile(page, before[0])
    other.hover()
    other.get_by_role("button", name="Less like this").click()
    expect(page.locator(".example")).to_have_count(2)
    expect(page.locator(".badge.minus")).to_have_count(1)
    assert len(address(page)["unlike"]) == 1
    expect(tiles(page).first).not_to_contain_text(before[0])
    weight = page.get_by_label("Weight of this example")
    with page.expect_response("**/v1/search"):
        weight.fill("0.3")
    page.wait_for_url("**unlike=w0.3*")
    page.get_by_role("button", name="Like this", exact=True).click()
    expect(page.locator(".badge.minus")).to_have_count(0)
    page.locator(".example").nth(1).hover()
    page.get_by_role("button", name="Remove example 2").click()
    expect(page.locator(".example")).to_have_count(0)
    assert address(page) == {"like": ["id:shop/disc 0"]}


def test_the_last_positive_example_cannot_become_negative(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 0&unlike=id:shop/disc 1")
    expect(page.get_by_role("button", name="Less like", exact=True)).to_be_disabled()


def test_a_crop_is_drawn_moved_resized_and_reset(open_page: Pages) -> None:
    page = open_page()
    upload(page, photo())
    expect_answer(page, 24, TOTAL)
    stage = page.locator("#stage").bounding_box()
    assert stage
    x, y, w, h = stage["x"], stage["y"], stage["width"], stage["height"]
    begin = time.monotonic()
    with searches(page) as sent:
        page.mouse.move(x + w * 0.52, y + h * 0.27)
        page.mouse.down()
        page.mouse.move(x + w * 0.98, y + h * 0.73, steps=12)
        page.mouse.up()
        until(page, lambda: crop_of(page) == pytest.approx([0.52, 0.27, 0.46, 0.46], abs=0.02))
        expect(tiles(page).first).to_contain_text("Green")
    most = max(8, 2 + (time.monotonic() - begin) / 0.15)
    assert 1 <= len(sent) <= most, "a drag asks a few times, not with every move"

    page.mouse.move(x + w * 0.75, y + h * 0.5)
    page.mouse.down()
    page.mouse.move(x + w * 0.25, y + h * 0.5, steps=4)
    page.mouse.up()
    expect(tiles(page).first).to_contain_text("Red")

    page.mouse.move(x + w * 0.02 + 3, y + h * 0.27 + 3)
    page.mouse.down()
    page.mouse.move(x + w * 0.1, y + h * 0.4, steps=4)
    page.mouse.up()
    until(page, lambda: crop_of(page)[1] == pytest.approx(0.4, abs=0.03))

    page.get_by_role("button", name="Whole picture").click()
    expect(page.locator("#stage")).not_to_have_class("cropped")
    page.wait_for_url(lambda url: ";upload" not in url)


def crop_of(page: Page) -> list[float]:
    """Left, top, width and height as the address tells them; the whole where it tells none."""
    crop, _, whole = address(page)["like"][0].partition(";")
    return [float(part) for part in crop.removeprefix("c").split(",")] if whole else [0, 0, 1, 1]


def test_a_crop_by_keyboard(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 0")
    expect_answer(page, 24, TOTAL)
    box = page.locator(".crop")
    box.focus()
    for _ in range(10):
        page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#live")).to_have_text(
        "Crop: 80 % wide, 100 % high, 2 % from left, 0 % from top"
    )
    page.wait_for_url("**like=c0.02,0,0.8,1;id**")
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: "like=id" in url)


def test_a_crop_by_touch(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 0", size="phone")
    expect_answer(page, 24, TOTAL)
    stage = page.locator("#stage").bounding_box()
    assert stage
    session = page.context.new_cdp_session(page)
    points = [(0.2, 0.2), (0.4, 0.4), (0.7, 0.6)]
    for step, (x, y) in enumerate(points):
        kind = "touchMove" if step else "touchStart"
        where = {"x": stage["x"] + x * stage["width"], "y": stage["y"] + y * stage["height"]}
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [where]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    until(page, lambda: crop_of(page) == pytest.approx([0.2, 0.2, 0.5, 0.4], abs=0.02))


def test_the_last_answer_wins(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    held: list[Route] = []
    page.route("**/v1/search", lambda route: held.append(route))  # noqa: PLW0108
    for count, title in enumerate(("Red disc", "Yellow bar"), 1):
        tile(page, title).locator("a").press("m")
        until(page, lambda count=count: len(held) == count)
    held[1].continue_()
    expect_answer(page, 24, TOTAL)
    shown = titles(page)
    with suppress(Error):  # the page has given it up, which is right too
        held[0].continue_()
    page.wait_for_timeout(300)
    assert titles(page) == shown
    assert shown[0].startswith("Yellow")


def test_k_and_metric(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 0")
    expect_answer(page, 24, TOTAL)
    page.select_option("#k", "12")
    expect_answer(page, 12, TOTAL)
    page.get_by_role("button", name="Show more").click()
    expect_answer(page, 24, TOTAL)
    page.get_by_role("button", name="View").click()
    with page.expect_response("**/v1/search") as answered:
        page.get_by_label("Euclidean").check()
    assert answered.value.json()["metric"] == "euclidean"
    assert address(page)["metric"] == ["euclidean"]


def test_a_heavy_photo_is_made_smaller_once_and_stays_upright(open_page: Pages) -> None:
    page = open_page()
    noise = Image.frombytes("RGB", (3000, 2000), random.Random(0).randbytes(3000 * 2000 * 3))
    noise.paste(Image.new("RGB", (1500, 2000), "red"), (0, 0))
    data = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter: the red half is then at the top
    noise.save(data, "JPEG", quality=98, exif=exif)
    assert len(data.getvalue()) > 4_000_000
    upload(page, data.getvalue(), "photo.jpg", "image/jpeg")
    expect_answer(page, 24, TOTAL)
    kept = page.evaluate(
        """async key => {
          const { getUpload } = await import('/assets/uploads.js');
          const reader = new FileReader();
          reader.readAsDataURL(await getUpload(key));
          await new Promise(resolve => { reader.onload = resolve; });
          return reader.result.split(',')[1];
        }""",
        address(page)["like"][0].removeprefix("upload:"),
    )
    with Image.open(io.BytesIO(base64.b64decode(kept))) as sent:
        assert sent.size == (1365, 2048)
        red = sent.convert("RGB").getpixel((680, 200))
    assert isinstance(red, tuple)
    assert red[0] > 200
    assert red[1] < 60
