"""A small catalog with everything a data folder may hold, and ways to damage it."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import kinlens
from kinlens.http.signing import load_secret
from kinlens.keys import KeyStore
from kinlens.types import NewItem
from tiny_encoder import DIM, write_tiny

UPLOADS = 30
FILES = 90
ITEMS = UPLOADS + FILES
PAGE = 16384


def build(root: Path, make_picture: Callable[..., bytes]) -> Path:
    """A catalog of uploads and of a folder's pictures; gives the data folder."""
    encoder = write_tiny(root)
    source = root / "photos"
    source.mkdir()
    for number in range(FILES):
        (source / f"p{number:03}.jpg").write_bytes(make_picture(seed=number))
    data = root / "data"
    with kinlens.open_search(data, encoder) as search:
        kinlens.index(search, source)
        search.add(
            [
                NewItem(
                    f"u{number:03}",
                    image=make_picture(seed=1000 + number),
                    metadata={"n": number, "title": f"upload {number} " * 40},
                )
                for number in range(UPLOADS)
            ]
        )
        for item_id in ("u000", "u001", "p000.jpg"):
            search.thumbnail(item_id)
    with KeyStore(data) as keys:
        keys.create("shop", ["read", "write"])
        keys.create("shelf", device="shelf-1")
    load_secret(data)
    (data / "secret").chmod(0o600)
    return data


@dataclass(frozen=True)
class Damage:
    """One way to damage a data folder.

    Parameters
    ----------
    name : for people
    do : damages it
    part : that the findings name
    says : a part of the sentence that tells of it
    states : that the findings have at least
    items : how many there are after the repair; None for any number
    sound : whether nothing is left to say after the repair
    """

    name: str
    do: Callable[[Path], None]
    part: str
    says: str
    states: tuple[str, ...] = ("rebuildable",)
    items: int | None = ITEMS
    sound: bool = True


def execute(data: Path, *statements: str, file: str = "catalog.sqlite") -> None:
    """Run statements with all that SQLite checks turned off."""
    with closing(sqlite3.connect(data / file, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)


def sql(*statements: str, file: str = "catalog.sqlite") -> Callable[[Path], None]:
    return lambda data: execute(data, *statements, file=file)


def vector(values: bytes) -> Callable[[Path], None]:
    """The vector of the item u003 becomes these bytes."""

    def do(data: Path) -> None:
        with closing(sqlite3.connect(data / "catalog.sqlite")) as connection, connection:
            connection.execute(
                "UPDATE vectors SET vector = ? WHERE row = "
                "(SELECT row FROM items WHERE id = 'u003')",
                (values,),
            )

    return do


def numbers(value: float) -> bytes:
    array = np.full(DIM, 0.01, "<f4")
    array[3] = value
    return array.tobytes()


def settle(data: Path) -> None:
    """Move what the log holds into the database."""
    with closing(sqlite3.connect(data / "catalog.sqlite")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def page_of(data: Path, table: str) -> int:
    with closing(sqlite3.connect(data / "catalog.sqlite")) as connection:
        found = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)
        ).fetchone()
    return int(found[0])


def leaf_of(data: Path, table: str) -> int:
    """A page that holds rows of a table and isn't its first one."""
    with closing(sqlite3.connect(data / "catalog.sqlite")) as connection:
        content = (data / "catalog.sqlite").read_bytes()
        root = page_of(data, table)
        base = (root - 1) * PAGE
        if content[base] == 0x0D:
            return root
        connection.close()
    return int.from_bytes(content[base + 8 : base + 12], "big")


def overwrite(page: Callable[[Path], int], *, start: int = 0, fill: bytes | None = None):
    """Write over a page of the database, by default all of it, with noise."""

    def do(data: Path) -> None:
        settle(data)
        at = (page(data) - 1) * PAGE + start
        noise = random.Random(1).randbytes(PAGE - start) if fill is None else fill
        with (data / "catalog.sqlite").open("r+b") as file:
            file.seek(at)
            file.write(noise)

    return do


def noise(name: str) -> Callable[[Path], None]:
    def do(data: Path) -> None:
        for suffix in ("-wal", "-shm"):
            (data / f"{name}{suffix}").unlink(missing_ok=True)
        (data / name).write_bytes(random.Random(2).randbytes(20_000))

    return do


def cut(name: str, part: float) -> Callable[[Path], None]:
    def do(data: Path) -> None:
        if name == "catalog.sqlite":
            settle(data)
        size = (data / name).stat().st_size
        os.truncate(data / name, int(size * part))

    return do


def folder_instead(name: str) -> Callable[[Path], None]:
    def do(data: Path) -> None:
        for suffix in ("-wal", "-shm"):
            (data / f"{name}{suffix}").unlink(missing_ok=True)
        (data / name).unlink()
        (data / name).mkdir()
        (data / name / "something").write_text("kept")

    return do


def mode(name: str, bits: int) -> Callable[[Path], None]:
    return lambda data: (data / name).chmod(bits)


def copies(data: Path) -> list[Path]:
    return sorted(path for path in (data / "pictures").glob("??/*") if len(path.name) == 64)


def first_copy(change: Callable[[Path], object]) -> Callable[[Path], None]:
    def do(data: Path) -> None:
        change(copies(data)[0])

    return do


def swap_copies(data: Path) -> None:
    first, second = copies(data)[:2]
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def photos(data: Path) -> list[Path]:
    return sorted((data.parent / "photos").iterdir())


def no_photos(data: Path) -> None:
    photos(data)[0].unlink()


def stray_copy(data: Path) -> None:
    digest = "0f" + "1" * 62
    (data / "pictures" / "0f").mkdir(exist_ok=True)
    (data / "pictures" / "0f" / digest).write_bytes(b"not what its name says")


def lost_writes(data: Path) -> None:
    """The log of a process that was killed is deleted, with all that was only in it."""
    settle(data)
    before = (data / "catalog.sqlite").read_bytes()
    with kinlens.open_search(data) as search:
        picture = copies(data)[0].read_bytes()
        search.add([NewItem("late", image=picture + b"\0")])
    (data / "catalog.sqlite").write_bytes(before)
    for suffix in ("-wal", "-shm"):
        (data / f"catalog.sqlite{suffix}").unlink(missing_ok=True)


def foreign_log(data: Path) -> None:
    """The log of another catalog lies beside the database."""
    settle(data)
    other = data.parent / "other"
    shutil.copytree(data, other)
    with closing(sqlite3.connect(other / "catalog.sqlite", isolation_level=None)) as connection:
        for number in range(40):
            connection.execute(f"CREATE TABLE more{number} (a)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("CREATE TABLE last (a)")
        connection.execute("UPDATE items SET metadata = '{}'")
        shutil.copy(other / "catalog.sqlite-wal", data / "catalog.sqlite-wal")
    shutil.rmtree(other)


def newer_log(data: Path) -> None:
    """An older database was copied beside the log of a newer one."""
    settle(data)
    old = (data / "catalog.sqlite").read_bytes()
    with closing(sqlite3.connect(data / "catalog.sqlite", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE big (a)")
        connection.executemany("INSERT INTO big VALUES (?)", [(b"x" * 5000,)] * 200)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("CREATE TABLE last (a)")
        connection.execute("UPDATE items SET metadata = '{}'")
        log = (data / "catalog.sqlite-wal").read_bytes()
    (data / "catalog.sqlite").write_bytes(old)
    (data / "catalog.sqlite-shm").unlink(missing_ok=True)
    (data / "catalog.sqlite-wal").write_bytes(log)


def other_program(data: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        (data / f"catalog.sqlite{suffix}").unlink(missing_ok=True)
    execute(data, "CREATE TABLE notes (a)", "INSERT INTO notes VALUES (1)")


def drop_file(name: str) -> Callable[[Path], None]:
    def do(data: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            (data / f"{name}{suffix}").unlink(missing_ok=True)

    return do


def invalid_text(column: str, table: str = "items", key: str = "u003") -> Callable[[Path], None]:
    return sql(f"UPDATE {table} SET {column} = CAST(x'FF80FE' AS TEXT) WHERE id = '{key}'")
