"""A console that prints texts from files and tables without obeying what is in them."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from kinlens.printable import escaped


class SafeConsole(Console):
    """A rich console that escapes control characters in the texts that it is given.

    Line feeds stay; whoever prints a name or a value in a line of its own escapes them as well, by
    `kinlens.printable.escaped`.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """See `rich.console.Console.print`."""
        safe = (escaped(one, lines=True) if isinstance(one, str) else one for one in objects)
        super().print(*safe, **options)
