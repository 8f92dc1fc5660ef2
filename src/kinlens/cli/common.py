"""Options that several verbs take, and how they print."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinlens.catalog.filters import where_field
from kinlens.errors import InvalidInput
from kinlens.printable import escaped, escaped_json
from kinlens.types import Crop, Metadata, Value, Where

if TYPE_CHECKING:
    from rich.console import Console

    from kinlens.search import Search

Data = Annotated[
    Path | None,
    typer.Option(
        "--data", "-d", help="Folder of the catalog (default: kinlens-data).", show_default=False
    ),
]
Encoder = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        "-e",
        help="A model's name, a bundle folder or an ONNX file (default: the catalog's own).",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Limit = Annotated[int, typer.Option(help="At most so many.", min=1)]
After = Annotated[str | None, typer.Option(help="Begin after this id.", show_default=False)]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        metavar="FILTER",
        help='Only such items: color=red, "price<50", or JSON such as {"price": {"$lt": 50}}. '
        "Repeat for and.",
        show_default=False,
    ),
]

_COMPARISON = re.compile(r"^(?P<field>[^=<>!]+)(?P<sign>!=|<=|>=|=|<|>)(?P<value>.*)$", re.DOTALL)
# With leading zeros it is a text, such as a postal code; tables are read by the same rule.
_NUMBER = re.compile(r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_LEADING_ZEROS = re.compile(r"^([+-]?)0+(?=\d)")
_WORDS = {
    **dict.fromkeys(("true", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "no", "n", "off", "0"), False),
}
_TITLES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (r"^(title|name)$", r"(name|title)$", r"^(label|caption)$")
]
_OPERATORS = {"!=": "$ne", "<=": "$lte", ">=": "$gte", "<": "$lt", ">": "$gt", "=": "$eq"}


def open_catalog(data: Path | None, encoder: str | None = None) -> Search:
    """The search service over an existing catalog."""
    from kinlens.wiring import open_search

    return open_search(data, encoder, create=False, lazy=True)


def parse_where(
    parts: Sequence[str] | None, kinds: Mapping[str, str] | None = None
) -> Where | None:
    """A filter from what was typed: JSON objects and comparisons, all of which must hold.

    Parameters
    ----------
    parts : as typed
    kinds : of the catalog's fields, which decide how the texts of comparisons are read; without
        them a text is what it looks like. JSON says itself what is meant
    """
    filters = [_parse_one(part, kinds or {}) for part in parts or ()]
    if not filters:
        return None
    return filters[0] if len(filters) == 1 else {"$and": filters}


def where_for(service: Search, parts: Sequence[str] | None) -> Where | None:
    """A filter from what was typed, read as the fields of this catalog are."""
    parse_where(parts)  # what can't be read is told before a large catalog is
    if not parts or all(part.lstrip().startswith("{") for part in parts):
        return parse_where(parts)
    return parse_where(parts, {field.name: field.kind for field in service.fields()})


def _parse_one(text: str, kinds: Mapping[str, str]) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        try:
            parsed = json.loads(text)
        except ValueError as error:
            raise InvalidInput(f"The filter {text!r} isn't valid JSON: {error}.") from None
        return dict(parsed)
    found = _COMPARISON.match(text)
    if not found:
        raise InvalidInput(
            f"A filter is field=value, field<value or a JSON object; got {text!r}. "
            'For example: --where color=red --where "price<50".'
        )
    operator = _OPERATORS[found["sign"]]
    typed = found["value"].strip()
    field = found["field"].strip()
    if field in kinds and kinds[field] != "mixed":
        return {field: {operator: _read_as(kinds[field], typed)}}
    value = parse_value(typed)
    if isinstance(value, str) or operator not in {"$eq", "$ne"} or isinstance(value, bool):
        return where_field(field, {operator: value})
    # 42 may stand in the catalog as a number or as a text; whoever types it means both.
    either = "$in" if operator == "$eq" else "$nin"
    return where_field(field, {either: [value, typed]})


def _read_as(kind: str, typed: str) -> str | int | float | bool:
    """What was typed, as a value of this kind where it is one; else as the text that it is."""
    if kind == "boolean":
        return _WORDS.get(typed.lower(), typed)
    if kind != "number":
        return typed
    number = parse_value(_LEADING_ZEROS.sub(r"\1", typed))
    return typed if isinstance(number, bool) else number


def parse_value(text: str) -> str | int | float | bool:
    """What a typed value most likely means."""
    if text in {"true", "false"}:
        return text == "true"
    if not _NUMBER.fullmatch(text):
        return text
    try:
        return int(text)
    except ValueError:
        number = float(text)
        return number if math.isfinite(number) else text


def parse_crop(text: str | None) -> Crop | None:
    """A crop typed as "x,y,width,height" in fractions."""
    if text is None:
        return None
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise InvalidInput(
            "A crop is x,y,width,height in fractions of the picture, such as 0.25,0.1,0.5,0.5; "
            f"got {text!r}."
        ) from None
    return Crop(x, y, width, height)


def parse_metadata(pairs: Sequence[str] | None) -> dict[str, Value]:
    """Metadata typed as name=value pairs or JSON objects."""
    metadata: dict[str, Value] = {}
    for pair in pairs or ():
        if pair.lstrip().startswith("{"):
            try:
                metadata.update(json.loads(pair))
            except ValueError as error:
                raise InvalidInput(f"The metadata {pair!r} isn't valid JSON: {error}.") from None
            continue
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise InvalidInput(f"Metadata is name=value or a JSON object; got {pair!r}.")
        metadata[name] = parse_value(value)
    return metadata


def warn(warnings: Iterable[str]) -> None:
    """Say on standard error what a person may not have meant."""
    for warning in warnings:
        console(error=True).print(warning, style="yellow", markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    document = json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None)
    sys.stdout.write(f"{escaped_json(document)}\n")


def console(*, error: bool = False) -> Console:
    """Where people read; what is printed to it as a text can't command the terminal."""
    from kinlens.cli.terminal import SafeConsole

    return SafeConsole(stderr=error, highlight=False)


def title(item_id: str, metadata: Metadata) -> str:
    """What a person would call the item: its title or name where it has one, by the page's rule."""
    for pattern in _TITLES:
        for name, value in metadata.items():
            if isinstance(value, str) and value and pattern.search(name):
                return value
    return item_id


def brief(metadata: Metadata, limit: int = 5) -> str:
    """The first few metadata values besides the title, for a table's cell."""
    shown = [
        show(value)
        for name, value in metadata.items()
        if value not in (None, "") and value != title("", metadata)
    ]
    return " · ".join(shown[:limit])


def show(value: Any) -> str:
    """A metadata value for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def table(columns: Mapping[str, str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under column names; an empty column is left out.

    Parameters
    ----------
    columns : how each is justified, by its name
    rows : a cell for each column
    """
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="dim")
    filled = [not rows or any(row[place] for row in rows) for place in range(len(columns))]
    for name, justify in compress(columns.items(), filled):
        grid.add_column(escaped(name), justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        grid.add_row(*(Text(escaped(cell)) for cell in compress(row, filled)))
    console().print(grid)


def human_bytes(count: float) -> str:
    """1234567 -> 1.2 MB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
