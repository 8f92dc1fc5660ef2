"""The ledger: the last thing that became of each picture, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, get_args

from kinlens.catalog.database import BUSY_TIMEOUT, FILE_NAME, Database
from kinlens.errors import InvalidInput
from kinlens.types import Outcome, State, check_id

STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger remembers of a picture, to tell whether it changed.

    Parameters
    ----------
    content_hash : sha256 of its bytes, hex; "" if they could not be read
    reference : as the source named it
    state : what became of it
    """

    content_hash: str
    reference: str
    state: State


class Ledger:
    """One row for each picture, in the catalog's database. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, folder: Path, *, timeout: float = BUSY_TIMEOUT) -> Ledger:
        """The ledger of the catalog in a folder; `CatalogError` if there is no catalog."""
        return cls(Database(Path(folder) / FILE_NAME, create=False, timeout=timeout))

    def record(self, outcomes: Sequence[Outcome], hashes: Mapping[str, str] | None = None) -> None:
        """Store outcomes, all or none, durably; an id's former row is replaced.

        Parameters
        ----------
        outcomes : of pictures; of two with the same id the later one stays
        hashes : content hash by id; an "unchanged" picture keeps the one it has if none is given
        """
        hashes = hashes or {}
        rows = []
        for outcome in outcomes:
            check_id(outcome.id)
            _check_state(outcome.state)
            content_hash = hashes.get(outcome.id)
            if content_hash is None and outcome.state != "unchanged":
                content_hash = ""
            texts = (_storable(outcome.reason), _storable(outcome.reference))
            rows.append((outcome.id, outcome.state, *texts, content_hash, outcome.at))
        if rows:
            with self._database.write() as connection:
                connection.executemany(_RECORD, rows)

    def rows(
        self, state: State | None = None, *, after: str | None = None, limit: int | None = None
    ) -> list[Outcome]:
        """Rows in order of id (by UTF-8 bytes).

        Parameters
        ----------
        state : only these
        after : only ids greater than this
        limit : at most so many
        """
        if state is not None:
            _check_state(state)
        if after:
            check_id(after)
        condition, values = ("", []) if state is None else ("state = ? AND ", [state])
        with self._database.read() as connection:
            found = connection.execute(
                "SELECT id, state, reason, reference, at FROM ledger "
                f"WHERE {condition} id > ? ORDER BY id LIMIT ?",
                (*values, after or "", -1 if limit is None else limit),
            )
            return [Outcome(*record) for record in found]

    def counts(self) -> dict[State, int]:
        """How many rows are in each state."""
        with self._database.read() as connection:
            found = dict(connection.execute("SELECT state, count(*) FROM ledger GROUP BY state"))
        return {state: found.get(state, 0) for state in STATES}

    def known(self) -> dict[str, Known]:
        """What is remembered of each id."""
        with self._database.read() as connection:
            found = connection.execute("SELECT id, content_hash, reference, state FROM ledger")
            return {item_id: Known(*remembered) for item_id, *remembered in found}

    def remove(self, ids: Sequence[str]) -> None:
        """Forget ids; unknown ones don't matter."""
        with self._database.write() as connection:
            connection.executemany("DELETE FROM ledger WHERE id = ?", [(one,) for one in ids])

    def close(self) -> None:
        """Release the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


_RECORD = """
    INSERT INTO ledger (id, state, reason, reference, content_hash, at)
    VALUES (?1, ?2, ?3, ?4, coalesce(?5, ''), ?6)
    ON CONFLICT (id) DO UPDATE SET
        state = excluded.state, reason = excluded.reason, reference = excluded.reference,
        content_hash = coalesce(?5, content_hash), at = excluded.at
"""


def _check_state(state: str) -> None:
    if state not in STATES:
        raise InvalidInput(f"A state is one of {', '.join(STATES)}; got {state!r:.40}.")


def _storable(text: str) -> str:
    """File names that aren't UTF-8 hold lone surrogates, which SQLite can't store."""
    return text.encode("utf-8", "backslashreplace").decode()
