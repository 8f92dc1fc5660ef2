"""Pictures in formats that browsers don't show: seen in the detail view, as queries, and kept."""

from __future__ import annotations

from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from images.samples import encoded
from kinlens.types import NewItem
from web_page import expect_answer, expect_pictures, titles, transfer, upload
from web_shop import Pages, Shop, Shops, draw

SIZE = (300, 200)
TYPES = {"heif": "image/heic", "tiff": "image/tiff", "cmyk": "image/jpeg"}
HEIC = "application/octet-stream"


def picture(kind: str) -> bytes:
    with Image.open(BytesIO(draw("disc", "Green", SIZE, "PNG"))) as image:
        if kind == "cmyk":
            return encoded(image.convert("CMYK"), "jpeg")
        return encoded(image, kind)


@pytest.fixture(scope="module")
def formats(open_shop: Shops) -> Shop:
    """One item for each format, and one that is large."""
    with Image.open(BytesIO(draw("disc", "Green", (3000, 2400), "PNG"))) as large:
        scan = encoded(large, "tiff")
    items = [NewItem(f"as {kind}", image=picture(kind)) for kind in [*TYPES, "png"]]
    return open_shop([*items, NewItem("scan", image=scan)])


@pytest.mark.parametrize("kind", TYPES)
def test_the_detail_view_shows_it(open_page: Pages, formats: Shop, kind: str) -> None:
    page = open_page(f"?item=as {kind}", url=formats.url)
    large = page.locator("#detail .large img")
    expect(large).to_have_js_property("naturalWidth", SIZE[0])
    expect(large).to_have_js_property("naturalHeight", SIZE[1])
    original = page.get_by_role("link", name="Open original").get_attribute("href")
    assert original
    answer = httpx.get(f"{formats.url}{original}", timeout=60)
    assert answer.content == picture(kind)
    assert answer.headers["content-type"] == TYPES[kind]


def test_renditions_are_jpegs_in_the_right_colors_and_no_larger_than_a_screen(
    formats: Shop,
) -> None:
    urls = {
        item["id"]: f"{formats.url}{item['image_url']}&rendition=browser"
        for item in httpx.get(f"{formats.url}/v1/items", timeout=60).json()["items"]
    }
    for name, url in urls.items():
        answer = httpx.get(url, timeout=60)
        assert answer.status_code == 200, answer.text
        if name == "as png":
            assert answer.content == picture("png"), "what browsers show comes as it is"
            continue
        assert answer.headers["content-type"] == "image/jpeg"
        with Image.open(BytesIO(answer.content)) as shown:
            assert shown.mode == "RGB"
            assert max(shown.size) <= 2048
            assert shown.size[0] >= min(SIZE[0], 1536)
            middle = np.asarray(shown)[shown.size[1] // 2, shown.size[0] // 2]
        assert middle == pytest.approx([40, 130, 70], abs=30)
    tag = httpx.get(urls["scan"], timeout=60).headers["etag"]
    again = httpx.get(urls["scan"], headers={"If-None-Match": tag}, timeout=60)
    assert again.status_code == 304
    assert httpx.get(urls["scan"].replace("browser", "huge"), timeout=60).status_code == 422


def test_a_preview_is_a_jpeg_or_says_why_not(formats: Shop) -> None:
    def ask(content: bytes, part: str = "image") -> httpx.Response:
        form = {part: ("picture", content)}
        return httpx.post(f"{formats.url}/v1/preview", files=form, timeout=60)

    answer = ask(picture("heif"))
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(BytesIO(answer.content)) as shown:
        assert shown.size == SIZE
    for content, status in ((b"dear diary", 422), (picture("tiff")[:300], 422)):
        refused = ask(content)
        assert refused.status_code == status, refused.text
        assert refused.headers["content-type"] == "application/problem+json"
    assert ask(b"x", "other").status_code == 422
    assert httpx.post(f"{formats.url}/v1/preview", json={}, timeout=60).status_code == 415


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("IMG_1.HEIC", "application/octet-stream"),
        ("IMG_1.heic", ""),
        ("IMG_1.heic", "image/heic"),
        ("without an ending", "application/octet-stream"),
        ("download.bin", "application/x-download"),
    ],
)
def test_a_heic_by_any_label_is_searched_with_and_shown(
    open_page: Pages, formats: Shop, name: str, kind: str
) -> None:
    page = open_page(url=formats.url)
    expect_pictures(page, 5)
    page.evaluate(
        "transfer => window.dispatchEvent(new DragEvent('drop', "
        "{ dataTransfer: transfer, bubbles: true, cancelable: true, clientX: 5, clientY: 5 }))",
        transfer(page, picture("heif"), name, kind),
    )
    expect_preview(page)


def test_a_heic_is_chosen_and_pasted(open_page: Pages, formats: Shop) -> None:
    page = open_page(url=formats.url)
    expect_pictures(page, 5)
    upload(page, picture("heif"), "IMG_2.heic", HEIC)
    expect_preview(page)
    page.goto("/")
    expect_pictures(page, 5)
    page.evaluate(
        "transfer => document.dispatchEvent(new ClipboardEvent('paste', "
        "{ clipboardData: transfer, bubbles: true, cancelable: true }))",
        transfer(page, picture("tiff"), "scan", HEIC),
    )
    expect_preview(page)
    page.evaluate("import('/assets/uploads.js').then(uploads => uploads.uploadsKept())")
    page.reload()
    expect_preview(page)


def expect_preview(page: Page) -> None:
    expect(page.locator("#stage img.shown")).to_have_js_property("naturalWidth", SIZE[0])
    expect(page.locator("#stage .crop")).to_be_visible()
    expect_answer(page, 5, 5)
    assert titles(page)[0].startswith(("as ", "scan"))
