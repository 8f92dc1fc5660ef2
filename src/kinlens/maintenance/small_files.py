"""Checks of all files of a data folder but the catalog's database and the pictures."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from kinlens.catalog.database import FILE_NAME
from kinlens.encoder_note import encoder_name
from kinlens.images import sniff
from kinlens.ingest.lock import LOCK_FILE
from kinlens.maintenance import databases, usage
from kinlens.maintenance.findings import Inspection
from kinlens.maintenance.folder import (
    DATABASES,
    ENCODER,
    KEYS,
    LOGS,
    PICTURES,
    PRIVATE,
    SECRET,
    SOURCES,
    THUMBNAILS,
)
from kinlens.maintenance.rows import DIGEST, number_fault

LOST_REMEDY = {
    KEYS: (
        "lost",
        "Keys that can't be read are lost. The API stays closed until new ones are made with "
        "`kinlens keys create`; to serve without keys, delete keys.sqlite.",
    ),
    SOURCES: (
        "rebuildable",
        "What is readable is kept; pictures at URLs are fetched once more, and the next --prune "
        "knows less.",
    ),
    THUMBNAILS: ("rebuildable", "Thumbnails are made again."),
}
_NEW_SECRET = "A new one is made; picture URLs that were given out stop working."  # noqa: S105
_SECRET = re.compile(rb"[0-9a-f]{64}\s*")
_DRAFTS = re.compile(r"(encoder\.\d+|secret\.[0-9a-f]{16}|\.repair-.*)")
_SCOPES = {"read", "write", "device"}


def check_permissions(data: Path, found: Inspection) -> None:
    """Note files whose owner can't use them, and secrets that others can read."""
    for name in (*DATABASES, SECRET, ENCODER):
        file = data / name
        if os.name == "nt" or not file.is_file():
            continue
        mode = file.stat().st_mode & 0o777
        if mode & 0o600 != 0o600:
            remedy = "Its owner gets them back."
            fault = f"its permissions are {mode:04o}: its owner can't read or can't write it"
            found.note(name, fault, "rebuildable", remedy)
        elif name in PRIVATE and mode & 0o077:
            fault = f"its permissions are {mode:04o}: others can use it, and it holds secrets"
            found.note(name, fault, "rebuildable", "They become 0600.")


def check_database(file: Path, found: Inspection) -> None:
    """Check `keys.sqlite`, `sources.sqlite` or `thumbnails.sqlite`."""
    state, remedy = LOST_REMEDY[file.name]
    for fault in _database_faults(file):
        found.note(file.name, fault, state, remedy)  # type: ignore[arg-type]


def _database_faults(file: Path) -> Iterator[str]:
    if not file.exists() and not file.is_symlink():
        if any(file.with_name(file.name + suffix).exists() for suffix in LOGS):
            yield "only its log is there"
        return
    if not file.is_file():
        yield "it is no file"
        return
    if not os.access(file, os.R_OK):
        yield "it can't be read"
        return
    try:
        with databases.reader(file) as connection:
            wanted, here = databases.expected_schema(file.name), databases.schema_of(connection)
            if file.name == KEYS and here:
                # A file of before there were devices gets that column when it is opened.
                here = {**here, "keys": wanted["keys"]} if _old_keys(connection) else here
            if missing := sorted(wanted.keys() - here.keys()):
                yield f"tables or indexes are missing ({', '.join(missing)})"
            yield from databases.structure(connection)[:3]
            yield from _CONTENTS[file.name](connection)
    except sqlite3.Error as error:
        yield f"it can't be read: {error}"


def _old_keys(connection: sqlite3.Connection) -> bool:
    columns = {row[1] for row in connection.execute("PRAGMA table_info(keys)")}
    return {"hash", "name", "scopes", "created_at", "revoked_at"} == columns


def _key_faults(connection: sqlite3.Connection) -> Iterator[str]:
    for record in connection.execute("SELECT hash, name, scopes, created_at, revoked_at FROM keys"):
        if not is_key(record):
            yield "a key isn't usable"


def is_key(record: tuple[object, ...]) -> bool:
    """Whether hash, name, scopes and times of a key are such as `KeyStore` writes."""
    digest, name, scopes, created, revoked = record
    return (
        isinstance(digest, str)
        and DIGEST.fullmatch(digest) is not None
        and isinstance(name, str)
        and bool(name)
        and name.isprintable()
        and isinstance(scopes, str)
        and bool(scopes.split())
        and set(scopes.split()) <= _SCOPES
        and not number_fault(created)
        and (revoked is None or not number_fault(revoked))
    )


def _source_faults(connection: sqlite3.Connection) -> Iterator[str]:
    options = connection.execute("SELECT name, options FROM sources WHERE NOT json_valid(options)")
    for name, _ in options:
        yield f"the options of the source {name!a:.80} aren't readable"
    dangling = "SELECT count(*) FROM entries WHERE source NOT IN (SELECT source FROM sources)"
    if connection.execute(dangling).fetchone()[0]:
        yield "entries belong to no source"


def _thumbnail_faults(connection: sqlite3.Connection) -> Iterator[str]:
    wrong = 0
    for digest, data in connection.execute("SELECT digest, data FROM thumbnails"):
        usable = isinstance(digest, str) and DIGEST.fullmatch(digest) and isinstance(data, bytes)
        wrong += not (usable and sniff(data))
    if wrong:
        yield f"{wrong} thumbnails are no pictures"


_CONTENTS: dict[str, Callable[[sqlite3.Connection], Iterator[str]]] = {
    KEYS: _key_faults,
    SOURCES: _source_faults,
    THUMBNAILS: _thumbnail_faults,
}


def check_secret(data: Path, found: Inspection) -> None:
    """Check what signs URLs of pictures."""
    file = data / SECRET
    if not file.exists():
        return
    if not file.is_file():
        found.note(SECRET, "it is no file", "rebuildable", _NEW_SECRET)
    elif not _SECRET.fullmatch(_head(file, 128)):
        found.note(SECRET, "it doesn't hold 64 hex digits", "rebuildable", _NEW_SECRET)


def check_encoder(
    data: Path, found: Inspection, fault: Callable[[], str | None] | None = None
) -> None:
    """Check the note of how the encoder was named; an empty one is as good as none.

    Parameters
    ----------
    data : the data folder
    found : where faults are noted
    fault : says why the encoder of that name can't be the catalog's
    """
    file = data / ENCODER
    if not file.exists() or (file.is_file() and not file.stat().st_size):
        return
    if encoder_name(data) is None:
        remedy = "The name that the catalog knows takes its place; it may need --encoder."
        found.note(ENCODER, "it names no encoder", "rebuildable", remedy)
    elif fault is not None and (reason := fault()):
        remedy = "Name the right one with --encoder."
        found.note(ENCODER, reason.rstrip("."), "rebuildable", remedy)


def leftovers(data: Path) -> list[Path]:
    """What processes left that were killed; only while nobody writes."""
    drafts = data / PICTURES / ".drafts"
    found = [entry for entry in sorted(data.iterdir()) if _DRAFTS.fullmatch(entry.name)]
    if drafts.is_dir():
        found += sorted(drafts.iterdir())
    pid = data / "index.pid"
    if pid.exists() and not usage.is_indexing(data):
        found.append(pid)
    return found


def check_leftovers(data: Path, found: Inspection) -> None:
    """Note leftovers, and a lock that is no file."""
    if names := [entry.name for entry in leftovers(data)]:
        remedy = "They are removed."
        found.note(data.name, "a killed process left files", "notice", remedy, names=names)
    lock = data / LOCK_FILE
    if lock.exists() and not lock.is_file():
        found.note(LOCK_FILE, "it is no file", "rebuildable", "It is moved aside.")


def check_entries(
    data: Path, ids: set[str], ledger: Callable[[str], str | None], found: Inspection
) -> list[str]:
    """Items that a source was seen to have, and that the catalog knows nothing of.

    Parameters
    ----------
    data : the data folder
    ids : of the items
    ledger : the state of an id in the ledger, if it is there
    found : where they are noted

    Returns
    -------
    gone : their ids
    """
    gone = [one for one in entries_of(data) if one not in ids and ledger(one) is None]
    if gone:
        fault = "a source has items that the catalog has no word of: its last writes were lost, or"
        found.note(
            FILE_NAME,
            f"{fault} an indexer was killed",
            "lost",
            "Index the source again.",
            names=gone,
        )
    return gone


def entries_of(data: Path) -> list[str]:
    """The items that sources were seen to have; none where that can't be read."""
    file = data / SOURCES
    if not file.is_file():
        return []
    try:
        with databases.reader(file) as connection:
            found = connection.execute("SELECT id FROM entries WHERE is_item = 1").fetchall()
    except sqlite3.Error:  # noted by `check_database`
        return []
    return [str(one) for (one,) in found]


def _head(file: Path, size: int) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(size)
    except OSError:
        return b""
