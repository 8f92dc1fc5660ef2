"""SQLite files of any condition: opened without changing them, checked, and copied to work on."""

from __future__ import annotations

import sqlite3
import struct
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path

from kinlens.catalog import schema
from kinlens.catalog.database import Database
from kinlens.ingest.visits import Visits
from kinlens.keys import KeyStore
from kinlens.maintenance.folder import CATALOG, KEYS, SOURCES, THUMBNAILS, copy_file
from kinlens.thumbnails import ThumbnailCache

Schema = dict[str, str]
"""Tables and indexes by name: how each was made."""

_HEADER = 100
_PAGE_COUNT, _CHANGES = 28, 24
_FREE_PAGES = slice(32, 40)
_FRAME_HEADER, _LOG_HEADER = 24, 32
_FAULTS_READ = 1000


@contextmanager
def reader(path: Path, *, log: bool = True) -> Iterator[sqlite3.Connection]:
    """A connection that changes nothing, within a transaction; invalid UTF-8 gives surrogates.

    Parameters
    ----------
    path : the database
    log : without, what its log holds is left out; only while nobody writes
    """
    mode = "mode=ro" if log else "mode=ro&immutable=1"
    uri = f"{path.absolute().as_uri()}?{mode}"
    with closing(sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)) as connection:
        connection.text_factory = _text
        connection.execute("BEGIN")
        yield connection


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def structure(connection: sqlite3.Connection) -> list[str]:
    """What SQLite finds wrong with pages, indexes, constraints and references; empty if sound."""
    found: list[str] = []
    try:
        for (line,) in connection.execute(f"PRAGMA integrity_check({_FAULTS_READ})"):
            found += [part for part in str(line).splitlines() if part and part != "ok"]
        dangling = connection.execute("PRAGMA foreign_key_check").fetchmany(_FAULTS_READ)
        found += [f"row {row} of {table} refers to nothing" for table, row, *_ in dangling]
    except sqlite3.Error as error:
        found.append(str(error))
    return found


def schema_of(connection: sqlite3.Connection) -> Schema:
    """The tables and indexes of a database, but for those of SQLite itself."""
    found = connection.execute(
        "SELECT name, sql FROM sqlite_schema "
        "WHERE sql IS NOT NULL AND substr(name, 1, 7) <> 'sqlite_'"
    )
    return {str(name): " ".join(str(sql).split()) for name, sql in found}


@cache
def catalog_schemas() -> tuple[Schema, ...]:
    """The schema of a catalog after each number of migrations, from 0 up."""
    found = []
    for number in range(len(schema.migrations()) + 1):
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            schema.migrate(connection, upto=number)
            found.append(schema_of(connection))
    return tuple(found)


@cache
def expected_schema(name: str) -> Schema:
    """The schema that this version gives a new database of the data folder."""
    if name == CATALOG:
        return catalog_schemas()[-1]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        make_empty(file)
        with reader(file) as connection:
            return schema_of(connection)


def make_empty(file: Path) -> None:
    """A new database of the name that the file has."""
    if file.name == CATALOG:
        Database(file, create=True).close()
    elif file.name == KEYS:
        KeyStore(file.parent).close()
    elif file.name == SOURCES:
        Visits(file.parent).close()
    elif file.name == THUMBNAILS:
        ThumbnailCache(file).close()
    else:
        raise ValueError(f"{file.name} is no database of a data folder")


def work_copy(path: Path, folder: Path, *, log: bool) -> Path:
    """A copy of a database in a folder that exists, as long as its header says; with its log."""
    copied = folder / path.name
    copy_file(path, copied)
    beside = path.with_name(path.name + "-wal")
    if log and beside.is_file():
        copy_file(beside, folder / beside.name)
    with copied.open("r+b") as file:
        header = file.read(_HEADER)
        wanted = _size(header)
        file.seek(0, 2)
        # SQLite refuses a file that is shorter than its header says; zeroed pages it passes over.
        if file.tell() < wanted <= 4 * max(file.tell(), 1 << 20):
            file.truncate(wanted)
    return copied


def _size(header: bytes) -> int:
    if len(header) < _HEADER or not header.startswith(b"SQLite format 3\0"):
        return 0
    page = struct.unpack(">H", header[16:18])[0]
    pages: int = struct.unpack(">I", header[_PAGE_COUNT : _PAGE_COUNT + 4])[0]
    return pages * (65536 if page == 1 else int(page))


def renew_first_page(damaged: Path) -> None:
    """Put a new database's first page, which lists the tables, in place of a damaged one.

    Tables keep their first page for good, and every catalog is made by the same statements: so a
    new one's list of tables fits any that was made by this version.
    """
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / damaged.name
        make_empty(fresh)
        with closing(sqlite3.connect(fresh)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            size = connection.execute("PRAGMA page_size").fetchone()[0]
        page = bytearray(fresh.read_bytes()[:size])
    with damaged.open("r+b") as file:
        file.seek(0, 2)
        pages = max(1, -(-file.tell() // size))
        page[_PAGE_COUNT : _PAGE_COUNT + 4] = struct.pack(">I", pages)
        page[_FREE_PAGES] = bytes(8)
        file.seek(0)
        file.write(page)
        file.truncate(pages * size)


def log_is_foreign(path: Path) -> bool:
    """Whether the log beside a database was written to another one.

    Each write to the first page counts up its change counter, and a log begins where the database
    stands: its first copy of that page is one ahead of it, or, once pages have moved over, its last
    copy is no older than the database. Only for a database that nobody has open.
    """
    log = path.with_name(path.name + "-wal")
    with suppress(OSError, struct.error):
        here, seen = _changes(path), list(_logged_changes(log))
        return bool(seen) and here is not None and not seen[0] - 1 <= here <= seen[-1]
    return False


def _changes(path: Path) -> int | None:
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if not header.startswith(b"SQLite format 3\0"):
        return None
    counted: int = struct.unpack(">I", header[_CHANGES : _CHANGES + 4])[0]
    return counted


def _logged_changes(log: Path) -> Iterator[int]:
    """The change counter of each first page in the valid part of a log."""
    with log.open("rb") as file:
        head = file.read(_LOG_HEADER)
        if len(head) < _LOG_HEADER:
            return
        size, salt = struct.unpack(">I", head[8:12])[0], head[16:24]
        while len(frame := file.read(_FRAME_HEADER)) == _FRAME_HEADER and frame[8:16] == salt:
            page = file.read(size)
            if len(page) < size:
                return
            if frame[:4] == b"\0\0\0\1":
                yield struct.unpack(">I", page[_CHANGES : _CHANGES + 4])[0]
