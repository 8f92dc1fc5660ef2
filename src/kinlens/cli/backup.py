"""`kinlens backup` and `restore`: copies of a catalog."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from kinlens.cli import common

Target = Annotated[
    Path,
    typer.Argument(
        metavar="TARGET", help="A new or empty folder, or that of a former backup of this catalog."
    ),
]
Source = Annotated[Path, typer.Argument(metavar="BACKUP", help="The folder of a backup.")]
Keep = Annotated[int, typer.Option(help="How many backups stay in it.", min=1)]
Adopt = Annotated[
    bool,
    typer.Option("--adopt", help="Go on with the backup of a data folder that was elsewhere."),
]
Generation = Annotated[
    str | None,
    typer.Option(help="Which of the backups in it (default: the newest).", show_default=False),
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Move a data folder that is there aside, first.")
]
Check = Annotated[bool, typer.Option("--check", help="Only compare the backup with its manifest.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(backup)
    app.command()(restore)


def backup(
    target: Target,
    data: common.Data = None,
    keep: Keep = 2,
    adopt: Adopt = False,
    json: common.Json = False,
) -> None:
    """Copy the catalog while it is in use; again, it copies only what changed.

    Keys, the secret and the kept pictures are in it; picture files that stay where they are aren't.
    Exits 1 if the catalog lacks pictures, which the backup then lacks as well.
    """
    from kinlens.admin import backup as run

    report = run(target, data, keep=keep, adopt=adopt)
    if json:
        common.print_json(_plain(asdict(report)))
    else:
        same = f", unchanged: {', '.join(report.unchanged)}" if report.unchanged else ""
        common.console().print(
            f"{report.items:,} items and {report.pictures:,} pictures are in {report.target}, as "
            f"{report.generation}. Copied {report.copied:,} pictures, "
            f"{common.human_bytes(report.copied_bytes)} in all{same}.",
            markup=False,
            soft_wrap=True,
        )
        _tell_of_files(report.files_elsewhere)
    _end(report.lacking, json=json)


def restore(
    source: Source,
    data: common.Data = None,
    generation: Generation = None,
    replace: Replace = False,
    check: Check = False,
    json: common.Json = False,
) -> None:
    """Make a data folder of a verified backup; nothing that was there is used or deleted."""
    from kinlens.admin import restore as run
    from kinlens.admin import verify_backup

    if check:
        report = verify_backup(source, generation=generation)
    else:
        report = run(source, data, generation=generation, replace=replace)
    if json:
        common.print_json(_plain(asdict(report)))
        return
    what = f"is restored to {report.folder}" if report.folder else "is as it was written"
    common.console().print(
        f"{report.generation} {what}: {report.items:,} items, {report.pictures:,} pictures.",
        markup=False,
        soft_wrap=True,
    )
    if report.aside:
        common.console().print(
            f"What was there before is in {report.aside}.", markup=False, soft_wrap=True
        )
    _tell_of_files(report.files_elsewhere)
    _warn_of_lacking(report.lacking)


def _tell_of_files(count: int) -> None:
    if count:
        common.console().print(
            f"The pictures of {count:,} items are files that stay where they are; they aren't in "
            "the backup.",
            style="dim",
            soft_wrap=True,
        )


def _end(lacking: tuple[str, ...], *, json: bool) -> None:
    if lacking:
        if not json:
            _warn_of_lacking(lacking)
        raise typer.Exit(1)


def _warn_of_lacking(lacking: tuple[str, ...]) -> None:
    if lacking:
        common.warn(
            [
                f"{len(lacking):,} pictures are missing or damaged in the data folder, and aren't "
                "in the backup; `kinlens doctor --deep` names their items."
            ]
        )


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in facts.items()}
