"""The contents of a catalog's database, read past damage: what is usable, and what is wrong.

An inspection, which only counts, and a salvage, which stores what is usable, both read by this.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kinlens.catalog.ledger import STATES
from kinlens.maintenance import rows
from kinlens.maintenance.findings import Inspection, State
from kinlens.maintenance.folder import CATALOG
from kinlens.maintenance.rows import Row, readable_rows
from kinlens.store import COPY
from kinlens.types import EncoderIdentity

PRESENT = {"indexed", "unchanged"}
"""States of the ledger that tell of an item."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Values that no longer are in the catalog after a repair, as far as they are readable."""

    table: str
    reason: str
    values: dict[str, Any]


@dataclass(slots=True)
class Picture:
    """What the catalog says of an item's picture."""

    item: str
    reference: str
    digest: str


@dataclass(slots=True)
class Contents:
    """What was read.

    Parameters
    ----------
    connection : see `databases.reader`
    found : where faults are noted
    copies : digests of the copies in the pictures folder
    idle : whether nobody has it open; else an item's ledger row may be about to change
    pictures : of each readable item, by its row
    refresh : rows of items whose vector, content hash or size has to be made from the picture
    lost : readable values that can't be kept
    ids : of the readable items
    spaces : encoders by the number of their space
    active : the number of the active space
    revision : of the last write
    last_row : the largest that was ever given to an item
    states : of the ledger, by id
    """

    connection: sqlite3.Connection
    found: Inspection
    copies: set[str] = field(default_factory=set)
    idle: bool = True
    pictures: dict[int, Picture] = field(default_factory=dict)
    refresh: set[int] = field(default_factory=set)
    lost: list[Lost] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    spaces: dict[int, EncoderIdentity] = field(default_factory=dict)
    active: int | None = None
    revision: int = 0
    last_row: int = 0
    states: dict[str, str] = field(default_factory=dict)

    def note(self, fault: str, state: State, remedy: str, *names: str, count: int = 1) -> None:
        """Note a fault of the database."""
        self.found.note(CATALOG, fault, state, remedy, names=names, count=count)

    def read_counters(self) -> None:
        """Read `meta`, and the largest row that was ever given out."""
        counters = dict(self._small("SELECT name, value FROM meta"))
        if not all(rows.is_revision(counters.get(name)) for name in ("revision", "deletions_from")):
            self.note("counters are missing", "rebuildable", "They are counted again.")
        revision = counters.get("revision")
        if isinstance(revision, int) and revision >= 0:
            self.revision = revision
        else:
            self.revision = self._largest_revision()
        if (start := counters.get("deletions_from")) is not None and (
            not isinstance(start, int) or start > self.revision
        ):
            self.note("a counter is beyond the last revision", "rebuildable", "It is set again.")
        for (last,) in self._small("SELECT seq FROM sqlite_sequence WHERE name = 'items'"):
            self.last_row = last if rows.is_revision(last) else 0
        self._check_deletions()

    def _check_deletions(self) -> None:
        remedy = "Readers load the catalog again instead."
        for row, revision in self._small("SELECT row, revision FROM deletions"):
            if not rows.is_revision(row) or not rows.is_revision(revision):
                self.note("a deletion isn't readable", "rebuildable", remedy)
                continue
            self.last_row = max(self.last_row, row)
            if revision > self.revision:
                self.note("a deletion is of a revision to come", "rebuildable", remedy)

    def _largest_revision(self) -> int:
        found = self._small("SELECT max(revision) FROM items")
        return found[0][0] if found and rows.is_revision(found[0][0]) else 0

    def read_spaces(self) -> None:
        """Read which encoders' vectors there are."""
        query = "SELECT space, fingerprint, name, dim, active FROM spaces"
        for space, fingerprint, name, dim, active in self._small(query):
            if not _is_space(space, fingerprint, name, dim):
                self.note(
                    "an encoder's entry isn't usable",
                    "rebuildable",
                    "Vectors are made again with the encoder that the folder names.",
                )
                continue
            self.spaces[space] = EncoderIdentity(name, fingerprint, dim)
            if active == 1 and self.active is None:
                self.active = space
        if self.active is None and self._small("SELECT row FROM items LIMIT 1"):
            self.note(
                "no encoder's vectors are the active ones",
                "rebuildable",
                "Those of the encoder that the folder names become active.",
            )

    def items(self) -> Iterator[tuple[int, Row]]:
        """Usable items by row; values that are damaged come replaced."""
        names = rows.columns_of(self.connection, "items")
        names = [name for name in names if name != "row"]
        skipped = partial(self._unreadable, "items")
        for row, values in readable_rows(self.connection, "items", names, skipped):
            item = self._checked_item(row, values)
            if item is not None:
                self.last_row = max(self.last_row, row)
                self.ids.add(item["id"])
                self.pictures[row] = Picture(item["id"], item["picture"], item["content_hash"])
                yield row, item

    def _checked_item(self, row: int, values: Row) -> Row | None:
        fault = rows.id_fault(values["id"])
        if fault is None and values["id"] in self.ids:
            fault = "the id is another item's too"
        if fault or row < 1 or row in self.pictures:
            self._lose("items", fault or "the row's number isn't usable", values)
            return None
        faults = rows.item_faults(values)
        self._restore_reference(values, faults)
        if "picture" in faults:
            self._lose("items", faults["picture"], values)
            return None
        if faults:
            self.refresh.add(row)
            for fault in faults.values():
                remedy = "It is read from the picture again."
                self.note(fault, "rebuildable", remedy, values["id"])
        self._check_metadata(values)
        if not _are_revisions(values, self.revision):
            remedy = "It is set to the last one."
            self.note("the revision isn't usable", "rebuildable", remedy, values["id"])
            values["revision"] = values["encoded"] = self.revision
        return values

    def _restore_reference(self, values: Row, faults: dict[str, str]) -> None:
        """A picture's copy is named by its content, so each tells the other."""
        digest = values["content_hash"]
        if "picture" in faults and "content_hash" not in faults and digest in self.copies:
            self.note(
                faults.pop("picture"), "rebuildable", "The copy is found by the hash.", values["id"]
            )
            values["picture"] = COPY + digest
        for column, blank in (("content_hash", ""), ("width", 0), ("height", 0)):
            if column in faults:
                values[column] = blank

    def _check_metadata(self, values: Row) -> None:
        usable, fault = rows.metadata_of(values["metadata"])
        if fault:
            self.lost.append(Lost("items", fault, dict(values)))
            remedy = "The usable fields are kept, the rest goes to lost.jsonl."
            self.note(fault, "lost", remedy, values["id"])
            values["metadata"] = json.dumps(usable, ensure_ascii=False, separators=(",", ":"))

    def vectors(self) -> Iterator[tuple[int, int, bytes]]:
        """Usable vectors as (row, space, bytes), after the items have been read."""
        with_vector: set[int] = set()
        seen: set[tuple[int, int]] = set()
        skipped = partial(self._unreadable, "vectors")
        columns = ["row", "space", "vector"]
        for _, values in readable_rows(self.connection, "vectors", columns, skipped):
            row, space, blob = values["row"], values["space"], values["vector"]
            if not self._is_wanted(row, space, blob) or (row, space) in seen:
                continue
            seen.add((row, space))
            if space == self.active:
                with_vector.add(row)
                self.found.vectors += 1
            yield row, space, blob
        for row in sorted(self.pictures.keys() - with_vector - self.refresh):
            self.refresh.add(row)
            remedy = "It is made from the picture again."
            self.note("the vector is missing", "rebuildable", remedy, self.pictures[row].item)

    def _is_wanted(self, row: Any, space: Any, blob: Any) -> bool:
        if not isinstance(row, int) or row not in self.pictures:
            self.note("a vector belongs to no item", "rebuildable", "It is left out.")
            return False
        if not isinstance(space, int) or space not in self.spaces:
            self.note("a vector belongs to no encoder", "rebuildable", "It is left out.")
            return False
        fault = rows.vector_fault(blob, self.spaces[space].dim)
        if fault:
            remedy = "It is made from the picture again."
            self.note(fault, "rebuildable", remedy, self.pictures[row].item)
        if fault and space == self.active:
            self.refresh.add(row)
        return fault is None and row not in self.refresh

    def ledger(self) -> Iterator[Row]:
        """Usable rows of the ledger, after the items have been read."""
        names = rows.columns_of(self.connection, "ledger")
        skipped = partial(self._unreadable, "ledger")
        for _, values in readable_rows(self.connection, "ledger", names, skipped):
            if not _is_outcome(values) or values["id"] in self.states:
                self.note("a row of the ledger isn't usable", "rebuildable", "It is left out.")
                continue
            self.states[values["id"]] = values["state"]
            if self.idle and values["state"] in PRESENT and values["id"] not in self.ids:
                self.note(
                    "the ledger tells of an item that the catalog doesn't have",
                    "lost",
                    "Index its source again; the ledger forgets it, so that it is read.",
                    values["id"],
                )
                continue
            yield values

    def _unreadable(self, table: str, first: int, last: int) -> None:
        state: State = "lost" if table == "items" else "rebuildable"
        remedy = {
            "items": "Index their sources again.",
            "vectors": "They are made from the pictures again.",
        }.get(table, "They are left out.")
        fault = f"rows of the table {table} can't be read"
        self.note(fault, state, remedy, f"{first} to {last}", count=last - first + 1)

    def _lose(self, table: str, reason: str, values: Row) -> None:
        self.lost.append(Lost(table, reason, values))
        remedy = "What is readable of it goes to lost.jsonl; add it again."
        self.note(reason, "lost", remedy, str(values.get("id")))

    def _small(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a small table up to where it is damaged."""
        found: list[tuple[Any, ...]] = []
        try:
            found.extend(self.connection.execute(query))
        except sqlite3.Error as error:
            table = query.split(" FROM ")[1].split(maxsplit=1)[0]
            fault = f"the table {table} can't be read ({error})"
            self.note(fault, "rebuildable", "It is made again.")
        return found


def _is_space(space: object, fingerprint: object, name: object, dim: object) -> bool:
    return (
        isinstance(space, int)
        and isinstance(fingerprint, str)
        and bool(fingerprint)
        and fingerprint.isprintable()
        and isinstance(name, str)
        and name.isprintable()
        and isinstance(dim, int)
        and 0 < dim <= 1 << 20
    )


def _are_revisions(values: Row, newest: int) -> bool:
    revision, encoded = values["revision"], values["encoded"]
    return (
        rows.is_revision(revision) and rows.is_revision(encoded) and encoded <= revision <= newest
    )


def _is_outcome(values: Row) -> bool:
    texts = (values["reason"], values["reference"], values["content_hash"])
    return (
        rows.id_fault(values["id"]) is None
        and values["state"] in STATES
        and all(_is_unicode(text) for text in texts)
        and not rows.number_fault(values["at"])
    )


def _is_unicode(text: object) -> bool:
    try:
        return isinstance(text, str) and text.encode().decode() == text
    except UnicodeEncodeError:
        return False
