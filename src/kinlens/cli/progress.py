"""How far a long run is, for people: a bar, a rate and the time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kinlens.cli import common

if TYPE_CHECKING:
    from kinlens.ingest import Progress


@contextmanager
def progress_bar(label: str, *, enabled: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A callback that moves a bar on standard error; None where nobody watches."""
    if not enabled or not sys.stderr.isatty():
        yield None
        return
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
