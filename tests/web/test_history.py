"""The address bar holds the query: back, forward, reload and sharing."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from web_page import (
    address,
    expect_answer,
    expect_pictures,
    facet,
    searches,
    tile,
    tiles,
    titles,
    until,
    upload,
)
from web_shop import Pages, draw

TOTAL = 60


def test_back_and_forward(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    tile(page, "Pink bar").locator("a").press("m")
    expect_answer(page, 24, TOTAL)
    found = titles(page)
    facet(page, "color", "Red").click()
    expect_answer(page, 10, 10)
    page.go_back()
    expect_answer(page, 24, TOTAL)
    assert titles(page) == found
    expect(facet(page, "color", "Red").locator("input")).not_to_be_checked()
    page.go_back()
    expect_pictures(page, TOTAL)
    expect(page.get_by_text("Drop a picture")).to_be_visible()
    page.go_forward()
    expect_answer(page, 24, TOTAL)
    assert titles(page) == found


def test_back_returns_to_where_one_was(open_page: Pages) -> None:
    page = open_page(viewport={"width": 800, "height": 500})
    expect_pictures(page, TOTAL)
    page.evaluate("scrollTo(0, 900)")
    until(page, lambda: abs(page.evaluate("scrollY") - 900) < 40)
    page.evaluate("document.querySelectorAll('#grid .similar')[20].click()")
    expect_answer(page, 24, TOTAL)
    assert page.evaluate("scrollY") == 0
    page.go_back()
    expect_pictures(page, TOTAL)
    until(page, lambda: abs(page.evaluate("scrollY") - 900) < 40)


def test_a_shared_address_shows_the_same(open_page: Pages) -> None:
    shared = "?like=c0.1,0.1,0.6,0.6;id:shop/cross 0&unlike=w0.5;id:shop/bar 1&f.color=Red&k=12"
    first, second = open_page(shared), open_page(shared, size="phone")
    for page in (first, second):
        expect_answer(page, 9, 10)
    assert titles(first) == titles(second)
    expect(first.locator(".example")).to_have_count(2)
    expect(first.locator("#stage")).to_have_class("stage cropped on-white")


def test_an_upload_survives_a_reload_in_its_browser_only(open_page: Pages) -> None:
    page = open_page()
    upload(page, draw("flag", "Pink", (300, 300), "PNG"))
    expect_answer(page, 24, TOTAL)
    found = titles(page)
    page.evaluate("import('/assets/uploads.js').then(uploads => uploads.uploadsKept())")
    page.reload()
    expect_answer(page, 24, TOTAL)
    assert titles(page) == found
    expect(page.locator("#stage img")).to_have_js_property("naturalWidth", 300)

    elsewhere = open_page(page.url.partition("/?")[2].join(("?", "")))
    expect(elsewhere.get_by_role("heading", name="That picture isn’t here")).to_be_visible()  # noqa: RUF001
    elsewhere.get_by_role("button", name="Back to the catalog").click()
    expect_pictures(elsewhere, TOTAL)


def test_a_drag_is_one_step_of_history(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    tile(page, "Red disc").locator("a").press("m")
    expect_answer(page, 24, TOTAL)
    page.locator(".crop").focus()
    for _ in range(12):
        page.keyboard.press("Shift+ArrowLeft")
    page.wait_for_url("**like=c0,0,0.76,1;*")
    page.go_back()
    expect_pictures(page, TOTAL)
    page.go_forward()
    expect_answer(page, 24, TOTAL)
    assert address(page)["like"][0].startswith("c0,0,0.76,1;")


def test_the_brand_leads_home(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 0&f.color=Red")
    expect_answer(page, 9, 10)
    page.get_by_role("link", name="Kinlens", exact=True).click()
    expect_pictures(page, TOTAL)
    assert address(page) == {}


def test_an_address_edited_by_hand_still_works(open_page: Pages) -> None:
    with_nonsense = (
        "?like=w0;id:shop/disc 0&k=-3&metric=x&r.price=a..b&f.color=!{&unlike=id:shop/disc 0"
    )
    page = open_page(with_nonsense)
    expect_pictures(page, TOTAL)
    expect(tiles(page)).to_have_count(TOTAL)


def test_a_like_without_a_kind_is_an_item_or_a_link(open_page: Pages) -> None:
    page = open_page("?like=shop/disc 0&unlike=shop/bar 1")
    expect_answer(page, 24, TOTAL)
    expect(page.locator(".example")).to_have_count(2)
    page.goto("/?like=nosuchitem")
    expect(page.locator("#message h2")).to_have_text("That item is no longer here")
    expect(page.locator("#stage")).to_contain_text("nosuchitem")
    expect(tiles(page)).to_have_count(0)
    page.goto("/?like=http://127.0.0.1:1/x.jpg")
    expect(page.locator("#message h2")).to_contain_text("connect there")


def with_something_to_like(state: dict[str, Any]) -> dict[str, Any]:
    if all(example["weight"] < 0 for example in state["examples"]):
        return state | {"examples": []}
    return state


# Playwright loses a key called __proto__ on its way to the browser.
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name != "__proto__"
)
FINITE = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
CROPS = st.sampled_from([None, {"x": 0.1, "y": 0.25, "width": 0.5, "height": 0.75}])
EXAMPLES = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["id", "url", "upload"]),
        "ref": NAMES,
        "weight": st.sampled_from([1, 0.3, 2, -1, -0.5]),
        "crop": CROPS,
    }
)
STATES = st.fixed_dictionaries(
    {
        "examples": st.lists(EXAMPLES, max_size=5),
        "values": st.dictionaries(NAMES, st.lists(NAMES | FINITE | st.booleans(), min_size=1)),
        "ranges": st.dictionaries(NAMES, st.fixed_dictionaries({"min": FINITE, "max": FINITE})),
        "k": st.integers(1, 500),
        "metric": st.sampled_from(["cosine", "euclidean"]),
        "item": st.none() | NAMES,
    }
).map(with_something_to_like)


@given(states=st.lists(STATES, min_size=10, max_size=10))
@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_state_is_read_as_it_was_written(blank: Page, states: list[dict[str, Any]]) -> None:
    again = blank.evaluate(
        """async states => {
          const { fromAddress, toAddress } = await import('/assets/state.js');
          return states.map(state => fromAddress(toAddress(state)));
        }""",
        states,
    )
    for state, read in zip(states, again, strict=True):
        assert likes_first(read) == likes_first(state), json.dumps(state)


def test_a_field_may_have_any_name(blank: Page) -> None:
    read = blank.evaluate(
        """async () => {
          const { fromAddress, toAddress } = await import('/assets/state.js');
          const state = fromAddress('?f.__proto__=red&f.__proto__=blue&r.__proto__=1..2');
          const again = fromAddress(toAddress(state));
          return [Object.entries(again.values), Object.entries(again.ranges)];
        }"""
    )
    assert read == [[["__proto__", ["red", "blue"]]], [["__proto__", {"min": 1, "max": 2}]]]


def likes_first(state: dict[str, Any]) -> dict[str, Any]:
    """An address keeps the order of the examples within itself."""
    return state | {"examples": sorted(state["examples"], key=partial(json.dumps, sort_keys=True))}


def test_a_live_change_is_searched_while_it_goes_on(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 0")
    expect_answer(page, 24, TOTAL)
    box = page.locator("#stage").bounding_box()
    assert box
    begin = time.monotonic()
    with searches(page) as sent:
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        page.mouse.down()
        for step in range(12):
            page.mouse.move(box["x"] + 60 + step * 12, box["y"] + 60 + step * 12)
            page.wait_for_timeout(60)
        until(page, lambda: len(sent) > 0)
        while_dragged = len(sent)
        page.mouse.up()
    assert while_dragged <= 2 + (time.monotonic() - begin) / 0.15
