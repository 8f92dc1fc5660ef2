"""The readable contents of a catalog's database, from the copy of it that gives the most."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from kinlens.catalog import schema
from kinlens.maintenance import databases, rows
from kinlens.maintenance.contents import Contents
from kinlens.maintenance.databases import Schema, catalog_schemas, reader
from kinlens.maintenance.findings import Inspection
from kinlens.maintenance.folder import CATALOG

_TABLES = ("meta", "spaces", "items", "vectors", "deletions", "ledger")
LOG = CATALOG + "-wal"


@contextmanager
def salvaged(path: Path, folder: Path, found: Inspection) -> Iterator[sqlite3.Connection | None]:
    """A reader of the best copy of a damaged database; None if no table of it can be read.

    Parameters
    ----------
    path : the database, which nobody writes to meanwhile; stays as it is
    folder : for the copies
    found : where is noted which parts of the file are of no use
    """
    copies = _candidates(path, folder, found)
    scores = {copy: _score(copy) for copy in copies}
    best = max(copies, key=lambda copy: scores[copy])
    if len(copies) > 1 and best is copies[1]:
        found.note(
            LOG,
            "the log is damaged or belongs to another database",
            "lost",
            "Writes that were only in it are lost; it is moved aside.",
        )
    if not scores[best][1]:
        yield None
        return
    with reader(best) as connection:
        yield connection


def _candidates(path: Path, folder: Path, found: Inspection) -> list[Path]:
    """Copies with the log, if it fits, and without."""
    copies = []
    log = path.with_name(LOG)
    if log.is_file() and log.stat().st_size and not is_foreign(path, found):
        copies.append(databases.work_copy(path, _made(folder / "with-log"), log=True))
    copies.append(databases.work_copy(path, _made(folder / "alone"), log=False))
    for copy in copies:
        if not _lists_tables(copy):
            databases.renew_first_page(copy)
            copy.with_name(LOG).unlink(missing_ok=True)
    return copies


def is_foreign(path: Path, found: Inspection) -> bool:
    """Whether the log was written to another database, which is noted."""
    foreign = databases.log_is_foreign(path)
    if foreign:
        found.note(
            LOG,
            "the log was written to another database",
            "rebuildable",
            "It isn't applied; it is moved aside.",
        )
    return foreign


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _lists_tables(path: Path) -> bool:
    try:
        with reader(path) as connection:
            return set(_TABLES) <= databases.schema_of(connection).keys()
    except sqlite3.Error:
        return False


def _score(path: Path) -> tuple[bool, int]:
    """Whether a copy is sound, and how many rows of it can be read."""
    try:
        with reader(path) as connection:
            sound = not databases.structure(connection)
            count = sum(_count(connection, table) for table in ("items", "ledger", "spaces"))
    except sqlite3.Error:
        return False, 0
    return sound, count


def _count(connection: sqlite3.Connection, table: str) -> int:
    count = 0
    with suppress(sqlite3.Error):
        for _ in rows.readable_rows(connection, table, ["rowid"], lambda *_: None):
            count += 1
    return count


def version_of(connection: sqlite3.Connection) -> int:
    """The newest version of the schema all of whose columns a database has."""
    for number in range(len(schema.migrations()), 0, -1):
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
            schema.migrate(fresh, upto=number)
            wanted = {table: set(rows.columns_of(fresh, table)) for table in _TABLES}
        if all(wanted[table] <= set(rows.columns_of(connection, table)) for table in _TABLES):
            return number
    return 0


def header_faults(connection: sqlite3.Connection, found: Inspection) -> Schema:
    """Note what is wrong with the marks of the file and with its list of tables; gives that."""
    here = databases.schema_of(connection)
    version = schema.version(connection)
    remedy = "The readable rows go into a new database."
    mark = connection.execute("PRAGMA application_id").fetchone()[0]
    fitting = [number for number, one in enumerate(catalog_schemas()) if number and one == here]
    if mark != schema.APPLICATION_ID and here:
        found.note(CATALOG, f"the application id is {mark:#x}", "rebuildable", remedy)
    if version not in fitting:
        if fitting:
            fault = f"the format is noted as {version} and is {fitting[-1]}"
            found.note(CATALOG, fault, "rebuildable", remedy)
        else:
            _note_schema(here, version, found, remedy)
    elif version < len(schema.migrations()):
        found.note(
            CATALOG,
            f"the format is {version}, that of an older Kinlens",
            "notice",
            "It is brought up to date when it is opened.",
        )
    return here


def _note_schema(here: Schema, version: int, found: Inspection, remedy: str) -> None:
    known = catalog_schemas()
    wanted = known[version] if 0 < version < len(known) else known[-1]
    if version >= len(known):
        found.note(CATALOG, f"the format {version} is newer than any known", "rebuildable", remedy)
    if missing := sorted(wanted.keys() - here.keys()):
        found.note(CATALOG, "tables or indexes are missing", "rebuildable", remedy, names=missing)
    if more := sorted(here.keys() - wanted.keys()):
        found.note(CATALOG, "tables or indexes are unknown", "rebuildable", remedy, names=more)
    common = sorted(name for name in wanted.keys() & here.keys() if wanted[name] != here[name])
    if common:
        found.note(CATALOG, "tables or indexes are other ones", "rebuildable", remedy, names=common)


def read_all(contents: Contents) -> None:
    """Read everything, for what it notes."""
    contents.read_counters()
    contents.read_spaces()
    for table in (contents.items, contents.vectors, contents.ledger):
        try:
            for _ in table():
                pass
        except sqlite3.Error as error:
            remedy = "What is readable goes into a new database."
            contents.note(f"a table can't be read: {error}", "rebuildable", remedy)
    contents.found.items = len(contents.pictures)
