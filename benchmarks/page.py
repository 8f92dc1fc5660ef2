"""How soon does the page show what the server answers, and does it stay smooth with 500 pictures?

    python benchmarks/page.py [--items 5000] [--rounds 5]

Chromium without a window visits `kinlens serve` over a catalog whose pictures are photos, on the
same cores. All times are in milliseconds, by the page's own clock:

visit      from the navigation to the catalog's first tiles on the screen, nothing being cached
answer     from the answer, parsed, to its tiles on the screen: another search among the same items
question   from the key that asks for "more like this" to those tiles, the server's time with it;
           `server` is what it says that it took
pictures   from the answer to the last picture within the window, which may have been there before:
           a search from a tile finds much of what is shown, and the plain page's finds other items
scroll     the time of a frame while 500 tiles go by, 120 pixels a frame; `over_50` is the share
           of frames that took longer than 50

`plain` is the peer, and the least that this browser needs: the same hits put into an empty page as
text, an image and a title each, without captions, buttons, keyboard or history.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from browsers import chromium
from data import make_catalog, photos
from playwright.sync_api import Browser, Page
from processes import serving
from report import Report

from kinlens.config import DEFAULT_ENCODER

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
QUESTIONS = 8
MANY = 500
FRAMES = 150
PICTURES = 300
PATIENCE = 60_000

WATCH = """() => {
  window.marks = {};
  const mark = (name) => { window.marks[name] ??= performance.now(); };
  // In each frame until it is so. Only tiles are measured: to measure what a tile out of the window
  // holds would lay it out.
  const pictures = () => {
    const tiles = [...document.querySelectorAll('#grid .tile')];
    const below = tiles.findIndex((tile) => tile.getBoundingClientRect().top >= innerHeight);
    const shown = below < 0 ? tiles : tiles.slice(0, below);
    const images = shown.map((tile) => tile.querySelector('img'));
    if (images.every((image) => image.complete && image.naturalWidth)) mark('pictures');
    else requestAnimationFrame(pictures);
  };
  window.painted = () => requestAnimationFrame(() => setTimeout(() => {
    mark('painted');
    pictures();
  }));
  const ask = window.fetch;
  window.fetch = async (...input) => {
    const response = await ask(...input);
    const read = response.text.bind(response);
    response.text = async () => {
      const body = await read();
      if (String(input[0]).includes('/v1/search')) {
        mark('answered');
        window.marks.server = JSON.parse(body).took_ms.total;
      }
      return body;
    };
    return response;
  };
  addEventListener('keydown', () => mark('asked'), true);
  addEventListener('DOMContentLoaded', () => {
    const grid = document.getElementById('grid');
    new MutationObserver(() => {
      const tiles = grid.querySelector('.tile:not(.skeleton)');
      if (tiles && !('painted' in window.marks)) window.painted();
    }).observe(grid, { childList: true });
  });
}"""

PLAIN = """<!doctype html><meta charset="utf-8"><title>Plain</title><style>
body { margin: 0; font: 14px sans-serif }
#grid { display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(160px, 1fr)) }
img { width: 100%; aspect-ratio: 3 / 4; object-fit: cover }
</style><div id="grid"></div>"""

ASK_PLAINLY = """async (query) => {
  const response = await fetch('/v1/search', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(query),
  });
  const { hits } = await response.json();
  const safe = (text) => text.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);
  const tile = ({ id, thumbnail_url }) =>
    `<div class="tile"><img loading="lazy" alt="" src="${safe(thumbnail_url)}">${safe(id)}</div>`;
  document.getElementById('grid').innerHTML = hits.map(tile).join('');
}"""

SCROLL = """async ([frames, step]) => {
  const frame = () => new Promise(requestAnimationFrame);
  scrollTo(0, 0);
  let before = await frame();
  const took = [];
  for (let at = 0; at < frames; at += 1) {
    scrollBy(0, step);
    const now = await frame();
    took.push(now - before);
    before = now;
  }
  return took;
}"""

Marks = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    report = Report("page", __doc__.splitlines()[0])
    with tempfile.TemporaryDirectory(prefix="kinlens-page-") as folder:
        make_catalog(Path(folder), DEFAULT_ENCODER, options.items, photos(PICTURES))
        with serving(Path(folder)) as server, chromium() as browser:
            at = f"http://127.0.0.1:{server.port}"
            for name in SIZES:
                rounds = [one_round(browser, at, name) for _ in range(options.rounds + 1)]
                tell(report, name, rounds[1:])  # thumbnails are made in the first
    report.write()


def one_round(browser: Browser, at: str, size: str) -> dict[tuple[str, str], list[Marks]]:
    """A visit, some questions, and a long scroll, and the same plainly; by measure and who."""
    found: dict[tuple[str, str], list[Marks]] = defaultdict(list)
    page = opened(browser, at, size)
    page.goto("/")
    found["visit", "kinlens"].append(marks(page))
    for count in (24, MANY):
        page.goto(f"/?like=id:item-000000&k={count}")
        marks(page)
        for number in range(QUESTIONS):
            page.evaluate("window.marks = {}")
            page.locator("#grid .tile a").nth(1 + number % 5).press("m")
            found[f"{count} tiles", "kinlens"].append(marks(page))
    found["scroll", "kinlens"].append(frames(page))
    page.context.close()

    page = opened(browser, at, size)
    page.route("**/plain", lambda route: route.fulfill(body=PLAIN, content_type="text/html"))
    page.goto("/plain")
    for count in (24, MANY):
        for number in range(QUESTIONS):
            page.evaluate("window.marks = {}")
            example = {"id": f"item-{number:06}"}
            page.evaluate(ASK_PLAINLY, {"examples": [example], "k": count})
            found[f"{count} tiles", "plain"].append(marks(page))
    found["scroll", "plain"].append(frames(page))
    page.context.close()
    return found


def opened(browser: Browser, at: str, size: str) -> Page:
    """A page of a visitor who was never here."""
    width, height = SIZES[size]
    phone = {"has_touch": True, "is_mobile": True} if size == "phone" else {}
    context = browser.new_context(
        base_url=at, viewport={"width": width, "height": height}, reduced_motion="reduce", **phone
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.add_init_script(f"({WATCH})()")
    return page


def marks(page: Page) -> Marks:
    """When each thing happened, once all has."""
    for _ in range(PATIENCE // 20):
        told: Marks = page.evaluate("window.marks")
        if "pictures" in told:
            return told
        page.wait_for_timeout(20)
    raise TimeoutError(f"The page showed no pictures within {PATIENCE // 1000} s.")


def frames(page: Page) -> Marks:
    """Milliseconds of each frame of a scroll."""
    took = page.evaluate(SCROLL, [FRAMES, 120])
    return {f"frame {number}": value for number, value in enumerate(took)}


def tell(report: Report, size: str, rounds: list[dict[tuple[str, str], list[Marks]]]) -> None:
    """The median of everything, and the worst; scrolled frames are looked at all together."""
    for measured, who in rounds[0]:
        rows = [row for one in rounds for row in one[measured, who]]
        about: dict[str, Any] = {"size": size, "measured": measured, "who": who}
        if measured == "scroll":
            took = np.array([value for row in rows for value in row.values()])
            report.add(
                **about,
                frames=took.size,
                median_ms=float(np.median(took)),
                p95_ms=float(np.percentile(took, 95)),
                worst_ms=float(took.max()),
                over_50=float(np.mean(took > 50)),
            )
        elif measured == "visit":
            report.add(
                **about,
                painted_ms=median(rows, "painted"),
                pictures_ms=median(rows, "pictures"),
            )
        else:
            answer = [row["painted"] - row["answered"] for row in rows]
            figures = {
                "answer_ms": float(np.median(answer)),
                "answer_worst_ms": max(answer),
                "pictures_ms": median(rows, "pictures", "answered"),
                "server_ms": median(rows, "server"),
            }
            if who == "kinlens":
                figures["question_ms"] = median(rows, "painted", "asked")
            report.add(**about, **figures)


def median(rows: list[Marks], name: str, since: str | None = None) -> float:
    """Of the times from one mark to another, or from the navigation."""
    return float(np.median([row[name] - (row[since] if since else 0) for row in rows]))


if __name__ == "__main__":
    main()
