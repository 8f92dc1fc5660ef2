"""Every kind of damage is noticed, described, and repaired or declared lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import kinlens
from kinlens.cli import app
from maintenance.damages import (
    ITEMS,
    UPLOADS,
    Damage,
    cut,
    drop_file,
    first_copy,
    folder_instead,
    foreign_log,
    invalid_text,
    leaf_of,
    lost_writes,
    mode,
    newer_log,
    no_photos,
    noise,
    numbers,
    other_program,
    overwrite,
    page_of,
    sql,
    stray_copy,
    swap_copies,
    vector,
)

DATABASE = "catalog.sqlite"
LOST = ("lost",)

DAMAGES = [
    # The file.
    Damage("removed", drop_file(DATABASE), DATABASE, "isn't there", LOST, 0),
    Damage("emptied", cut(DATABASE, 0), DATABASE, "is empty", LOST, 0),
    Damage("noise", noise(DATABASE), DATABASE, "no table of it can be read", LOST, 0),
    Damage("a folder", folder_instead(DATABASE), DATABASE, "is no file", LOST, 0),
    Damage("another program's", other_program, DATABASE, "tables or indexes are missing", LOST, 0),
    Damage("cut short by a page", cut(DATABASE, 0.95), DATABASE, "SQLite", items=None),
    Damage("cut in half", cut(DATABASE, 0.5), DATABASE, "SQLite", items=None),
    Damage("permissions", mode(DATABASE, 0o000), DATABASE, "permissions are 0000"),
    Damage("read-only", mode(DATABASE, 0o444), DATABASE, "permissions are 0444"),
    # Pages.
    Damage("header", overwrite(lambda _: 1, fill=b"x" * 16), DATABASE, "SQLite can't read it"),
    Damage("first page", overwrite(lambda _: 1), DATABASE, "SQLite can't read it"),
    Damage("first page zeroed", overwrite(lambda _: 1, fill=bytes(16384)), DATABASE, "SQLite"),
    Damage("page size of 0", overwrite(lambda _: 1, start=16, fill=b"\0\0"), DATABASE, "SQLite"),
    Damage(
        "page of items", overwrite(lambda d: leaf_of(d, "items")), DATABASE, "SQLite", items=None
    ),
    Damage(
        "zeroed page of items",
        overwrite(lambda d: leaf_of(d, "items"), fill=bytes(16384)),
        DATABASE,
        "integrity",
        items=None,
    ),
    Damage(
        "root of items", overwrite(lambda d: page_of(d, "items")), DATABASE, "SQLite", items=None
    ),
    Damage(
        "pointers within a page of items",
        overwrite(lambda d: leaf_of(d, "items"), start=8, fill=b"\xff" * 40),
        DATABASE,
        "SQLite",
        items=None,
    ),
    Damage("page of vectors", overwrite(lambda d: leaf_of(d, "vectors")), DATABASE, "SQLite"),
    Damage("root of vectors", overwrite(lambda d: page_of(d, "vectors")), DATABASE, "SQLite"),
    Damage(
        "numbers in a page of vectors",
        overwrite(lambda d: leaf_of(d, "vectors"), start=9000, fill=b"\xff" * 4000),
        DATABASE,
        "the vector",
    ),
    Damage("root of ledger", overwrite(lambda d: page_of(d, "ledger")), DATABASE, "SQLite"),
    Damage("root of meta", overwrite(lambda d: page_of(d, "meta")), DATABASE, "SQLite"),
    Damage("root of spaces", overwrite(lambda d: page_of(d, "spaces")), DATABASE, "SQLite"),
    Damage("an index", overwrite(lambda d: page_of(d, "items_by_revision")), DATABASE, "SQLite"),
    # Marks and tables.
    Damage("newer format", sql("PRAGMA user_version = 99"), DATABASE, "format is noted as 99"),
    Damage("no format", sql("PRAGMA user_version = 0"), DATABASE, "format is noted as 0"),
    Damage("application id", sql("PRAGMA application_id = 7"), DATABASE, "application id is 0x7"),
    Damage("dropped index", sql("DROP INDEX items_by_copy"), DATABASE, "missing"),
    Damage("dropped vectors", sql("DROP TABLE vectors"), DATABASE, "missing"),
    Damage("dropped ledger", sql("DROP TABLE ledger"), DATABASE, "missing"),
    Damage("dropped meta", sql("DROP TABLE meta"), DATABASE, "missing"),
    Damage("dropped spaces", sql("DROP TABLE spaces"), DATABASE, "missing"),
    Damage("dropped deletions", sql("DROP TABLE deletions"), DATABASE, "missing"),
    Damage("more tables", sql("CREATE TABLE more (a)"), DATABASE, "unknown"),
    Damage(
        "entries of an index",
        sql(
            "UPDATE sqlite_schema SET sql = NULL, type = 'table', tbl_name = name "
            "WHERE name = 'items_by_revision'"
        ),
        DATABASE,
        "SQLite",
    ),
    # Vectors.
    Damage("NaN", vector(numbers(float("nan"))), DATABASE, "aren't finite"),
    Damage("infinity", vector(numbers(float("inf"))), DATABASE, "aren't finite"),
    Damage("zeros", vector(bytes(48 * 4)), DATABASE, "unit length"),
    Damage("too long", vector(numbers(9.0)), DATABASE, "unit length"),
    Damage("short", vector(b"\0" * 12), DATABASE, "another length"),
    Damage("empty", vector(b""), DATABASE, "another length"),
    Damage("no vectors", sql("DELETE FROM vectors"), DATABASE, "vector is missing"),
    Damage(
        "a vector of no item",
        sql("INSERT INTO vectors VALUES (9999, 1, x'00')"),
        DATABASE,
        "belongs to no item",
    ),
    Damage("vectors of no encoder", sql("UPDATE vectors SET space = 7"), DATABASE, "to no encoder"),
    Damage(
        "NaN and no picture",
        lambda data: (vector(numbers(float("nan")))(data), drop_copy_of(data, "u003"))[0],
        DATABASE,
        "neither a usable vector nor its picture",
        LOST,
        ITEMS - 1,
    ),
    # Spaces and counters.
    Damage("no space is active", sql("UPDATE spaces SET active = NULL"), DATABASE, "active"),
    Damage("dimension", sql("UPDATE spaces SET dim = 7"), DATABASE, "another length"),
    Damage("dimension of 0", sql("UPDATE spaces SET dim = 0"), DATABASE, "entry isn't"),
    Damage("no counters", sql("DELETE FROM meta"), DATABASE, "counters are missing"),
    Damage("revision set back", sql("UPDATE meta SET value = 1"), DATABASE, "revision isn't"),
    Damage("negative revision", sql("UPDATE meta SET value = -5"), DATABASE, "counters are"),
    Damage(
        "deletions to come",
        sql("INSERT INTO deletions VALUES (7777, 99999)"),
        DATABASE,
        "revision to come",
    ),
    # Rows of items.
    Damage(
        "metadata isn't JSON",
        sql("UPDATE items SET metadata = '{oh' WHERE id = 'u003'"),
        DATABASE,
        "no valid JSON",
        LOST,
    ),
    Damage(
        "metadata is a list",
        sql("UPDATE items SET metadata = '[1]' WHERE id = 'u003'"),
        DATABASE,
        "no JSON object",
        LOST,
    ),
    Damage(
        "metadata with NaN",
        sql("""UPDATE items SET metadata = '{"a": NaN, "b": 1}' WHERE id = 'u003'"""),
        DATABASE,
        "no item may have",
        LOST,
    ),
    Damage(
        "metadata of 100,000 brackets",
        sql(f"UPDATE items SET metadata = '{'[' * 100_000}' WHERE id = 'u003'"),
        DATABASE,
        "no valid JSON",
        LOST,
    ),
    Damage("metadata isn't UTF-8", invalid_text("metadata"), DATABASE, "no valid JSON", LOST),
    Damage("an id isn't UTF-8", invalid_text("id"), DATABASE, "no valid text", LOST, ITEMS - 1),
    Damage(
        "an empty id",
        sql("UPDATE items SET id = '' WHERE id = 'u003'"),
        DATABASE,
        "no valid text",
        LOST,
        ITEMS - 1,
    ),
    Damage(
        "a picture reference",
        sql("UPDATE items SET picture = 'x' WHERE id = 'u003'"),
        DATABASE,
        "picture reference",
    ),
    Damage(
        "a content hash",
        sql("UPDATE items SET content_hash = 'x' WHERE id = 'u003'"),
        DATABASE,
        "no sha256",
    ),
    Damage(
        "the content hash of another",
        sql(f"UPDATE items SET content_hash = '{'e' * 64}' WHERE id = 'u003'"),
        DATABASE,
        "isn't the one",
    ),
    Damage("a width", sql("UPDATE items SET width = -3 WHERE id = 'u003'"), DATABASE, "the width"),
    Damage(
        "a deleted row",
        sql("DELETE FROM items WHERE id = 'u003'"),
        DATABASE,
        "the ledger tells of an item",
        LOST,
        ITEMS - 1,
    ),
    Damage("a state", sql("UPDATE ledger SET state = 'x' WHERE id = 'u003'"), DATABASE, "ledger"),
    Damage("a reason", invalid_text("reason", "ledger"), DATABASE, "ledger"),
    # The log.
    Damage("lost log", lost_writes, "pictures", "belongs to no item"),
    Damage("another's log", foreign_log, "catalog.sqlite-wal", "another database"),
    Damage("a newer log", newer_log, "catalog.sqlite-wal", "another database"),
    # Pictures.
    Damage("a copy is gone", first_copy(Path.unlink), "pictures", "isn't there", LOST, sound=False),
    Damage(
        "a copy is another picture",
        first_copy(lambda copy: copy.write_bytes(b"x")),
        "pictures",
        "holds another picture",
        LOST,
        sound=False,
    ),
    Damage(
        "a copy is empty",
        first_copy(lambda copy: copy.write_bytes(b"")),
        "pictures",
        "holds another picture",
        LOST,
        sound=False,
    ),
    Damage("two copies are swapped", swap_copies, "pictures", "holds another picture"),
    Damage("a stray file", stray_copy, "pictures", "named by its content"),
    Damage(
        "all copies are gone",
        lambda data: shutil.rmtree(data / "pictures"),
        "pictures",
        "isn't there",
        LOST,
        sound=False,
    ),
    Damage("a file is gone", no_photos, "files of pictures", "isn't there", LOST, sound=False),
    # All other files.
    Damage("keys", noise("keys.sqlite"), "keys.sqlite", "can't be read", LOST),
    Damage("keys cut", cut("keys.sqlite", 0.4), "keys.sqlite", "", LOST),
    Damage("no keys' table", sql("DROP TABLE keys", file="keys.sqlite"), "keys.sqlite", "", LOST),
    Damage(
        "a key",
        sql("UPDATE keys SET scopes = 'all'", file="keys.sqlite"),
        "keys.sqlite",
        "key",
        LOST,
    ),
    Damage("keys in a folder", folder_instead("keys.sqlite"), "keys.sqlite", "no file", LOST),
    Damage("keys for all to read", mode("keys.sqlite", 0o644), "keys.sqlite", "0644"),
    Damage("secret", noise("secret"), "secret", "64 hex digits"),
    Damage("empty secret", cut("secret", 0), "secret", "64 hex digits"),
    Damage("a folder for a secret", folder_instead("secret"), "secret", "no file"),
    Damage("secret for all to read", mode("secret", 0o644), "secret", "0644"),
    Damage("sources", noise("sources.sqlite"), "sources.sqlite", "can't be read"),
    Damage("sources cut", cut("sources.sqlite", 0.3), "sources.sqlite", ""),
    Damage(
        "options of a source",
        sql("UPDATE sources SET options = '{'", file="sources.sqlite"),
        "sources.sqlite",
        "options",
    ),
    Damage("thumbnails", noise("thumbnails.sqlite"), "thumbnails.sqlite", "can't be read"),
    Damage(
        "a thumbnail",
        sql("UPDATE thumbnails SET data = x'00'", file="thumbnails.sqlite"),
        "thumbnails.sqlite",
        "no pictures",
    ),
    Damage("encoder", noise("encoder"), "encoder", "names no encoder"),
    Damage("a folder for an encoder", folder_instead("encoder"), "encoder", "names no encoder"),
    Damage(
        "an encoder that isn't there",
        lambda data: (data / "encoder").write_text("/nowhere/model.onnx"),
        "encoder",
        "can't be opened",
    ),
    Damage(
        "another encoder",
        lambda data: (data / "encoder").write_text("kinlens-mini"),
        "encoder",
        "holds vectors of",
    ),
]


def drop_copy_of(data: Path, item_id: str) -> None:
    with kinlens.open_search(data) as search:
        picture = search.get([item_id])[item_id].picture
    digest = picture.removeprefix("copy:")
    (data / "pictures" / digest[:2] / digest).unlink()


def doctor(data: Path, *options: str) -> tuple[int, dict]:
    result = CliRunner().invoke(
        app, ["doctor", *options, "--json", "--data", str(data)], catch_exceptions=False
    )
    return result.exit_code, json.loads(result.stdout)


def test_a_whole_catalog_is_sound(data: Path) -> None:
    code, found = doctor(data, "--deep", "--files")
    assert (code, found["findings"]) == (0, [])
    assert (found["items"], found["vectors"], found["pictures"]) == (ITEMS, ITEMS, ITEMS)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_damage(data: Path, damage: Damage) -> None:
    damage.do(data)
    content = {path: path.read_bytes() for path in data.iterdir() if path.is_file()}

    code, found = doctor(data, "--deep")
    said = [(one["part"], one["fault"], one["state"]) for one in found["findings"]]
    assert code == 1, said
    assert any(damage.part == part and damage.says in fault for part, fault, _ in said), said
    assert set(damage.states) <= {state for *_, state in said}, said
    changed = {
        path.name
        for path, was in content.items()
        if path.suffix != ".sqlite-shm" and path.read_bytes() != was
    }
    assert changed <= {"catalog.sqlite-shm", "keys.sqlite-shm", "sources.sqlite-shm"}

    options = ["--encoder", str(data.parent / "tiny0.onnx")]
    code, report = doctor(data, "--repair", *options)
    after = [one for one in report["after"]["findings"] if one["part"] != "encoder"]
    assert after == [] or not damage.sound, after
    if not damage.sound:
        assert {one["state"] for one in after} == {"lost"}
        code, report = doctor(data, "--repair", "--drop-lost", *options)
        assert report["after"]["findings"] == []
    check_usable(data, damage)


def check_usable(data: Path, damage: Damage) -> None:
    """The repaired catalog answers, takes new items, and what was damaged is kept."""
    with kinlens.open_search(data, data.parent / "tiny0.onnx") as search:
        count = search.count()
        if damage.items is not None and damage.sound:
            assert count == damage.items
        if count:
            hits = search.search(data.parent / "photos" / "p005.jpg", k=3).hits
            assert hits
        if "lost" in damage.states:
            assert kinlens.index(search, data.parent / "photos").failed == 0
            assert search.count() >= ITEMS - UPLOADS - 1
