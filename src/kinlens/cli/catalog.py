"""`kinlens items`, `ledger` and `stats`: what a catalog holds and what became of each picture."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from kinlens.catalog.advice import filter_warnings
from kinlens.cli import common
from kinlens.errors import InvalidInput, NotFound
from kinlens.printable import escaped
from kinlens.types import Item, NewItem, Outcome, State, picture_source

if TYPE_CHECKING:
    from kinlens.cli.tables import Kind

items = typer.Typer(no_args_is_help=True, help="List, show, add or delete single items.")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(items, name="items")
    app.command()(ledger)
    app.command()(stats)


@items.command("list")
def list_items(
    where: common.WhereOption = None,
    limit: common.Limit = 50,
    after: common.After = None,
    json: common.Json = False,
    data: common.Data = None,
) -> None:
    """List items in order of their ids."""
    with common.open_catalog(data) as service:
        condition = common.where_for(service, where)
        with service.view(condition) as view:
            found = list(view.scan(after=after, limit=limit + 1))
            total, warnings = view.count(), filter_warnings(view)
    if json:
        listed = [asdict(item) for item in found[:limit]]
        common.print_json({"items": listed, "total": total, "warnings": warnings})
        return
    common.warn(warnings)
    listed_items = found[:limit]
    rows = [(item.id, f"{item.width}x{item.height}") for item in listed_items]
    common.item_table(
        {"id": "id", "size": "right"}, rows, [(item.id, item.metadata) for item in listed_items]
    )
    common.console().print(
        f"\n{len(rows):,} of {total:,}{_goes_on(found, limit)}", style="dim", markup=False
    )


@items.command("get")
def get_item(
    item_id: Annotated[str, typer.Argument(metavar="ID")], data: common.Data = None
) -> None:
    """Show all of one item, as JSON."""
    with common.open_catalog(data) as service:
        found = service.get([item_id])
    if item_id not in found:
        raise NotFound(f"No item {item_id!r} in the catalog; `kinlens items list` shows the ids.")
    common.print_json(asdict(found[item_id]))


@items.command("add")
def add_item(
    item_id: Annotated[str, typer.Argument(metavar="ID")],
    picture: Annotated[str, typer.Argument(help="A picture file or URL.")],
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Metadata, or a JSON object of it. A value is a number, true, false, null, a list "
            'such as ["a", "b"], or a text; what is in double quotes is a text. Repeat.',
            show_default=False,
        ),
    ] = None,
    data: common.Data = None,
) -> None:
    """Add an item, or replace the one of this id."""
    from kinlens.wiring import open_search

    fields = common.parse_metadata(metadata)
    new = NewItem(item_id, metadata=fields, **picture_source(picture))
    with open_search(data) as service:
        (outcome,) = service.add([new])
    if outcome.state == "failed":
        raise InvalidInput(f"{item_id} wasn't added. {outcome.reason}")
    common.console().print(escaped(f"{item_id}: {outcome.state}"), markup=False)


@items.command("delete")
def delete_items(
    ids: Annotated[list[str], typer.Argument(metavar="ID...")], data: common.Data = None
) -> None:
    """Delete items."""
    with common.open_catalog(data) as service:
        deleted = set(service.delete(ids))
    missing = [item_id for item_id in ids if item_id not in deleted]
    common.console().print(f"Deleted {len(deleted)}.")
    if missing:
        raise NotFound(f"Not in the catalog: {', '.join(missing)}.")


def ledger(
    failed: Annotated[bool, typer.Option("--failed", help="Only what failed.")] = False,
    state: Annotated[
        str | None,
        typer.Option(help=f"Only this state: {', '.join(get_args(State))}.", show_default=False),
    ] = None,
    limit: common.Limit = 1000,
    after: common.After = None,
    json: common.Json = False,
    data: common.Data = None,
) -> None:
    """Show what became of each picture, and why, in order of their ids."""
    if failed and state not in (None, "failed"):
        raise InvalidInput(f"--failed and --state {state} exclude each other; give one of them.")
    with common.open_catalog(data) as service:
        wanted = _state("failed" if failed else state)
        found = list(service.ledger(wanted, after=after, limit=limit + 1))
    rows = found[:limit]
    if json:
        common.print_json([asdict(row) for row in rows])
        return
    if not rows:
        common.console().print(_why_no_rows(wanted, after), markup=False)
        return
    columns: dict[str, Kind] = {"when": "right", "state": "right", "id": "id", "reason": "left"}
    shown = [(_when(row.at), row.state, row.id, row.reason) for row in rows]
    common.table(columns, shown)
    if len(found) > limit:
        common.console().print(
            f"\n{len(rows):,}{_goes_on(found, limit)}", style="dim", markup=False
        )


def _why_no_rows(state: State | None, after: str | None) -> str:
    if after:
        return f"Nothing comes after {after}."
    if state:
        return "Nothing failed." if state == "failed" else f"Nothing is {state}."
    return "The ledger is empty."


def _goes_on(found: Sequence[Item | Outcome], limit: int) -> str:
    return f" · --after {shlex.quote(found[limit - 1].id)} goes on" if len(found) > limit else ""


def _state(name: str | None) -> State | None:
    if name not in (None, *get_args(State)):
        raise InvalidInput(f"A state is one of {', '.join(get_args(State))}; got {name!r}.")
    return cast("State", name) if name else None


def stats(json: common.Json = False, data: common.Data = None) -> None:
    """Show the size of the catalog and its fields."""
    with common.open_catalog(data) as service:
        facts, fields = asdict(service.stats()), service.fields()
    if json:
        common.print_json({**facts, "fields": [asdict(field) for field in fields]})
        return
    # The encoder tells its dim, and the matrix is in the memory of a process that searches.
    shown = {name: facts[name] for name in facts if name not in {"dim", "matrix_bytes"}}
    rows = [(name.replace("_", " "), _fact(name, value)) for name, value in _flat(shown)]
    common.table({"catalog": "left", "": "left"}, rows)
    if fields:
        common.console().print()
        common.table(
            {"field": "left", "kind": "left", "items": "right", "values": "right"},
            [(f.name, f.kind, f"{f.count:,}", f"{f.distinct:,}") for f in fields],
        )


def _flat(facts: dict[str, object]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in facts.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        rows += [(f"{name} {key}".strip(), item) for key, item in inner]
    return rows


def _fact(name: str, value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return common.human_bytes(value) if "bytes" in name else f"{value:,}"
    return common.show(value)


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
