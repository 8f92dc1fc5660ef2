"""Fields, values and ids of any name: filters, links, reload, and the way back."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from kinlens.types import NewItem
from web_page import expect_answer, expect_pictures, facet, tiles, titles, until
from web_shop import COLORS, Pages, Shop, Shops, draw

FIELDS = ["$set", "$or", "$field", "a.b", 'say "x"', "__proto__", "constructor", "ü & = + ? #"]
VALUES = ["tea", 'say "hi"', "", "null", "true", "x" * 600, "$in", "a&b=c#d"]
IDS = [
    "a/../b",
    "a/./b",
    "../up",
    "x/similar",
    "a//b",
    "/first",
    "last/",
    "q?x=1#y&z=%41+b ü 😀",
    "'\"\\",
    "w2;id:x",
    "http://host/x.jpg",
    "two\nlines",
    "...",
]


@pytest.fixture(scope="module")
def odd(open_shop: Shops) -> Shop:
    """Sixteen items whose fields and values have unusual names, and one for each unusual id."""
    items = []
    for n in range(16):
        metadata: dict[str, Any] = {field: VALUES[(n + at) % 8] for at, field in enumerate(FIELDS)}
        items.append(NewItem(f"{n:02d}", image=draw("disc", "Red", (48, 48)), metadata=metadata))
    for n, item_id in enumerate(IDS):
        picture = draw("bar", list(COLORS)[n % 6], (64 + n, 48))
        items.append(NewItem(item_id, image=picture))
    return open_shop(items)


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_any_name_filters(open_page: Pages, odd: Shop, field: str) -> None:
    page = open_page(url=odd.url)
    expect_pictures(page, 16 + len(IDS))
    group = page.locator(".group").nth(
        page.locator(".group").evaluate_all(
            "(groups, name) => groups.findIndex(group => group.dataset.field === name)", field
        )
    )
    group.evaluate("group => { group.open = true; }")
    group.locator(".more").click()
    group.locator("label", has_text="tea").click()
    expect_pictures(page, 2)
    expect(page.locator("#chips .chip")).to_have_text(["tea"])
    group.locator("label", has_text="(empty)").click()
    expect_pictures(page, 4)
    expect(page.locator("#chips .chip").nth(1)).to_contain_text(": (empty)")
    page.reload()
    expect_pictures(page, 4)
    page.locator("#chips .chip").first.click()
    expect_pictures(page, 2)
    page.go_back()
    expect_pictures(page, 4)


def test_chips_say_what_they_filter(open_page: Pages, odd: Shop) -> None:
    page = open_page(f"?f.a.b=null&f.a.b=true&f.a.b={'x' * 600}&f.a.b=tea", url=odd.url)
    expect_pictures(page, 8)
    chips = page.locator("#chips .chip")
    expect(chips).to_have_text(["A.b: null", "A.b: true", "x" * 600, "tea"])
    area = chips.nth(2).bounding_box()
    assert area is not None
    assert area["x"] + area["width"] <= 1440
    assert area["height"] == 32
    expect(chips.nth(2)).to_have_attribute("title", "x" * 600)


@pytest.mark.parametrize("item_id", IDS)
def test_an_item_of_any_id_opens_again(open_page: Pages, odd: Shop, item_id: str) -> None:
    page = open_page(url=odd.url)
    expect_pictures(page, 16 + len(IDS))
    at = [item.id for item in odd.search.items()].index(item_id)
    tiles(page).nth(at).locator("a").click()
    shown = page.locator("#detail .id")
    expect(shown).to_have_text(item_id, use_inner_text=False)
    page.reload()
    expect(shown).to_have_text(item_id)
    expect(page.locator("#detail .large img")).to_have_js_property(
        "naturalWidth", 64 + IDS.index(item_id)
    )
    expect(page.locator("#detail .kin li").first).to_be_visible()
    page.locator("#detail").get_by_role("button", name="More like this").click()
    expect_answer(page, 24, 16 + len(IDS))
    found = titles(page)
    page.reload()
    expect_answer(page, 24, 16 + len(IDS))
    assert titles(page) == found
    page.go_back()
    expect(shown).to_have_text(item_id)
    page.go_forward()
    expect_answer(page, 24, 16 + len(IDS))


def test_values_of_a_field_called_like_an_operator_are_counted(open_page: Pages, odd: Shop) -> None:
    page = open_page("?f.%24set=tea", url=odd.url)
    expect_pictures(page, 2)
    expect(facet(page, "$set", "tea").locator("input")).to_be_checked()
    until(page, lambda: facet(page, "$set", "null").locator(".count").text_content() == "2")


def named(open_shop: Shops, rows: list[tuple[str, dict[str, Any]]]) -> Shop:
    pictures = [draw("disc", "Red", (48, 48)), draw("bar", "Green", (48, 48))]
    return open_shop(
        [NewItem(item_id, image=pictures[n % 2], metadata=m) for n, (item_id, m) in enumerate(rows)]
    )


def test_one_title_hides_no_other_name(open_page: Pages, open_shop: Shops) -> None:
    rows: list[tuple[str, dict[str, Any]]] = [
        (f"{n}", {"name": f"Thing {n}"} | ({"title": "Only this one"} if n == 3 else {}))
        for n in range(8)
    ]
    page = open_page(url=named(open_shop, [*rows, ("9", {"title": "Untitled"}), ("a/b", {})]).url)
    expect_pictures(page, 10)
    assert titles(page) == [*(f"Thing {n}" for n in range(8)), "Untitled", "b"]


def test_names_that_several_have_come_with_ids(open_page: Pages, open_shop: Shops) -> None:
    rows: list[tuple[str, dict[str, Any]]] = [
        ("one/7.jpg", {}),
        ("shop/1", {"title": "Shoe"}),
        ("shop/2", {"title": "Shoe"}),
        ("shop/3", {"title": "Hat"}),
        ("two/7.jpg", {}),
        ("two/8.jpg", {}),
    ]
    page = open_page(url=named(open_shop, rows).url)
    expect_pictures(page, 6)
    assert titles(page) == ["one/7.jpg", "Shoe", "Shoe", "Hat", "two/7.jpg", "8.jpg"]
    details = page.locator("#grid .details").all_text_contents()
    assert details == ["", "1", "2", "", "", ""]
