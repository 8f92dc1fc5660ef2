"""Pictures whose neighbors are wanted: encoded once, kept in a file until the table is made."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np

from kinlens.adding import Adder, encode_each
from kinlens.errors import KinlensError, OutputError
from kinlens.neighbor_table.asked import OUTSIDE, note_outside, outside_digests
from kinlens.neighbors.array_files import make_array, write_array
from kinlens.search import Search
from kinlens.sources import Entry, Source
from kinlens.types import Outcome, Pixels, Vectors

FILE = "queries.sqlite"
_BATCH = 64
_BLOCK = 4096
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, vector BLOB, reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS about (mark TEXT NOT NULL);
"""


class PictureQueries:
    """The pictures of a source; what can't be read is a failure, and nothing else stops.

    Parameters
    ----------
    search : whose encoder and limits
    source : of the pictures
    """

    def __init__(self, search: Search, source: Source) -> None:
        self._search = search
        self._source = source
        self._adder = Adder(search.parts)
        self.mark = f"pictures {source.name} {asdict(source.options)}"

    def copy(self, folder: Path, state: Path) -> list[Outcome]:
        """See `Queries.copy`; a run that was cut short goes on from where it was."""
        with _translated(state / FILE), closing(self._opened(state / FILE)) as connection:
            self._encode(connection)
            return self._write(connection, folder)

    def forget(self, state: Path) -> None:
        """See `Queries.forget`."""
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(FileNotFoundError):
                (state / f"{FILE}{suffix}").unlink()

    def _opened(self, file: Path) -> sqlite3.Connection:
        mark = f"{self.mark} {self._search.encoder.fingerprint}"
        connection = sqlite3.connect(file)
        with connection:
            connection.executescript(_SCHEMA)
            if connection.execute("SELECT mark FROM about").fetchall() != [(mark,)]:
                connection.execute("DELETE FROM entries")
                connection.execute("DELETE FROM about")
                connection.execute("INSERT INTO about VALUES (?)", (mark,))
        return connection

    def _encode(self, connection: sqlite3.Connection) -> None:
        done: int = connection.execute(
            "SELECT coalesce(max(number), -1) + 1 FROM entries"
        ).fetchone()[0]
        entries = islice(self._source, done, None)
        seen = {name for (name,) in connection.execute("SELECT id FROM entries")}
        with ThreadPoolExecutor(self._search.threads) as pool:
            for batch in _batches(entries):
                pixels = list(pool.map(self._pixels, batch))
                names = [entry.item.id if entry.item else entry.place for entry in batch]
                for place, name in enumerate(names):
                    if name in seen:
                        pixels[place] = f"The id {name!r} was used before; the first one counts."
                    seen.add(name)
                vectors = self._vectors(pixels)
                with connection:
                    connection.executemany(
                        "INSERT INTO entries VALUES (?, ?, ?, ?)",
                        [
                            (done + place, name, *_stored(found))
                            for place, (name, found) in enumerate(zip(names, vectors, strict=True))
                        ],
                    )
                done += len(batch)

    def _pixels(self, entry: Entry) -> Pixels | str:
        if entry.item is None:
            return entry.reason
        parts = self._search.parts
        recipe = parts.encoder.recipe
        try:
            picture = parts.loader.load(self._adder.read(entry.item), min_side=recipe.min_side)
        except KinlensError as error:
            return str(error)
        return recipe.square(picture.pixels)

    def _vectors(self, pixels: list[Pixels | str]) -> list[Vectors | str]:
        images = [one for one in pixels if not isinstance(one, str)]
        encoded = iter(encode_each(self._search.parts.encoder, images))
        found = [one if isinstance(one, str) else next(encoded) for one in pixels]
        return [str(one) if isinstance(one, KinlensError) else one for one in found]

    def _write(self, connection: sqlite3.Connection, folder: Path) -> list[Outcome]:
        dim = self._search.encoder.dim
        count = connection.execute("SELECT count(vector) FROM entries").fetchone()[0]
        make_array(folder / OUTSIDE, "<f4", (count, dim))
        found = connection.execute(
            "SELECT id, vector FROM entries WHERE vector IS NOT NULL ORDER BY number"
        )
        ids: list[str] = []
        digests = [outside_digests([], np.empty((0, dim), np.float32))]
        while block := found.fetchmany(_BLOCK):
            names, blobs = zip(*block, strict=True)
            vectors = np.frombuffer(b"".join(blobs), np.float32).reshape(-1, dim)
            write_array(folder / OUTSIDE, len(ids), vectors)
            digests.append(outside_digests(names, vectors))
            ids += names
        note_outside(folder, ids, np.concatenate(digests))
        failed = connection.execute(
            "SELECT id, reason FROM entries WHERE vector IS NULL ORDER BY number"
        )
        return [Outcome(name, "failed", reason, at=time.time()) for name, reason in failed]


def _batches(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    while batch := list(islice(entries, _BATCH)):
        yield batch


def _stored(found: Vectors | str) -> tuple[bytes | None, str]:
    return (None, found) if isinstance(found, str) else (found.tobytes(), "")


@contextmanager
def _translated(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OutputError(
            f"{file} can't be written: {error}. What was done before stays: free some space, and "
            "run the same again."
        ) from error
