"""The folder beside a table: what the next run goes on from.

similar.parquet          the table
similar.parquet.json     what it was made of
similar.parquet.state/   may be deleted; then the next run computes all anew
    current.json         the number of the last finished run, and what its table is made of
    7/                   that run: its items and its lists
    8/                   one under way, once run.json is in it
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kinlens.errors import OutputError
from kinlens.neighbors.array_files import replace_json, write_error

CURRENT = "current.json"
RUN = "run.json"
FORMAT = 1


class StateFolder:
    """The folder of one table.

    Parameters
    ----------
    output : the table's file
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.path = output.with_name(f"{output.name}.state")
        self._lock = FileLock(self.path / "lock", timeout=0)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs from it.

        Raises
        ------
        OutputError : another process writes this table, or nothing can be written here
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise OutputError(
                f"Another process is writing {self.output} at this moment; wait until it is done."
            ) from None
        except OSError as error:
            raise write_error(error, self.path) from error
        try:
            yield
        finally:
            self._lock.release()

    def current(self) -> dict[str, Any] | None:
        """What the last finished run noted; None if there is none of this format."""
        found = _json(self.path / CURRENT)
        if found is None or found["format"] != FORMAT or not self.run(found["run"]).is_dir():
            return None
        return found

    def under_way(self) -> dict[str, Any] | None:
        """What the run that was cut short noted; None if there is none that can go on."""
        current = self.current()
        for folder in self._runs():
            found = _json(folder / RUN)
            is_current = current is not None and current["run"] == found_number(folder)
            if found is not None and found["format"] == FORMAT and not is_current:
                return found
        return None

    def run(self, number: int) -> Path:
        """The folder of a run."""
        return self.path / str(number)

    def begin(self) -> int:
        """The number of a new run, whose empty folder is made; runs that were cut short go."""
        current = self.current()
        self.tidy()
        number = current["run"] + 1 if current else 1
        try:
            self.run(number).mkdir()
        except OSError as error:
            raise write_error(error, self.run(number)) from error
        return number

    def note(self, number: int, facts: dict[str, Any]) -> None:
        """From now on, this run goes on after a cut."""
        self._replace(self.run(number) / RUN, number, facts)

    def finish(self, number: int, facts: dict[str, Any]) -> None:
        """From now on, this run is the current one."""
        self._replace(self.path / CURRENT, number, facts)

    def tidy(self, *, keep: tuple[str, ...] = ()) -> None:
        """Delete all runs but the current one, and of that all but some files."""
        current = self.current()
        for folder in self._runs():
            if current is None or current["run"] != found_number(folder):
                shutil.rmtree(folder)
            elif keep:
                for entry in folder.iterdir():
                    if entry.is_dir():
                        shutil.rmtree(entry)
                    elif entry.name not in keep:
                        entry.unlink()

    def _replace(self, file: Path, number: int, facts: dict[str, Any]) -> None:
        try:
            replace_json(file, {"format": FORMAT, "run": number, **facts})
        except OSError as error:
            raise write_error(error, file) from error

    def _runs(self) -> list[Path]:
        return [entry for entry in self.path.iterdir() if entry.name.isdigit()]


def found_number(folder: Path) -> int:
    """Of a run."""
    return int(folder.name)


def _json(file: Path) -> dict[str, Any] | None:
    with suppress(FileNotFoundError, ValueError):
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found
    return None
