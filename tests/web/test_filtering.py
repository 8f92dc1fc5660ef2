"""Facets that answer at once: counts, chips, ranges, and the way out of nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from web_page import (
    address,
    counts,
    expect_answer,
    expect_pictures,
    facet,
    searches,
    tiles,
    titles,
    until,
)
from web_shop import Pages

TOTAL = 60


def test_values_are_counted_and_filter(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    colors = ("Black", "Green", "Navy Blue", "Pink", "Red", "Yellow")
    until(page, lambda: counts(page, "color") == dict.fromkeys(colors, 10))
    facet(page, "color", "Navy Blue").click()
    expect_pictures(page, 10)
    assert address(page) == {"f.color": ["Navy Blue"]}
    expect(page.locator("#chips .chip")).to_have_text(["Navy Blue"])


def test_a_fields_own_counts_ignore_its_filter(open_page: Pages) -> None:
    page = open_page()
    facet(page, "color", "Red").click()
    expect_pictures(page, 10)
    expect(facet(page, "category", "disc").locator(".count")).to_have_text("1")
    assert counts(page, "color")["Yellow"] == 10
    facet(page, "color", "Yellow").click()
    expect_pictures(page, 20)
    expect(facet(page, "category", "disc").locator(".count")).to_have_text("2")
    facet(page, "category", "disc").click()
    expect_pictures(page, 2)
    expect(facet(page, "color", "Pink").locator(".count")).to_have_text("1")
    page.get_by_role("button", name="Remove filter Red").click()
    expect_pictures(page, 1)
    page.get_by_role("button", name="Clear filters").click()
    expect_pictures(page, TOTAL)
    expect(page.locator("#chips")).to_be_hidden()


def test_filters_apply_to_a_search(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 0")
    expect_answer(page, 24, TOTAL)
    facet(page, "color", "Green").click()
    expect_answer(page, 10, 10)
    assert all(title.startswith(("Green", "<img")) for title in titles(page))


def test_dragging_a_crop_asks_for_no_counts(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 0")
    expect_answer(page, 24, TOTAL)
    expect(facet(page, "color", "Red").locator(".count")).to_have_text("10")
    page.wait_for_load_state("networkidle")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator(".crop").focus()
    with searches(page) as sent:
        for _ in range(4):
            page.keyboard.press("Shift+ArrowUp")
        until(page, lambda: len(sent) > 0)
        page.wait_for_timeout(600)
    assert not [url for url in asked if "facets" in url or "fields" in url]


def test_booleans_lists_and_long_lists(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    expect(facet(page, "category", "arch")).to_be_visible()
    assert len(counts(page, "category")) == 6
    page.locator('.group[data-field="category"] .more').click()
    assert len(counts(page, "category")) == 10
    open_group(page, "inStock")
    until(page, lambda: counts(page, "inStock") == {"Yes": 40, "No": 20})
    facet(page, "inStock", "No").click()
    expect_pictures(page, 20)
    assert address(page) == {"f.inStock": ["!false"]}
    expect(page.locator("#chips .chip")).to_have_text(["In stock: No"])
    page.get_by_role("button", name="Clear filters").click()
    open_group(page, "tags")
    facet(page, "tags", "new").click()
    expect_pictures(page, 15)


def open_group(page: Page, field: str) -> None:
    group = page.locator(f'.group[data-field="{field}"]')
    if not group.get_attribute("open"):
        group.evaluate("group => { group.open = true; }")


def test_a_number_range(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    low = page.get_by_role("textbox", name="Price from")
    high = page.get_by_role("textbox", name="Price to")
    expect(low).to_have_value("5.50")
    expect(high).to_have_value("123.50")
    high.fill("20")
    high.press("Enter")
    expect_pictures(page, 8)
    assert address(page) == {"r.price": ["..20"]}
    slider = page.get_by_role("slider", name="Price from")
    slider.focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.wait_for_url("**r.price=*..20*")
    expect(page.locator("#chips .chip")).to_have_count(1)
    page.get_by_role("button", name="Clear filters").click()
    expect_pictures(page, TOTAL)
    expect(high).to_have_value("123.50")
    expect(slider).to_have_value("5.5")


def test_nothing_passes_and_the_way_out(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 0&f.color=Red&f.category=disc&r.price=100..")
    expect(page.get_by_role("heading", name="Nothing passes these filters")).to_be_visible()
    expect(tiles(page)).to_have_count(0)
    expect(facet(page, "color", "Red").locator("input")).to_be_checked()
    page.locator("#message").get_by_role("button", name="Clear filters").click()
    expect_answer(page, 24, TOTAL)


@pytest.mark.parametrize("query", ["?", "?like=id:shop/disc 0&"])
def test_an_old_link_by_a_field_that_is_no_more(open_page: Pages, query: str) -> None:
    page = open_page(f"{query}f.colour=Red")
    expect(page.locator("#message")).to_contain_text("No item has the field colour")
    expect(page.locator("#message")).to_contain_text("The fields are category, color")
    page.locator("#message").get_by_role("button", name="Clear filters").click()
    expect(tiles(page).first).to_be_visible()


def test_a_phone_has_the_filters_in_a_sheet(open_page: Pages) -> None:
    page = open_page(size="phone")
    expect_pictures(page, TOTAL)
    expect(facet(page, "color", "Red")).to_be_hidden()
    page.get_by_role("button", name="Filters").click()
    facet(page, "color", "Red").click()
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#filters-sheet")).to_be_hidden()
    expect_pictures(page, 10)
    expect(page.get_by_role("button", name="Filters · 1")).to_be_visible()
