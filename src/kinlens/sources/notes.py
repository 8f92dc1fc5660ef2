"""What a source has to say of a run besides its entries, each thing once and counted."""

from __future__ import annotations

MOST = 20
"""Different notes that are kept; a table may have thousands of columns."""


class Notes:
    """Counts what was met since the iteration over a source began."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}

    def restart(self) -> None:
        """Count from the first entry again."""
        self._counts.clear()

    def add(self, one: str, many: str = "") -> None:
        """Count a thing.

        Parameters
        ----------
        one : what is said where it was met once
        many : what is said else, its first "#" for the number; "" for the same
        """
        key = (one, many)
        if key in self._counts or len(self._counts) < MOST:
            self._counts[key] = self._counts.get(key, 0) + 1

    def texts(self) -> list[str]:
        """A sentence for each thing, in the order in which they were met."""
        return [
            many.replace("#", f"{count:,}", 1) if many and count > 1 else one
            for (one, many), count in self._counts.items()
        ]
