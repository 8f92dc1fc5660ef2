"""What an inspection found: faults by part, with what can be done about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

NAMES_SHOWN = 5

State = Literal["rebuildable", "lost", "notice"]
"""Rebuildable: `repair` restores it. Lost: nothing does but a backup. Notice: no damage."""


@dataclass(slots=True)
class Finding:
    """One kind of fault in one part of the data folder.

    Parameters
    ----------
    part : file or folder within the data folder
    fault : what is wrong
    state : whether it can be rebuilt
    remedy : what to do, or what `repair` does
    count : how many have the fault
    names : the first of them
    """

    part: str
    fault: str
    state: State
    remedy: str
    count: int = 0
    names: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """One sentence for people."""
        shown = ", ".join(self.names)
        more = self.count - len(self.names)
        named = f" ({shown}{f' and {more:,} more' if more > 0 else ''})" if shown else ""
        times = f" [{self.count:,}]" if self.count > 1 else ""
        return f"{self.part}: {self.fault}{times}{named}. {self.remedy}"


@dataclass(slots=True)
class Inspection:
    """What an inspection found.

    Parameters
    ----------
    folder : the data folder
    items : that are readable; None where there is no database
    vectors : usable ones
    pictures : references that were looked at
    findings : faults, in the order found
    """

    folder: Path
    items: int | None = None
    vectors: int = 0
    pictures: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged or lost."""
        return all(one.state == "notice" for one in self.findings)

    def of(self, state: State) -> list[Finding]:
        """The findings of one state."""
        return [one for one in self.findings if one.state == state]

    def note(
        self,
        part: str,
        fault: str,
        state: State,
        remedy: str,
        *,
        names: Sequence[str] = (),
        count: int | None = None,
    ) -> None:
        """Add a finding, or add to the one of the same part, fault and state."""
        for found in self.findings:
            if (found.part, found.fault, found.state) == (part, fault, state):
                break
        else:
            found = Finding(part, fault, state, remedy)
            self.findings.append(found)
        found.count += count if count is not None else max(1, len(names))
        room = NAMES_SHOWN - len(found.names)
        found.names += [printable(name) for name in names[: max(0, room)]]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "folder": str(self.folder),
            "items": self.items,
            "vectors": self.vectors,
            "pictures": self.pictures,
            "sound": self.sound,
            "findings": [
                {
                    "part": one.part,
                    "fault": one.fault,
                    "state": one.state,
                    "count": one.count,
                    "names": one.names,
                    "remedy": one.remedy,
                }
                for one in self.findings
            ],
        }


def printable(name: object, limit: int = 80) -> str:
    """A name of any bytes or type as a short printable text."""
    text = name if isinstance(name, str) else repr(name)
    text = text.encode("utf-8", "backslashreplace").decode()
    text = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
