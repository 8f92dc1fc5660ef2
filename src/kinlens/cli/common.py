"""Options that several verbs take, and how they print."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinlens.catalog.filters import where_field
from kinlens.errors import InvalidInput
from kinlens.printable import escaped_json
from kinlens.types import MAX_INTEGER, MIN_INTEGER, Crop, Metadata, Value, Where

if TYPE_CHECKING:
    from rich.console import Console

    from kinlens.cli.tables import Kind
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
_OPERATORS = {"!=": "$ne", "<=": "$lte", ">=": "$gte", "<": "$lt", ">": "$gt", "=": "$eq"}


def open_catalog(data: Path | None, encoder: str | None = None) -> Search:
    """The search service over an existing catalog, for one command."""
    from kinlens.wiring import open_search

    return open_search(data, encoder, create=False, lazy=True, resident=False)


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
            except (ValueError, RecursionError) as error:
                raise InvalidInput(f"The metadata {pair!r} isn't valid JSON: {error}.") from None
            continue
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise InvalidInput(f"Metadata is name=value or a JSON object; got {pair!r}.")
        metadata[name] = _metadata_value(name, value)
    return metadata


def _metadata_value(name: str, typed: str) -> Value:
    """A metadata value as typed: a number, true, false, null, JSON in quotes or brackets, text."""
    text = typed.strip()
    if text[:1] in {'"', "[", "{"} or text == "null":
        return _json_value(name, text)
    value = parse_value(text)
    beyond = isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER
    if beyond or (isinstance(value, str) and _NUMBER.fullmatch(text)):
        raise InvalidInput(
            f"{name} is a number that isn't kept exactly: whole numbers go from -2**63 to "
            f"2**63 - 1, others up to 1.8e308; got {text:.60}. Put it in quotes to keep it as a "
            f"text: --set '{name}=\"...\"'."
        )
    return typed if isinstance(value, str) else value


def _json_value(name: str, text: str) -> Value:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{name} begins as JSON and can't be read as such: {error}; got {text:.80}. A list is "
            f'--set \'{name}=["a", "b"]\', a text that begins like this is put in quotes, with '
            "a backslash before each quote in it: --set 'note=\"[new]\"'."
        ) from None
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return value
    raise InvalidInput(
        f"{name} needs to be a text, a number, true, false, null or a list of texts, such as "
        f'--set \'{name}=["a", "b"]\'; got {text:.80}.'
    )


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


def show(value: Any) -> str:
    """A metadata value for people."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def table(columns: Mapping[str, Kind], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under column names; see `kinlens.cli.tables.print_table`."""
    from kinlens.cli.tables import print_table

    print_table(list(columns.items()), rows)


def item_table(
    columns: Mapping[str, Kind],
    rows: Sequence[Sequence[str]],
    items: Sequence[tuple[str, Metadata]],
) -> None:
    """Print items with their titles and their metadata, a column a field.

    Parameters
    ----------
    columns, rows : what comes before the metadata, see `table`
    items : id and metadata of each row
    """
    from kinlens.cli.captions import Captions
    from kinlens.cli.tables import print_table

    shown = [metadata for _, metadata in items]
    titles = Captions(items).fields
    fields = list(dict.fromkeys([*titles, *(name for metadata in shown for name in metadata)]))
    heads = [*columns.items(), *((name, _kind(name, shown)) for name in fields)]
    cells = [
        [*row, *(show(metadata.get(name)) for name in fields)]
        for row, metadata in zip(rows, shown, strict=True)
    ]
    print_table(heads, cells)


def _kind(name: str, shown: Sequence[Metadata]) -> Kind:
    values = [metadata[name] for metadata in shown if metadata.get(name) is not None]
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)
    return "number" if numbers else "value"


def human_bytes(count: float) -> str:
    """1234567 -> 1.2 MB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
