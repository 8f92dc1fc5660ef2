"""API keys: made once, shown once, kept as hashes in the catalog's folder.

A key is 256 random bits, so one round of SHA-256 hides it as well as a slow password hash would.

A device's key is bound to the id of that device, which signs what it publishes with the key's hash:
so the hashes of such keys, though nobody can find a key from them, are secrets themselves.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kinlens.errors import CatalogUnavailable, InvalidInput
from kinlens.file_identity import identity_of

Scope = Literal["read", "write", "device"]
SCOPES: tuple[Scope, ...] = ("read", "write")
"""What a key may be given; "device" only comes with a device's id."""

log = logging.getLogger("kinlens.keys")

PREFIX = "kl_"
MAX_NAME_LENGTH = 100
MAX_TOKEN_LENGTH = 200

_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    hash TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at REAL NOT NULL,
    revoked_at REAL,
    device TEXT
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS working_names ON keys (name) WHERE revoked_at IS NULL;
"""


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key.

    Parameters
    ----------
    name : what it is for; no two working keys share one
    scopes : "read", "write" or both, or "device"
    created_at, revoked_at : seconds since the epoch; `revoked_at` is None for a key that works
    device : the id of the device that may use it, for "device"
    """

    name: str
    scopes: tuple[Scope, ...]
    created_at: float
    revoked_at: float | None = None
    device: str | None = None


class KeyStore:
    """The keys of one catalog; a context manager that closes them.

    Thread-safe. What another process changes holds at once.

    Once a key has been made, requests need one, even after the last was revoked: a revocation
    must not open the door. To serve without keys again, delete ``keys.sqlite``. The same holds for
    devices and their keys; the one says nothing of the other.

    Parameters
    ----------
    folder : the catalog's; created if missing
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "keys.sqlite"
        self._lock = threading.Lock()
        self._seen = -1
        self._by_hash: dict[str, Key] = {}
        self._guarded: set[bool] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
            self._db = self._open()
        except (OSError, sqlite3.Error) as error:
            raise CatalogUnavailable(
                f"The keys in {self._path} can't be opened: {error}. Check the folder's "
                "permissions.",
                "the keys can't be opened",
            ) from error

    def create(
        self, name: str, scopes: Sequence[str] = ("read",), *, device: str | None = None
    ) -> str:
        """Make a key.

        Parameters
        ----------
        name : what it is for
        scopes : "read", "write" or both
        device : the id of a device instead, which may publish with this key and do nothing else

        Returns
        -------
        token : the secret, ``kl_`` and 43 characters; it can't be shown again

        Raises
        ------
        InvalidInput : a name of no or over 100 characters, one that a working key has, or an
            unknown scope
        """
        granted = _check_scopes(scopes) if device is None else ("device",)
        name = name.strip()
        if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
            raise InvalidInput(
                f"A key's name says what it is for, in 1 to {MAX_NAME_LENGTH} printable "
                f"characters; got {name!r:.120}."
            )
        token = PREFIX + secrets.token_urlsafe(32)
        try:
            self._write(
                "INSERT INTO keys (hash, name, scopes, created_at, device) VALUES (?, ?, ?, ?, ?)",
                (secret_of(token), name, " ".join(granted), time.time(), device),
            )
        except sqlite3.IntegrityError:
            raise InvalidInput(
                f"A working key is called {name!r}; choose another name, or revoke that one first."
            ) from None
        return token

    def revoke(self, name: str) -> bool:
        """End a key's life at once; False if no working key has this name."""
        statement = "UPDATE keys SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL"
        return self._write(statement, (time.time(), name.strip())) == 1

    def list(self) -> list[Key]:
        """All keys ever made, revoked ones too, oldest first."""
        with self._lock:
            return sorted(self._read().values(), key=lambda key: (key.created_at, key.name))

    @property
    def required(self) -> bool:
        """Whether requests need a key: whether one was ever made, but for devices."""
        with self._lock:
            return any(key.device is None for key in self._read().values())

    @property
    def usable(self) -> bool:
        """Whether some key works for requests."""
        return any(key.device is None and key.revoked_at is None for key in self.list())

    @property
    def devices_guarded(self) -> bool:
        """Whether devices need a key: whether one was ever made for any."""
        with self._lock:
            return any(key.device is not None for key in self._read().values())

    def secrets(self, device: str) -> Sequence[str]:
        """What the working keys of a device sign with; see `secret_of`."""
        with self._lock:
            keys = self._read()
        return [
            digest
            for digest, key in keys.items()
            if key.device == device and key.revoked_at is None
        ]

    def find(self, token: str) -> Key | None:
        """The working key of this token, else None."""
        if not token.startswith(PREFIX) or len(token) > MAX_TOKEN_LENGTH:
            return None
        digest = secret_of(token)
        with self._lock:
            keys = self._read()
        # Every hash is compared in constant time, so that timing tells nothing about any.
        found = [key for known, key in keys.items() if hmac.compare_digest(known, digest)]
        return found[0] if found and found[0].revoked_at is None else None

    def check(self) -> None:
        """Raise `CatalogUnavailable` if the file is gone, or was replaced by one without keys."""
        with self._lock:
            self._read()

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> KeyStore:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _read(self) -> dict[str, Key]:
        """The keys by hash, read again when any process has changed them."""
        try:
            self._follow()
            version = self._db.execute("PRAGMA data_version").fetchone()[0]
            if version != self._seen:
                rows = self._db.execute(
                    "SELECT hash, name, scopes, created_at, revoked_at, device FROM keys"
                )
                self._by_hash = {row[0]: _key(row[1:]) for row in rows}
                self._check_guarded()
                self._seen = version
        except sqlite3.Error as error:
            raise CatalogUnavailable(
                f"The API keys in {self._path} can't be read: {error}.", "the keys can't be read"
            ) from error
        return self._by_hash

    def _follow(self) -> None:
        """Open the file that is there now, where it isn't the one that is open.

        A file that is gone means that there are no keys, unless there were some.
        """
        there = identity_of(self._path)
        if there == self._identity:
            return
        self._seen = -1
        if there is None and not self._guarded and not self._by_hash:
            return
        if there is None:
            raise CatalogUnavailable(
                f"{self._path} was removed under a running process that had keys. Put it back; or "
                "restart, to go on without keys.",
                "the keys were removed",
            )
        if self._guarded and self._path.stat().st_size == 0:  # left as it is
            raise CatalogUnavailable(
                f"{self._path} was replaced by an empty file. Put the keys back; or restart, to go "
                "on without them.",
                "the keys were replaced by an empty file",
            )
        old, self._db = self._db, self._open()
        old.close()
        log.warning("%s was replaced; it has been opened again.", self._path)

    def _check_guarded(self) -> None:
        """Losing the keys must not open what they guard, for clients or for cameras."""
        guarded = {key.device is None for key in self._by_hash.values()}
        if self._guarded - guarded:
            raise CatalogUnavailable(
                f"{self._path} was replaced under a running process by a file that lacks the keys "
                "that were needed. Put the keys back; or restart, to go on without them.",
                "the keys were replaced by a file without keys",
            )
        self._guarded |= guarded

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(
            self._path, timeout=10, isolation_level=None, check_same_thread=False
        )
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.executescript(_SCHEMA)
            _add_device(database)
        except sqlite3.Error:
            database.close()
            raise
        self._identity = identity_of(self._path)
        return database

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        """Change the file; gives how many keys changed."""
        with self._lock:
            try:
                self._follow()
                changed = self._db.execute(statement, values).rowcount
                # The file alone then holds every key, also where its log is lost or left behind.
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.IntegrityError:
                raise
            except sqlite3.Error as error:
                raise CatalogUnavailable(
                    f"The API keys in {self._path} can't be changed: {error}.",
                    "the keys can't be changed",
                ) from error
            if identity_of(self._path) != self._identity:
                raise CatalogUnavailable(
                    f"{self._path} was removed or replaced while a key was changed; do it again.",
                    "the keys were removed or replaced",
                )
            self._seen = -1  # data_version tells only of other connections' changes
            return changed


def _add_device(database: sqlite3.Connection) -> None:
    """Give a file of before there were devices its column."""
    if not _has_device(database):
        database.execute("BEGIN IMMEDIATE")
        if not _has_device(database):  # another process may have been quicker
            database.execute("ALTER TABLE keys ADD COLUMN device TEXT")
        database.execute("COMMIT")


def _has_device(database: sqlite3.Connection) -> bool:
    return any(row[1] == "device" for row in database.execute("PRAGMA table_info(keys)"))


def _key(row: tuple[str, str, float, float | None, str | None]) -> Key:
    name, scopes, created_at, revoked_at, device = row
    granted = tuple(scope for scope in (*SCOPES, "device") if scope in scopes.split())
    return Key(name, granted, created_at, revoked_at, device)


def _check_scopes(scopes: Sequence[str]) -> tuple[Scope, ...]:
    granted = tuple(scope for scope in SCOPES if scope in scopes)
    if not granted or len(granted) != len(set(scopes)):
        raise InvalidInput(f"A key's scopes are {' and '.join(SCOPES)}; got {', '.join(scopes)}.")
    return granted


def secret_of(token: str) -> str:
    """What is kept of a key, and what a device signs with: its SHA-256 in hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
