"""Everything by keyboard, said to screen readers, seen by everyone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from web_page import address, expect_answer, expect_pictures, tiles, titles
from web_shop import Pages

TOTAL = 60

CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = color => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = (top, under) =>
    [0, 1, 2].map(i => (top[i] * top[3] + under[i] * (255 - top[3])) / 255).concat(255);
  const behind = node => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      layers.push(rgba(getComputedStyle(at).backgroundColor));
    }
    return layers.reduceRight((under, top) => over(top, under), [255, 255, 255, 255]);
  };
  const light = color => {
    const [r, g, b] = color.slice(0, 3).map(v => {
      const c = v / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const node = walker.currentNode.parentElement;
    const seen = node.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    if (!text || !seen) continue;
    if (node.closest('.sr-only, :disabled, .skip, option')) continue;
    const under = behind(node);
    const ink = over(rgba(getComputedStyle(node).color), under);
    const [high, low] = [light(ink), light(under)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) faint.push(`${text.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""

NAMELESS = """() => {
  const kinds = 'button, a[href], input:not([type=file]), select, summary';
  const controls = document.querySelectorAll(kinds);
  return [...controls].filter(node => node.checkVisibility()).filter(node => {
    const label = node.getAttribute('aria-label') || node.getAttribute('aria-labelledby')
      || node.textContent.trim() || node.labels?.[0]?.textContent.trim();
    return !label;
  }).map(node => node.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_and_controls_have_names(open_page: Pages, scheme: Any) -> None:
    several = "?like=id:shop/disc 0&like=id:shop/disc 1&f.color=Red&f.color=Pink"
    for where in ("", several, several + "&item=shop/disc 0", "?f.color=Grey"):
        page = open_page(where, color_scheme=scheme)
        expect(page.locator("#results")).to_have_attribute("data-state", "answered")
        page.wait_for_load_state("networkidle")
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(NAMELESS) == []
        page.close()


def test_landmarks_and_headings(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    expect(page.get_by_role("search")).to_have_count(1)
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert page.locator("html").get_attribute("lang") == "en"
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(node => node.id)")
    assert len(ids) == len(set(ids))


def test_the_grid_by_keyboard(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    page.keyboard.press("g")
    links = tiles(page).locator("a")
    expect(links.nth(0)).to_be_focused()
    columns = page.evaluate(
        "getComputedStyle(document.getElementById('grid')).gridTemplateColumns.split(' ').length"
    )
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(links.nth(columns + 1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("End")
    expect(links.nth(TOTAL - 1)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(links.nth(0)).to_be_focused()
    title = titles(page)[1]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("m")
    expect_answer(page, 24, TOTAL)
    expect(page.locator("#stage img")).to_have_attribute("alt", title)
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("+")
    expect(page.locator(".badge.plus")).to_have_count(2)
    page.keyboard.press("g")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("-")
    expect(page.locator(".badge.minus")).to_have_count(1)
    assert len(address(page)["unlike"]) == 1


def test_one_tab_stop_for_the_grid_and_its_buttons(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    assert page.locator('#grid a[tabindex="0"]').count() == 1
    page.keyboard.press("g")
    names = []
    for _ in range(4):
        names.append(focused_label(page))
        page.keyboard.press("Tab")
    first = names[0].partition(",")[0]
    assert names[1:] == [
        f"{label}: {first}" for label in ("More like this", "Also like this", "Less like this")
    ]
    expect(tiles(page).first.locator(".actions")).to_have_css("opacity", "0")


def focused_label(page: Page) -> str:
    label: str = page.evaluate("document.activeElement.getAttribute('aria-label')")
    return label


def test_the_first_tab_skips_to_the_pictures(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the pictures")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_the_keys_are_told(open_page: Pages) -> None:
    page = open_page()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_less_motion_is_honoured(open_page: Pages) -> None:
    page = open_page(reduced_motion="reduce")
    expect_pictures(page, TOTAL)
    page.evaluate("() => { document.startViewTransition = () => { throw new Error('moved'); }; }")
    tiles(page).first.locator("a").press("m")
    expect_answer(page, 24, TOTAL)
