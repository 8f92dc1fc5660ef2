"""What an indexing run says: progress while it runs, a report at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, TypeAlias

from kinlens.sources import ColumnReport
from kinlens.types import Outcome

SHOWN_FAILURES = 1000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Parameters
    ----------
    done, total : entries of the source; total is None where it isn't known
    rate : entries a second, lately
    seconds_left : an estimate, or None where there is none yet
    failed : of those done
    """

    done: int
    total: int | None
    rate: float
    seconds_left: float | None
    failed: int = 0


ProgressCallback: TypeAlias = Callable[[Progress], None]


@dataclass(slots=True)
class Report:
    """What became of a source.

    Parameters
    ----------
    indexed : encoded, or their metadata changed
    unchanged, failed, removed : the others
    seconds : the run took
    duplicates : of the pictures indexed, those that the catalog has under another id as well
    interrupted : by Ctrl-C, before the end of the source; the next run goes on
    prune_refused : why nothing was pruned although that was asked for, and what to do; else ""
    kept_unseen : items that weren't pruned because the folder they were in can't be read
    columns : columns with values of another kind than they are read as
    notes : what the sources left out or completed, a sentence each
    failures : the first thousand of those that failed; the ledger has them all
    """

    indexed: int = 0
    unchanged: int = 0
    failed: int = 0
    removed: int = 0
    seconds: float = 0.0
    duplicates: int = 0
    interrupted: bool = False
    prune_refused: str = ""
    kept_unseen: int = 0
    columns: list[ColumnReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[Outcome] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Entries of the source that have been dealt with."""
        return self.indexed + self.unchanged + self.failed

    @property
    def succeeded(self) -> bool:
        """False where every entry failed, or pruning was asked for and refused."""
        all_failed = self.failed > 0 and self.failed == self.done
        return not (all_failed or self.prune_refused)

    def count(self, outcomes: Sequence[Outcome]) -> None:
        """Add outcomes."""
        for outcome in outcomes:
            setattr(self, outcome.state, getattr(self, outcome.state) + 1)
            if outcome.state == "failed" and len(self.failures) < SHOWN_FAILURES:
                self.failures.append(outcome)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, for programs."""
        facts = asdict(self)
        facts["columns"] = [column.to_dict() for column in self.columns]
        facts["seconds"] = round(self.seconds, 3)
        facts["failures"] = [
            {"id": entry.id, "reason": entry.reason, "reference": entry.reference}
            for entry in self.failures
        ]
        return facts


class Counted(Protocol):
    """What `Pace` tells of."""

    @property
    def done(self) -> int:
        """Of what there is to do."""

    @property
    def failed(self) -> int:
        """Of those done."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers to tell, where there is no report that holds them."""

    done: int
    failed: int = 0


class Pace:
    """Tells a callback how far a run is, now and then.

    Parameters
    ----------
    callback : gets `Progress`
    total : entries, where known
    """

    INTERVAL = 0.1
    MEMORY = 5.0
    """Seconds over which the rate is averaged."""

    def __init__(self, callback: ProgressCallback | None, total: int | None) -> None:
        self._callback = callback
        self._total = total
        self._told = float("-inf")
        self._marks = [(time.monotonic(), 0)]

    def tell(self, report: Counted, *, last: bool = False) -> None:
        """Call back, unless that was done a moment ago."""
        now = time.monotonic()
        if self._callback is None or (now - self._told < self.INTERVAL and not last):
            return
        self._told = now
        self._marks.append((now, report.done))
        while len(self._marks) > 2 and now - self._marks[1][0] > self.MEMORY:
            self._marks.pop(0)
        since, before = self._marks[0]
        rate = (report.done - before) / max(now - since, 1e-9)
        left = (self._total - report.done) / rate if self._total is not None and rate else None
        self._callback(Progress(report.done, self._total, rate, left, report.failed))
