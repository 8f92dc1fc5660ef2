"""`kinlens index` and `kinlens reencode`: how pictures come in, and move to another encoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinlens.cli import common
from kinlens.cli.progress import progress_bar
from kinlens.errors import InvalidInput
from kinlens.printable import escaped

if TYPE_CHECKING:
    from rich.console import Console

    from kinlens.ingest import Report

SHOWN_FAILURES = 10
INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(index)
    app.command()(reencode)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to index; see `kinlens.ingest.index`."""

    prune: bool = False
    prune_all: bool = False
    replace: bool = False
    retry_failed: bool = False
    refresh: bool = False
    wait: bool = False


def index(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of pictures, or a CSV, TSV, JSON, JSON Lines or Parquet table.",
            readable=False,  # it says itself why a source can't be read
            show_default=False,
        ),
    ] = None,
    data: common.Data = None,
    encoder: common.Encoder = None,
    id_column: Annotated[
        str, typer.Option(help="Column of the ids (default: id, sku ...).", show_default=False)
    ] = "",
    picture_column: Annotated[
        str,
        typer.Option(
            help="Column of the pictures: paths, URLs or data URLs (default: image, url ...).",
            show_default=False,
        ),
    ] = "",
    picture_template: Annotated[
        str,
        typer.Option(help="Picture of a row, such as 'images/{id}.jpg'.", show_default=False),
    ] = "",
    folders_as: Annotated[
        list[str] | None,
        typer.Option(help="Field that takes the sub-folders' names. Repeat.", show_default=False),
    ] = None,
    id_prefix: Annotated[
        str | None,
        typer.Option(
            help="Begins every id of this source, such as shop2/; kept for its later runs.",
            show_default=False,
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Leave these files and folders out of a folder: '*_thumb.jpg', 'drafts/', "
            "'2019/**/*.png'. Kept for later runs; '' ends that. Repeat.",
            show_default=False,
        ),
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option(
            "--type",
            metavar="COLUMN=KIND",
            help="What a column holds: string, number, integer, boolean, date, list; or auto. "
            "Other values are left out and reported. Kept for later runs. Repeat.",
            show_default=False,
        ),
    ] = None,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            help="Remove items that this source no longer has, unless it is empty, can't be read "
            "in part, or would lose more than a third.",
        ),
    ] = False,
    prune_all: Annotated[
        bool, typer.Option("--prune-all", help="Remove them all the same.")
    ] = False,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Take over items of other sources, and those added by hand."
        ),
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Only what failed before; without SOURCE, everywhere."),
    ] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Fetch pictures at URLs again.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait while another indexer is at work.")
    ] = False,
    json: common.Json = False,
) -> None:
    """Index pictures; run again, it encodes only what is new or changed.

    A picture that can't be read is reported and doesn't count as an error: the exit status is 0.
    It is 1 where every picture failed, and where nothing was pruned although that was asked for.
    """
    if source is None and not retry_failed:
        raise InvalidInput("What to index is missing; name a folder of pictures, or a table.")
    options = {
        "id_column": id_column,
        "picture_column": picture_column,
        "picture_template": picture_template,
        "folders_as": tuple(folders_as or ()),
        "id_prefix": id_prefix,
        "exclude": parse_exclude(exclude),
        "types": parse_types(types),
    }
    run_options = RunOptions(prune, prune_all, replace, retry_failed, refresh, wait)
    if not run(source, data, options, run_options, encoder, json=json).succeeded:
        raise typer.Exit(1)


def parse_exclude(typed: list[str] | None) -> tuple[str, ...] | None:
    """Patterns as typed; an empty one alone ends those of former runs, and None keeps them."""
    if not typed:
        return None
    return () if typed == [""] else tuple(typed)


def parse_types(typed: list[str] | None) -> dict[str, str]:
    """Kinds by column, typed as price=number."""
    pairs = [pair.rpartition("=") for pair in typed or ()]
    for name, _, kind in pairs:
        if not name:
            raise InvalidInput(f"--type takes COLUMN=KIND, such as price=number; got {kind!r}.")
    types: dict[str, str] = {}
    for name, _, kind in pairs:
        column = name.strip()
        if types.setdefault(column, kind) != kind:
            raise InvalidInput(
                f"--type declares {column!r} as {types[column]} and as {kind}; give one of them."
            )
    return types


def run(
    source: Path | None,
    data: Path | None,
    options: dict[str, Any],
    run_options: RunOptions,
    encoder: str | None = None,
    *,
    json: bool,
) -> Report:
    """Index a source with a progress bar, and print the report."""
    from kinlens.ingest import index as run_index
    from kinlens.sources import SourceOptions, open_source
    from kinlens.wiring import open_search

    # Before the catalog is made: a mistyped source leaves no empty folder behind.
    opened = open_source(source, SourceOptions(**options)) if source is not None else None
    with (
        open_search(data, encoder) as service,
        progress_bar("Indexing", enabled=not json) as progress,
    ):
        report = run_index(
            service,
            opened,
            prune=run_options.prune,
            prune_all=run_options.prune_all,
            replace=run_options.replace,
            retry_failed=run_options.retry_failed,
            refresh=run_options.refresh,
            wait=float("inf") if run_options.wait else 0.0,
            progress=progress,
        )
        folder = service.data
    _finish(report, folder, json=json)
    if not (json or report.done or report.interrupted):
        empty = (
            "Nothing had failed."
            if run_options.retry_failed
            else f"There are no pictures in {source}."
        )
        common.console(error=True).print(empty, markup=False)
    return report


def reencode(
    encoder: Annotated[
        str, typer.Option("--encoder", "-e", help="The encoder to move to.", show_default=False)
    ],
    data: common.Data = None,
    drop_failed: Annotated[
        bool, typer.Option("--drop-failed", help="Delete items whose pictures can't be read.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait while an indexer is at work.")] = False,
    json: common.Json = False,
) -> None:
    """Encode the whole catalog with another encoder, then switch to it at once."""
    from kinlens.config import load_settings
    from kinlens.wiring import reencode as run_reencode

    folder = load_settings({"data": data}).data
    with progress_bar("Indexing", enabled=not json) as progress:
        report = run_reencode(
            folder,
            encoder,
            drop_failed=drop_failed,
            wait=float("inf") if wait else 0.0,
            progress=progress,
        )
    _finish(report, folder, json=json)


def _finish(report: Report, folder: Path, *, json: bool) -> None:
    if json:
        common.print_json(report.to_dict())
    else:
        _print(report, folder)
    if report.interrupted:
        raise typer.Exit(INTERRUPTED)


def _print(report: Report, folder: Path) -> None:
    say = common.console(error=True)
    rate = f" ({report.indexed / report.seconds:,.0f} a second)" if report.indexed else ""
    say.print(
        f"{'Interrupted after' if report.interrupted else 'Done in'} {report.seconds:.1f} s: "
        f"{report.indexed:,} indexed{rate}, {report.unchanged:,} unchanged, "
        f"{report.failed:,} failed, {report.removed:,} removed. Catalog: {folder}",
        markup=False,
        soft_wrap=True,
    )
    for outcome in report.failures[:SHOWN_FAILURES]:
        line = escaped(f"{outcome.id}: {outcome.reason}")
        say.print(f"  {line}", markup=False, style="yellow", soft_wrap=True)
    if report.failed > SHOWN_FAILURES:
        say.print(
            f"  and {report.failed - SHOWN_FAILURES:,} more; `kinlens ledger --failed` has all"
        )
    _print_notes(report, say)
    if report.interrupted:
        say.print("The same command goes on from there.")


def _print_notes(report: Report, say: Console) -> None:
    for note in report.notes:
        say.print(note, markup=False, soft_wrap=True)
    for column in report.columns:
        say.print(str(column), markup=False, style="yellow", soft_wrap=True)
    if report.duplicates:
        say.print(
            f"{report.duplicates:,} of the pictures indexed are in the catalog under another id "
            "as well."
        )
    if report.kept_unseen:
        say.print(
            f"{report.kept_unseen:,} items in folders that can't be read were kept.", style="yellow"
        )
    if report.prune_refused:
        say.print(report.prune_refused, markup=False, style="yellow", soft_wrap=True)
