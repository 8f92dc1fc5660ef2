"""Nothing jumps, nothing overflows, and the first results are there at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import kinlens
from kinlens.types import NewItem
from web_page import expect_answer, expect_pictures, tiles, titles, until
from web_shop import Pages, Shops, draw

TOTAL = 60
STATES = [
    "",
    "?like=id:shop/disc 0&unlike=id:shop/disc 1&f.color=Red&f.color=Navy Blue&r.price=10..90",
    "?like=id:shop/disc 0&item=shop/disc 1",
    "?f.color=Mauve",
]


@pytest.mark.parametrize("size", ["desktop", "tablet", "phone"])
def test_no_sideways_scrolling(open_page: Pages, size: str) -> None:
    for state in STATES:
        page = open_page(state, size=size)
        expect(page.locator("#results")).to_have_attribute("data-state", "answered")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), state
        page.close()


def test_touch_targets_are_large_enough(open_page: Pages) -> None:
    page = open_page("?like=id:shop/disc 0&like=id:shop/disc 1&f.color=Red", size="phone")
    expect_answer(page, 9, 10)
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, select')]
          .filter(node => node.checkVisibility())
          .map(node => [node, node.getBoundingClientRect()])
          .filter(([, area]) => Math.min(area.width, area.height) < 24)
          .map(([node, area]) => `${node.outerHTML.slice(0, 80)}: ${area.height} high`)"""
    )
    assert small == []


def test_nothing_jumps(open_page: Pages) -> None:
    page = open_page("?k=500")
    page.add_init_script(
        """window.jumps = 0;
        new PerformanceObserver(list => {
          for (const entry of list.getEntries()) window.jumps += entry.value;
        }).observe({ type: 'layout-shift', buffered: true });"""
    )
    for state in ("", "?like=id:shop/disc 0"):
        page.goto(f"/{state}")
        expect(page.locator("#results")).to_have_attribute("data-state", "answered")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("jumps") < 0.05, state


def test_results_are_painted_in_the_first_frames_after_the_answer(open_page: Pages) -> None:
    page = open_page(reduced_motion="reduce")
    expect_pictures(page, TOTAL)
    page.evaluate(
        """() => {
          const ask = window.fetch;
          window.fetch = async (...input) => {
            const response = await ask(...input);
            const read = response.text.bind(response);
            response.text = async () => {
              const body = await read();
              if (String(input[0]).endsWith('/v1/search')) window.answered = window.frames_drawn;
              return body;
            };
            return response;
          };
          new MutationObserver(() => {
            if (window.answered === null || window.painted !== null) return;
            const note = () => { window.painted = window.frames_drawn; };
            requestAnimationFrame(() => setTimeout(note));
          }).observe(document.getElementById('grid'), { childList: true });
          window.frames_drawn = 0;
          const count = () => { window.frames_drawn += 1; requestAnimationFrame(count); };
          requestAnimationFrame(count);
        }"""
    )
    took = []
    for position in (1, 5, 9, 2, 6):
        page.evaluate("window.answered = window.painted = null")
        tiles(page).nth(position).locator("a").press("m")
        until(page, lambda: page.evaluate("window.painted !== null"))
        took.append(page.evaluate("window.painted - window.answered"))
    assert max(took) <= 3, took


def test_five_hundred_tiles_stay_light(open_page: Pages, open_shop: Shops) -> None:
    pictures = [draw("disc", color, (48, 48)) for color in ("Red", "Green", "Pink")]
    items = [
        NewItem(f"{n:04d}", image=pictures[n % 3], metadata={"name": f"Thing {n}"})
        for n in range(520)
    ]
    page = open_page("?like=id:0000&k=500", url=open_shop(items).url)
    expect_answer(page, 500, 520)
    nodes = page.evaluate("document.querySelectorAll('#grid *').length")
    assert nodes <= 500 * 40
    assert loaded(page) < 250, "only what is near the screen is fetched"
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(tiles(page).last.locator("img")).to_have_js_property("complete", True)
    assert loaded(page) < 400, "what was leapt over isn't"
    assert len(set(titles(page))) == 500


def loaded(page: Page) -> int:
    """How many of the grid's pictures have come."""
    count: int = page.evaluate(
        "[...document.querySelectorAll('#grid img')].filter(image => image.naturalWidth).length"
    )
    return count


@pytest.mark.parametrize(
    ("page", "main"), [("index.html", "main.js"), ("live.html", "live/main.js")]
)
def test_every_module_is_fetched_at_once(page: str, main: str) -> None:
    folder = Path(kinlens.__file__).parent / "web"
    text = (folder / page).read_text(encoding="utf-8")
    assert f'src="assets/{main}"' in text
    named = re.findall(r'<link rel="modulepreload" href="assets/([\w./]+)">', text)
    assert {*named, main} == modules(folder, main)


def modules(folder: Path, name: str) -> set[str]:
    """A module and all that it imports, by their paths within the folder."""
    found, waiting = set[str](), [name]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            file = folder / name
            imports = re.findall(r"^import .*? from '(.+?)';", file.read_text("utf-8"), re.M | re.S)
            paths = ((file.parent / other).resolve() for other in imports)
            waiting += [path.relative_to(folder.resolve()).as_posix() for path in paths]
    return found


def test_products_on_white_lose_their_box(open_page: Pages) -> None:
    page = open_page(color_scheme="dark")
    expect_pictures(page, TOTAL)
    expect(tiles(page).first.locator("a")).to_have_class("frame on-white")
    expect(tiles(page).first.locator("img")).to_have_css("mix-blend-mode", "multiply")
