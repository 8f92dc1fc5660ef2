"""Tables: whole on a file or a pipe, fitted to the width on a terminal. Ids are always whole."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich.cells import cell_len, set_cell_size

from kinlens.printable import escaped

Kind = Literal["id", "left", "right", "value", "number"]
"""How a column is written.

id      at the left, never cut, never broken
left    at the left; broken between words where there is no room
right   at the right, whole
value   at the left; cut in the middle, or left out, where there is no room
number  at the right, whole; left out where there is no room
"""

GAP = 2
_LEAST = {"value": 10, "left": 16}
_DROPPED = frozenset({"value", "number"})
_AT_THE_RIGHT = frozenset({"right", "number"})
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column with its cells.

    Parameters
    ----------
    name : shown at the top
    kind : see `Kind`
    cells : one a row
    width : cells of the terminal
    """

    name: str
    kind: Kind
    cells: tuple[str, ...]
    width: int

    @classmethod
    def of(cls, name: str, kind: Kind, cells: Sequence[str]) -> Column:
        """As wide as its widest cell; control characters are escaped."""
        shown = tuple(map(escaped, cells))
        name = escaped(name)
        return cls(name, kind, shown, max(map(cell_len, (name, *shown))))


def print_table(columns: Sequence[tuple[str, Kind]], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under the names of their columns; an empty column is left out.

    Parameters
    ----------
    columns : name and kind of each
    rows : a cell for each column
    """
    made = [
        Column.of(name, kind, [row[place] for row in rows])
        for place, (name, kind) in enumerate(columns)
        if not rows or any(row[place] for row in rows)
    ]
    shown, printed, heads = _laid_out(made, terminal_width())
    for number, line in enumerate(printed):
        sys.stdout.write(f"{_dim(line) if number < heads else line}\n")
    left_out = [column.name for column in made if column.name not in shown]
    if left_out:
        note = f"Not shown for want of room: {', '.join(left_out)}. --json prints all."
        sys.stdout.write(f"{_dim(note)}\n")


def _laid_out(columns: list[Column], width: int | None) -> tuple[set[str], Iterator[str], int]:
    """Names of the columns that are shown, the lines, and how many of these are the head."""
    if width is None or total(columns) <= width:
        return {column.name for column in columns}, _aligned(columns), 1
    kept = fitted(columns, width)
    optional = [column for column in columns if column.kind in _DROPPED]
    enough = total(kept) <= width and (not optional or any(c.kind in _DROPPED for c in kept))
    ids = [column for column in columns if column.kind == "id"]
    if enough or not ids:
        return {column.name for column in kept}, _aligned(kept), 1
    rest = [column for column in columns if column.kind != "id"]
    below = fitted(rest, width - len(_INDENT))
    names = {column.name for column in (*ids, *below)}
    return names, _stacked(ids, below), 2 if below else 1


def terminal_width() -> int | None:
    """Columns of the terminal; None where standard output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fitted(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns, made narrower or left out until they fit, if they can."""
    kept = list(columns)
    while total(kept) > width:
        if not (_narrow(kept, "value", width) or _drop(kept) or _narrow(kept, "left", width)):
            break
    return kept


def total(columns: Sequence[Column]) -> int:
    """The width of all."""
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def _stacked(ids: Sequence[Column], below: Sequence[Column]) -> Iterator[str]:
    """Where ids leave no room for the rest, it stands below them."""
    head, *bodies = _blocks(below)
    yield from (column.name for column in ids)
    yield from (f"{_INDENT}{line}" for line in head if line)
    for number in range(len(ids[0].cells)):
        yield from (column.cells[number] for column in ids)
        if below:
            yield from (f"{_INDENT}{line}" for line in bodies[number])


def _aligned(columns: Sequence[Column]) -> Iterator[str]:
    for block in _blocks(columns):
        yield from block


def _blocks(columns: Sequence[Column]) -> Iterator[list[str]]:
    """The lines of the head, then of each row."""
    yield [_line(columns, [column.name for column in columns])]
    for row in range(len(columns[0].cells) if columns else 0):
        parts = [_parts(column, column.cells[row]) for column in columns]
        height = max(map(len, parts))
        yield [
            _line(columns, [part[level] if level < len(part) else "" for part in parts])
            for level in range(height)
        ]


def _line(columns: Sequence[Column], cells: Sequence[str]) -> str:
    return (
        (" " * GAP)
        .join(_justified(column, cell) for column, cell in zip(columns, cells, strict=True))
        .rstrip()
    )


def _justified(column: Column, cell: str) -> str:
    space = " " * max(0, column.width - cell_len(cell))
    return space + cell if column.kind in _AT_THE_RIGHT else cell + space


def _parts(column: Column, cell: str) -> list[str]:
    if cell_len(cell) <= column.width:
        return [cell]
    if column.kind == "left":
        return broken(cell, column.width)
    return [cut(cell, column.width)] if column.kind == "value" else [cell]


def cut(text: str, width: int) -> str:
    """The text in so many cells of the terminal, without its middle."""
    if cell_len(text) <= width:
        return text
    end = (width - 1) // 2
    tail = next(text[at:] for at in range(len(text) + 1) if cell_len(text[at:]) <= end)
    return f"{set_cell_size(text, width - 1 - cell_len(tail)).rstrip()}…{tail}"


def broken(text: str, width: int) -> list[str]:
    """The text in lines of so many cells, broken between words where there are any."""
    found, line = [], ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if cell_len(joined) <= width:
            line = joined
            continue
        if line:
            found.append(line)
        *pieces, line = _pieces(word, width)
        found += pieces
    return [*found, line]


def _pieces(word: str, width: int) -> list[str]:
    pieces = [""]
    for char in word:
        if cell_len(pieces[-1] + char) > width and pieces[-1]:
            pieces.append("")
        pieces[-1] += char
    return pieces


def _narrow(columns: list[Column], kind: Kind, width: int) -> bool:
    """Make the widest column of a kind narrower by what is too much; False if none can be."""
    able = [c for c in columns if c.kind == kind and c.width > max(_LEAST[kind], cell_len(c.name))]
    if not able:
        return False
    widest = max(able, key=lambda column: column.width)
    others = [column.width for column in able if column is not widest]
    least = max(_LEAST[kind], cell_len(widest.name), min(max(others, default=0), widest.width - 1))
    narrower = max(least, widest.width - (total(columns) - width))
    columns[columns.index(widest)] = replace(widest, width=narrower)
    return True


def _drop(columns: list[Column]) -> bool:
    """Leave the last column out that may be; False if none may."""
    place = next((i for i in reversed(range(len(columns))) if columns[i].kind in _DROPPED), None)
    if place is None:
        return False
    del columns[place]
    return True


def _dim(text: str) -> str:
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if plain else f"\x1b[2m{text}\x1b[0m"
