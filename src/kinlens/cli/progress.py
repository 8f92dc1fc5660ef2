"""How far a long run is, for people and for logs: a rate and the time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from kinlens.cli import common

if TYPE_CHECKING:
    from kinlens.ingest import Progress

LINE_EVERY = 10.0
"""Seconds between lines where no terminal shows a bar; a short run writes none."""


@contextmanager
def progress_bar(label: str, *, enabled: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A callback that moves a bar on standard error, or writes lines to it where it's no terminal.

    None where nobody is to be told.
    """
    if not enabled:
        yield None
    elif sys.stderr.isatty():
        yield from _bar(label)
    else:
        yield _lines(label)


def _lines(label: str) -> Callable[[Progress], None]:
    told = monotonic()

    def tell(progress: Progress) -> None:
        nonlocal told
        now = monotonic()
        if now - told >= LINE_EVERY:
            told = now
            print(f"{label}: {_done(progress)} · {_pace(progress)}", file=sys.stderr, flush=True)  # noqa: T201

    return tell


def _done(progress: Progress) -> str:
    if not progress.total:
        return f"{progress.done:,}"
    share = int(100 * progress.done / progress.total)
    return f"{progress.done:,} of {progress.total:,}, {share} %"


def _bar(label: str) -> Iterator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn(label),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}", style="dim"),
    )
    with Bar(*columns, console=common.console(error=True)) as bar:
        task = bar.add_task("", total=None, pace="")

        def tell(progress: Progress) -> None:
            bar.update(task, completed=progress.done, total=progress.total, pace=_pace(progress))

        yield tell


def _pace(progress: Progress) -> str:
    parts = [f"{progress.rate:,.0f} a second"]
    if progress.seconds_left is not None and progress.done:
        minutes, seconds = divmod(round(progress.seconds_left), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    return " · ".join(parts)
