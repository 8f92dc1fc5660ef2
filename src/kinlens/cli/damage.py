"""How `kinlens doctor --deep` and `--repair` print what they find and do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinlens.cli import common
from kinlens.config import Settings

if TYPE_CHECKING:
    from kinlens.maintenance import Inspection
    from kinlens.maintenance.findings import State

_TITLES: dict[State, tuple[str, str]] = {
    "rebuildable": ("Damaged, and can be rebuilt (kinlens doctor --repair)", "yellow"),
    "lost": ("Lost", "red"),
    "notice": ("Not damage", "dim"),
}


def inspect(settings: Settings, *, files: bool, json: bool) -> bool:
    """Read the catalog and print what is damaged; gives whether it is sound."""
    from kinlens.admin import inspect_catalog

    found = inspect_catalog(settings=settings, files=files)
    if json:
        common.print_json(found.to_dict())
    else:
        _print(found)
    return found.sound


def repair(settings: Settings, *, files: bool, drop_lost: bool, json: bool) -> bool:
    """Repair the catalog and print what was done; gives whether it is sound then."""
    from kinlens.admin import repair_catalog

    report = repair_catalog(settings=settings, files=files, drop_lost=drop_lost)
    if json:
        common.print_json(report.to_dict())
        return report.after.sound
    say = common.console()
    _print_findings(report.before)
    for line in report.done:
        say.print(f"Done: {line}", markup=False, soft_wrap=True)
    if report.aside:
        say.print(f"What was damaged is in {report.aside}.", markup=False, soft_wrap=True)
    say.print("\nAfter the repair:", markup=False)
    _print(report.after)
    return report.after.sound


def _print(found: Inspection) -> None:
    _print_findings(found)
    items = "no catalog" if found.items is None else f"{found.items:,} items"
    say = common.console()
    say.print(
        f"Read {items}, {found.vectors:,} vectors, {found.pictures:,} pictures in {found.folder}.",
        markup=False,
        soft_wrap=True,
    )
    if found.sound:
        say.print("All is well.", style="green")


def _print_findings(found: Inspection) -> None:
    for state, (title, style) in _TITLES.items():
        if findings := found.of(state):
            common.console().print(f"{title}:", style=style, markup=False)
            for one in findings:
                common.console().print(f"  {one.text}", markup=False, soft_wrap=True)
