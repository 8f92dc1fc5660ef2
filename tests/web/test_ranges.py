"""Number filters: they fit their panel, and read numbers as people type them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from kinlens.types import NewItem
from web_page import address, expect_pictures, until
from web_shop import Pages, Shop, Shops, draw

TOTAL = 60
WIDTHS = [1440, 1024, 768, 390, 320]
LONG = 2**53 + 1
WEIGHTS = [-2.5, 0.125, 2.5, 1234.5, 2500]

OUTSIDE = """panel => {
  const area = panel.getBoundingClientRect();
  const shown = [...panel.querySelectorAll('input, button, label, summary, .track, .count, .name')]
    .filter(node => node.checkVisibility());
  const out = shown.filter(node => {
    const { left, right, width } = node.getBoundingClientRect();
    return width === 0 || left < area.left || right > area.right || right > innerWidth;
  });
  return [shown.length, out.map(node => node.outerHTML.slice(0, 120))];
}"""


@pytest.fixture(scope="module")
def numbers(open_shop: Shops) -> Shop:
    """Items with numbers of every size, one of them beyond what a double holds."""
    pictures = [draw("disc", "Red", (48, 48)), draw("bar", "Green", (48, 48))]
    items = [
        NewItem(
            f"{n:02d}",
            image=pictures[n % 2],
            metadata={
                "weight": WEIGHTS[n % 5],
                "serial": LONG + 2 * n,
                "averyveryveryverylongnameofafieldwithoutanyspaces": n,
                "kind": "x" * 80 if n % 2 else "short",
            },
        )
        for n in range(20)
    ]
    return open_shop(items)


def open_all(page: Page) -> None:
    page.evaluate("document.querySelectorAll('.group').forEach(group => { group.open = true; })")


@pytest.mark.parametrize("width", WIDTHS)
def test_every_control_lies_within_the_panel(open_page: Pages, numbers: Shop, width: int) -> None:
    page = open_page(url=numbers.url, viewport={"width": width, "height": 900})
    expect_pictures(page, 20)
    holder = "#panel"
    if width < 800:
        page.get_by_role("button", name="Filters").click()
        holder = "#filters-sheet"
    open_all(page)
    expect(page.get_by_role("slider", name="Weight from")).to_be_visible()
    count, outside = page.locator(holder).evaluate(OUTSIDE)
    assert count > 20
    assert outside == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for slider in page.get_by_role("slider").all():
        track = slider.locator("xpath=..").bounding_box()
        area = slider.bounding_box()
        assert track is not None
        assert area is not None
        assert area["width"] == pytest.approx(track["width"], abs=1)


READ = {
    "2,5": 2.5,
    "2.5": 2.5,
    "-2,5": -2.5,
    "\u22122.5": -2.5,
    "0,125": 0.125,
    ",5": 0.5,
    "1,234": 1234,
    "1.234": 1.234,
    "1,234.5": 1234.5,
    "1.234,5": 1234.5,
    "1 234,5": 1234.5,
    "1\u202f234": 1234,
    "1'234.5": 1234.5,
    "1,234,567": 1234567,
    "1.234.567": 1234567,
    "1e3": 1000,
    "2,5e-1": 0.25,
    "+7": 7,
    "007": 7,
    "  12  ": 12,
    "12,3456": 12.3456,
}
UNREAD = ["abc", "1,2,3", "1.2.3", "1,23.4,5", "2..5", "--1", "1-2", "12 34", "e3", "1e999", "€5"]


def test_numbers_are_read_as_they_are_typed(blank: Page) -> None:
    found = blank.evaluate(
        """async texts => {
          const { readNumber } = await import('/assets/numbers.js');
          return texts.map(text => readNumber(text));
        }""",
        [*READ, *UNREAD],
    )
    assert dict(zip([*READ, *UNREAD], found, strict=True)) == READ | dict.fromkeys(UNREAD)


def test_integers_beyond_doubles_keep_their_digits(blank: Page) -> None:
    digits = ["9007199254740993", "-9223372036854775808", "9223372036854775807"]
    text = f'{{"a": [{", ".join(digits)}, 1.2345678901234567, 1e17, "9007199254740993", "\\"["]}}'
    written = blank.evaluate(
        """async text => {
          const { parse, stringify } = await import('/assets/json.js');
          const { readNumber, writeNumber } = await import('/assets/numbers.js');
          const read = parse(text).a;
          return [stringify({ a: read }), read.slice(0, 3).map(value => writeNumber(value)),
                  String(readNumber('9,007,199,254,740,993'))];
        }""",
        text,
    )
    middle = ",".join(digits)
    assert written == [
        f'{{"a":[{middle},1.2345678901234567,100000000000000000,"9007199254740993","\\"["]}}',
        digits,
        digits[0],
    ]


@pytest.mark.parametrize(
    ("typed", "bound"),
    [("2,5", "2.5"), ("1e3", "1000"), ("-1", "-1"), ("1.234,5", "1234.5")],
)
def test_a_typed_number_filters(open_page: Pages, numbers: Shop, typed: str, bound: str) -> None:
    page = open_page(url=numbers.url)
    expect_pictures(page, 20)
    open_all(page)
    low = page.get_by_role("textbox", name="Weight from")
    low.fill(typed)
    low.press("Enter")
    until(page, lambda: address(page) == {"r.weight": [f"{bound}.."]})
    expect_pictures(
        page, sum(value >= float(bound) for value in [-2.5, 0.125, 2.5, 1234.5, 2500] * 4)
    )


def test_what_is_no_number_is_told_and_changes_nothing(open_page: Pages) -> None:
    page = open_page("?r.price=..20")
    expect_pictures(page, 8)
    high = page.get_by_role("textbox", name="Price to")
    expect(high).to_have_value("20.00")
    high.fill("2,5,1")
    high.press("Enter")
    problem = page.locator('.group[data-field="price"] .problem')
    expect(problem).to_contain_text("“2,5,1” isn’t a number")  # noqa: RUF001
    expect(high).to_have_attribute("aria-invalid", "true")
    expect(high).to_have_value("2,5,1")
    expect(page.locator("#live")).to_contain_text("isn’t a number")  # noqa: RUF001
    assert address(page) == {"r.price": ["..20"]}
    expect_pictures(page, 8)
    high.fill("20,5")
    high.press("Enter")
    expect(problem).to_be_hidden()
    until(page, lambda: address(page) == {"r.price": ["..20.5"]})
    high.fill("")
    high.press("Enter")
    expect_pictures(page, TOTAL)
    assert address(page) == {}


def test_typed_digits_stay_and_turned_ends_are_exchanged(open_page: Pages) -> None:
    page = open_page()
    expect_pictures(page, TOTAL)
    low = page.get_by_role("textbox", name="Price from")
    high = page.get_by_role("textbox", name="Price to")
    low.fill("20.125")
    low.press("Enter")
    until(page, lambda: address(page) == {"r.price": ["20.125.."]})
    expect(low).to_have_value("20.125")
    expect(page.locator("#chips .chip")).to_have_text(["Price from 20.125"])
    high.fill("10")
    high.press("Enter")
    until(page, lambda: address(page) == {"r.price": ["10..20.125"]})
    expect(low).to_have_value("10.00")
    page.get_by_role("slider", name="Price from").press("ArrowRight")
    until(page, lambda: address(page)["r.price"][0].endswith("..20.125"))
    high.fill("500")
    high.press("Enter")
    until(page, lambda: address(page)["r.price"][0].endswith("..500"))
    expect(high).to_have_value("500.00")


def test_long_integers_are_shown_and_filtered_by_their_digits(
    open_page: Pages, numbers: Shop
) -> None:
    page = open_page("?item=03", url=numbers.url)
    expect(page.locator("#detail dl")).to_contain_text(str(LONG + 6))
    page.goto("/")
    expect_pictures(page, 20)
    open_all(page)
    low = page.get_by_role("textbox", name="Serial from")
    expect(low).to_have_value(str(LONG))
    expect(page.get_by_role("textbox", name="Serial to")).to_have_value(str(LONG + 38))
    low.fill(str(LONG + 36))
    low.press("Enter")
    expect_pictures(page, 2)
    assert address(page) == {"r.serial": [f"{LONG + 36}.."]}
    expect(page.locator("#chips .chip")).to_have_text([f"Serial from {LONG + 36}"])
    page.reload()
    expect_pictures(page, 2)
    page.goto(f"/?f.serial=!{LONG + 2}")
    expect_pictures(page, 1)
    expect(page.locator("#chips .chip")).to_have_text([f"Serial: {LONG + 2}"])
