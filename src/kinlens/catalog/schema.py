"""The numbered, append-only migrations that bring a database of any age up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib.resources import files

from kinlens.errors import CatalogError

APPLICATION_ID = 0x4B4E4C53
"""Marks a database file as ours (``PRAGMA application_id``): "KNLS"."""


def migrations() -> list[tuple[str, str]]:
    """Name and SQL of each migration, oldest first; the n-th leads to version n."""
    folder = files("kinlens.catalog") / "migrations"
    found = sorted(
        (entry.name, entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    )
    numbers = [int(name.split("_")[0]) for name, _ in found]
    if numbers != list(range(1, len(found) + 1)):
        raise CatalogError(
            f"The migrations of this installation are numbered {numbers}, with gaps; install "
            "Kinlens again."
        )
    return found


def version(connection: sqlite3.Connection) -> int:
    """How many migrations the database has been through; 0 for a new one."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def check_ours(connection: sqlite3.Connection, name: str) -> None:
    """Raise `CatalogError` for a database of another program, or of a newer Kinlens."""
    mark = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if mark != APPLICATION_ID and tables:
        raise CatalogError(
            f"{name} is a database of another program, not a Kinlens catalog; choose another "
            "data folder."
        )
    known = len(migrations())
    if version(connection) > known:
        raise CatalogError(
            f"{name} has format {version(connection)}, made by a newer Kinlens; this one reads up "
            f"to format {known}. Upgrade Kinlens."
        )


def is_ours(connection: sqlite3.Connection) -> bool:
    """Whether a file is marked as a catalog; an empty one isn't."""
    mark: int = connection.execute("PRAGMA application_id").fetchone()[0]
    return mark == APPLICATION_ID and version(connection) > 0


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether nothing is left to migrate."""
    return version(connection) == len(migrations())


def migrate(connection: sqlite3.Connection, *, upto: int | None = None) -> None:
    """Apply what is missing; runs inside the caller's write transaction, so it's all or none.

    Parameters
    ----------
    connection : in an IMMEDIATE transaction
    upto : stop at this version, for tests that need an old database
    """
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    for number, (_, sql) in enumerate(migrations()[:upto], start=1):
        if number > version(connection):
            for statement in _statements(sql):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


def _statements(sql: str) -> Iterator[str]:
    """Each statement by itself: `executescript` would commit the open transaction."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
