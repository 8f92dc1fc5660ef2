"""Draws the pictures of docs/exact.md from the newest results of `bound.py`.

    python benchmarks/plots.py

They are SVG, written by hand for their few kinds of marks: light on a light page, dark on a dark
one, and no package to install. A test holds them against the results.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
Point = tuple[float, float]
Row = dict[str, Any]

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
       fill: #1c1c1e; }
.paper { fill: #fff; } .quiet { fill: #6e6e73; } .title { font-weight: 600; }
.rule { stroke: #e5e5ea; fill: none; } .least { stroke: #8e8e93; stroke-dasharray: 1 4;
       stroke-linecap: round; stroke-width: 2; fill: none; }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round; }
.wall { stroke: #1c1c1e; stroke-width: 2; } .line.c { stroke-dasharray: 2 7; }
.over { paint-order: stroke; stroke: #fff; stroke-width: 6px; stroke-linejoin: round; }
.a { stroke: #2e5cdc; } .b { stroke: #d9730d; } .c { stroke: #2a9d6f; }
.fa { fill: #2e5cdc; } .fb { fill: #d9730d; } .fc { fill: #2a9d6f; }
.band { opacity: .13; }
text.fa { fill: #2450c4; } text.fb { fill: #ad5a06; } text.fc { fill: #1d7a55; }
@media (prefers-color-scheme: dark) {
  text { fill: #f2f2f7; } .paper { fill: #1c1c1e; } .quiet { fill: #a1a1a6; }
  .rule { stroke: #38383a; } .wall { stroke: #f2f2f7; } .band { opacity: .22; }
  .over { stroke: #1c1c1e; }
  .a { stroke: #7d9cff; } .b { stroke: #ffa657; } .c { stroke: #5fd3a3; }
  .fa { fill: #7d9cff; } .fb { fill: #ffa657; } .fc { fill: #5fd3a3; }
  text.fa { fill: #9db4ff; } text.fb { fill: #ffbd80; } text.fc { fill: #7fdfb7; }
}
"""


@dataclass(frozen=True)
class Axes:
    """A rectangle with a logarithmic x axis and a logarithmic or plain y axis."""

    left: float
    top: float
    width: float
    height: float
    x: Point
    y: Point
    log_y: bool = True

    def place(self, point: Point) -> Point:
        low, high = (math.log10(value) for value in self.x)
        across = (math.log10(point[0]) - low) / (high - low)
        y, (bottom, top) = point[1], self.y
        if self.log_y:
            y, bottom, top = math.log10(y), math.log10(bottom), math.log10(top)
        up = (y - bottom) / (top - bottom)
        return self.left + across * self.width, self.top + (1 - up) * self.height

    def path(self, points: Iterable[Point], kind: str) -> str:
        return f'<path class="{kind}" d="M{self._joined(points)}"/>'

    def band(self, low: Sequence[Point], high: Sequence[Point], kind: str) -> str:
        return f'<path class="band {kind}" d="M{self._joined([*low, *reversed(high)])}Z"/>'

    def dot(self, point: Point, kind: str) -> str:
        x, y = self.place(point)
        return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'

    def label(self, point: Point, text: str, kind: str = "", *, by: Point = (0, 0)) -> str:
        x, y = self.place(point)
        return written(x + by[0], y + by[1], text, kind)

    def x_ticks(self, values: Iterable[float], names: Iterable[str]) -> str:
        parts = []
        for value, name in zip(values, names, strict=True):
            x, _ = self.place((value, self.y[1]))
            bottom = self.top + self.height
            parts.append(f'<path class="rule" d="M{x:.1f},{self.top:.1f}V{bottom:.1f}"/>')
            parts.append(written(x, bottom + 19, name, "quiet", "middle"))
        return "".join(parts)

    def y_ticks(self, values: Iterable[float], *, named: bool = True) -> str:
        parts = []
        for value in values:
            _, y = self.place((self.x[0], value))
            parts.append(f'<path class="rule" d="M{self.left:.1f},{y:.1f}h{self.width:.1f}"/>')
            if named:
                parts.append(written(self.left - 8, y + 4, f"{value:,}", "quiet", "end"))
        return "".join(parts)

    def _joined(self, points: Iterable[Point]) -> str:
        return "L".join(f"{x:.1f},{y:.1f}" for x, y in map(self.place, points))


def main() -> None:
    for name, drawn in drawings(newest()).items():
        (ROOT / "docs" / name).write_text(drawn, encoding="utf-8")
        print(f"docs/{name}")


def newest() -> list[Row]:
    """The figures of the last run of `bound.py`."""
    path = max((ROOT / "benchmarks" / "results").glob("*-bound.json"))
    figures: list[Row] = json.loads(path.read_text(encoding="utf-8"))["figures"]
    return figures


def drawings(figures: list[Row]) -> dict[str, str]:
    """SVG by file name."""
    return {"candidates.svg": candidates(figures), "bound.svg": bound(figures)}


def candidates(figures: list[Row]) -> str:
    """What screens leave, against k: a panel for each kind of data."""
    parts = [
        written(28, 36, "Vectors that a screen can't rule out, against k", "title"),
        written(28, 56, _of(figures) + "; lines are means, bands reach to the maximum", "quiet"),
    ]
    for turn, data in enumerate(_datas(figures)):
        axes = Axes(72 + turn * 296, 104, 256, 232, (1, 100), (1, 20000))
        rows = [row for row in figures if row["data"] == data and row["measured"] == "left"]
        parts.append(
            written(axes.left, axes.top - 14, f"{data}, {rows[0]['dim']:,} numbers", "title")
        )
        parts.append(axes.x_ticks((1, 10, 100), ("1", "10", "100")))
        parts.append(axes.y_ticks((1, 10, 100, 1000, 10000), named=turn == 0))
        parts.append(written(axes.left + axes.width / 2, 374, "k", "quiet", "middle"))
        parts.append(axes.path([(1, 1), (100, 100)], "least"))
        if turn == 0:
            parts.append(axes.label((16, 8), "k itself", "quiet"))
        for kernel, kind in (("sketch", "b"), ("int8", "a")):
            parts.append(_left(axes, [row for row in rows if row["kernel"] == kernel], kind))
    return framed(960, 392, "".join(parts))


def _left(axes: Axes, rows: list[Row], kind: str) -> str:
    """Mean and maximum of one screen; what to say where it isn't used."""
    if "k" not in rows[0]:
        place = axes.left + axes.width - 8, axes.top + 18
        return written(*place, "no sketches: they wouldn't pay", "over quiet", "end")
    mean = [(row["k"], row["mean"]) for row in rows]
    most = [(row["k"], row["max"]) for row in rows]
    near, by, name = (4, (-52, -30), "sketch") if kind == "b" else (0, (8, 20), "int8")
    return "".join(
        [
            axes.band(mean, most, f"f{kind}"),
            axes.path(mean, f"line {kind}"),
            axes.label(mean[near], name, f"f{kind}", by=by),
        ]
    )


def bound(figures: list[Row]) -> str:
    """How near true errors come to the bound."""
    axes = Axes(52, 96, 840, 212, (0.0001, 1), (0, 0.08), log_y=False)
    pairs = f"{figures[0]['queries'] * figures[0]['vectors'] / 1e6:.3g} million pairs each"
    parts = [
        written(28, 36, "True error of an int8 screen, as a share of its proven bound", "title"),
        written(28, 56, f"{_of(figures)}, {pairs}; dots are the largest", "quiet"),
        axes.x_ticks(
            (0.0001, 0.001, 0.01, 0.1, 1), ("0.0001", "0.001", "0.01", "0.1", "1, the bound")
        ),
        axes.path([(1, 0), (1, 0.08)], "wall"),
    ]
    shares = [row for row in figures if row["measured"] == "share"]
    for turn, (row, kind) in enumerate(zip(shares, "abc", strict=True)):
        bins = len(row["histogram"])
        middles = [10 ** (-4 + 4 * (place + 0.5) / bins) for place in range(bins)]
        line = list(zip(middles, row["histogram"], strict=True))
        within = [point for point in line if point[0] < row["largest"]]
        parts.append(axes.path([*within, (row["largest"], 0)], f"line {kind}"))
        parts.append(axes.dot((row["largest"], 0), f"f{kind}"))
        text = (
            f"{row['data']}, {row['dim']:,}: mean {row['mean']:.3f}, largest {row['largest']:.3f}"
        )
        parts.append(written(72, 116 + 20 * turn, text, f"over f{kind}"))
    return framed(960, 352, "".join(parts))


def _of(figures: list[Row]) -> str:
    return f"{figures[0]['queries']:,} queries among {figures[0]['vectors']:,} vectors"


def _datas(figures: list[Row]) -> list[str]:
    return list(dict.fromkeys(row["data"] for row in figures))


def written(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def framed(width: int, height: int, content: str) -> str:
    """A whole SVG file, on a card of its own so that it reads on any page."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img"><style>{STYLE}</style>'
        f'<rect class="paper" width="{width}" height="{height}" rx="12"/>{content}</svg>\n'
    ).replace("><", ">\n<")


if __name__ == "__main__":
    main()
