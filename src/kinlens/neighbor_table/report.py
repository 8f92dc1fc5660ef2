"""What a run over a table of neighbors says."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kinlens.types import Outcome


@dataclass(slots=True)
class TableReport:
    """What became of a table.

    Parameters
    ----------
    output : its file
    items : of the catalog, in the snapshot the table was made from
    lists : items or queries that the table has neighbors of
    neighbors : its rows
    anew : lists that were searched among all items
    updated : lists that were compared with new items only; the others of `lists` are unchanged
    seconds : the run took
    resumed : whether it went on from one that was cut short
    reason : why all was computed anew; "" if it wasn't
    revision : of the catalog, in the snapshot
    certified : whether these are provably the true neighbors
    outside : whether the lists are of queries rather than items
    warnings : what the filters may not mean, such as a field that no item has
    failures : pictures to find neighbors of that couldn't be read
    """

    output: Path
    items: int = 0
    lists: int = 0
    neighbors: int = 0
    anew: int = 0
    updated: int = 0
    seconds: float = 0.0
    resumed: bool = False
    reason: str = ""
    revision: int = 0
    certified: bool = True
    outside: bool = False
    warnings: list[str] = field(default_factory=list)
    failures: list[Outcome] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, for programs."""
        facts = asdict(self)
        facts["output"] = str(self.output)
        facts["seconds"] = round(self.seconds, 3)
        facts["failures"] = [{"id": one.id, "reason": one.reason} for one in self.failures]
        return facts
