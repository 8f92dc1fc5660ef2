"""`kinlens neighbors`: the table of similar items, for a whole catalog, every night."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinlens.cli import common
from kinlens.cli.progress import progress_bar
from kinlens.errors import InvalidInput
from kinlens.printable import escaped

if TYPE_CHECKING:
    from kinlens.neighbor_table import TableReport

INTERRUPTED = 130
SHOWN_FAILURES = 10

_SIZE = re.compile(r"(?P<number>\d+(\.\d*)?)\s*(?P<unit>[kmgt]?)(i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(neighbors)


def neighbors(
    queries: Annotated[
        Path | None,
        typer.Argument(
            help="Find the neighbors of these instead of the catalog's items: a .npy or Parquet "
            "file of vectors, or a folder or table of pictures.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The Parquet file to write.")
    ] = Path("similar.parquet"),
    k: Annotated[int, typer.Option("-k", help="Neighbors of an item at most.")] = 20,
    metric: Annotated[str, typer.Option(help="cosine or euclidean.")] = "cosine",
    where: common.WhereOption = None,
    for_where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILTER",
            help="Only for such items; --where says which may be neighbors. Repeat for and.",
            show_default=False,
        ),
    ] = None,
    same: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD",
            help="Only neighbors with the same value of this field; of lists, that share one. "
            "Repeat.",
            show_default=False,
        ),
    ] = None,
    min_distance: Annotated[
        float | None,
        typer.Option(
            help="Leave out what is nearer, such as near-duplicates; farther ones follow. From 0 "
            "to 2.",
            show_default=False,
        ),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            help="Column of the vectors, in a Parquet file of queries.", show_default=False
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Memory to use, such as 500MB or 4GB (default: half of what is free).",
            show_default=False,
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Compute all anew, not only what can have changed.")
    ] = False,
    json: common.Json = False,
    data: common.Data = None,
    encoder: common.Encoder = None,
) -> None:
    """Write every item's nearest neighbors to a Parquet file: id, neighbor, rank and distance.

    Run again, it computes only what can have changed; interrupted, it goes on where it was.
    """
    from kinlens.neighbor_table import write_neighbors

    budget = parse_size(memory)
    with (
        common.open_catalog(data, encoder) as service,
        progress_bar("Neighbors", enabled=not json) as progress,
    ):
        filters = common.where_for(service, where), common.where_for(service, for_where)
        try:
            report = write_neighbors(
                service,
                output,
                k,
                metric=metric,  # type: ignore[arg-type]  # checked by TableOptions
                where=filters[0],
                for_where=filters[1],
                same=same or (),
                min_distance=min_distance,
                queries=queries,
                column=column,
                memory=budget,
                full=full,
                progress=progress,
            )
        except KeyboardInterrupt:
            say = common.console(error=True)
            say.print("Interrupted. The same command goes on from there.")
            raise typer.Exit(INTERRUPTED) from None
    if json:
        common.print_json(report.to_dict())
    else:
        _print(report)


def parse_size(text: str | None) -> int | None:
    """Bytes, from what was typed: 500MB, 4GB, 1.5g, 1000000."""
    if text is None:
        return None
    found = _SIZE.fullmatch(text.strip())
    if found is None or float(found["number"]) <= 0:
        raise InvalidInput(f"Memory is a size such as 500MB or 4GB; got {text!r}.")
    return max(1, int(float(found["number"]) * 1000 ** _POWERS[found["unit"].lower()]))


def _print(report: TableReport) -> None:
    say = common.console(error=True)
    say.print(
        f"{report.neighbors:,} neighbors of {report.lists:,} {_asked(report)} in "
        f"{report.output}, in {report.seconds:.1f} s. {_work(report)}",
        markup=False,
        soft_wrap=True,
    )
    common.warn(report.warnings)
    for outcome in report.failures[:SHOWN_FAILURES]:
        line = escaped(f"{outcome.id}: {outcome.reason}")
        say.print(f"  {line}", markup=False, style="yellow", soft_wrap=True)
    if len(report.failures) > SHOWN_FAILURES:
        say.print(f"  and {len(report.failures) - SHOWN_FAILURES:,} more; --json has all")


def _asked(report: TableReport) -> str:
    return "queries" if report.outside else "items"


def _work(report: TableReport) -> str:
    resumed = "Went on with a run that was cut short. " if report.resumed else ""
    if report.reason:
        return f"{resumed}All computed anew: {report.reason}."
    if not report.anew and not report.updated:
        return f"{resumed}Nothing has changed since the last run."
    return (
        f"{resumed}Only what can have changed: {report.anew:,} computed anew, {report.updated:,} "
        "compared with what is new."
    )
