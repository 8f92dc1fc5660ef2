"""Backups of a catalog in use, and data folders made of them."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import kinlens
from kinlens.errors import CatalogBusy, CatalogError, InvalidInput, OutputError
from kinlens.keys import KeyStore
from kinlens.types import NewItem
from maintenance.damages import ITEMS, UPLOADS, copies, noise, settle


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def items_of(data: Path) -> int:
    with kinlens.open_search(data, create=False, lazy=True) as search:
        return search.count()


def test_a_backup_restores_to_the_same_catalog(data: Path, target: Path, tmp_path: Path) -> None:
    report = kinlens.backup(target, data)
    assert (report.items, report.pictures, report.copied) == (ITEMS, UPLOADS, UPLOADS)
    assert report.files_elsewhere == ITEMS - UPLOADS
    assert kinlens.verify_backup(target).folder is None

    place = tmp_path / "new" / "place"
    kinlens.restore(target, place)
    found = kinlens.inspect_catalog(place, files=True)
    assert (found.findings, found.items, found.vectors) == ([], ITEMS, ITEMS)
    for name in ("keys.sqlite", "secret"):
        assert (place / name).stat().st_mode & 0o777 == 0o600
    assert (place / "secret").read_bytes() == (data / "secret").read_bytes()
    with KeyStore(data) as before, KeyStore(place) as after:
        assert before.list() == after.list()
    with kinlens.open_search(data) as one, kinlens.open_search(place) as other:
        assert one.items() == other.items()
        picture = data.parent / "photos" / "p005.jpg"
        assert one.search(picture).hits == other.search(picture).hits
        assert one.picture("u003") == other.picture("u003")


def test_a_second_backup_copies_only_what_changed(
    data: Path, target: Path, make_picture: Callable[..., bytes]
) -> None:
    kinlens.backup(target, data)
    again = kinlens.backup(target, data)
    assert again.copied == 0
    assert set(again.unchanged) == {"catalog.sqlite", "keys.sqlite", "sources.sqlite"}

    with kinlens.open_search(data) as search:
        search.add([NewItem("new", image=make_picture(seed=77))])
        search.delete(["u000"])
    third = kinlens.backup(target, data)
    assert (third.copied, third.items) == (1, ITEMS)
    assert set(third.unchanged) == {"keys.sqlite", "sources.sqlite"}
    assert len(list((target / "generations").iterdir())) == 2
    assert kinlens.verify_backup(target, generation=again.generation).items == ITEMS

    # No generation refers to the deleted item's picture any more.
    kinlens.backup(target, data)
    assert len(copies(target)) == UPLOADS


def test_a_backup_of_a_catalog_in_use_is_consistent(
    data: Path, target: Path, tmp_path: Path, make_picture: Callable[..., bytes]
) -> None:
    done = threading.Event()
    pictures = [make_picture(seed=2000 + number) for number in range(20)]

    def write() -> None:
        round_ = 0
        while not done.is_set():
            round_ += 1
            for number, picture in enumerate(pictures):
                search.add([NewItem(f"w{number}", image=picture + bytes([round_ % 256]))])
            search.delete([f"w{number}" for number in range(0, 20, 2)])

    with kinlens.open_search(data) as search:
        writer = threading.Thread(target=write)
        writer.start()
        try:
            reports = [kinlens.backup(target, data) for _ in range(3)]
        finally:
            done.set()
            writer.join()
    for report in reports:
        assert report.lacking == ()
    for report in reports[-2:]:
        place = tmp_path / report.generation
        kinlens.restore(target, place, generation=report.generation)
        assert kinlens.inspect_catalog(place).of("lost") == []
        assert items_of(place) == report.items


def test_a_backup_that_fails_leaves_the_former_one(
    data: Path, target: Path, make_picture: Callable[..., bytes]
) -> None:
    former = kinlens.backup(target, data)
    with kinlens.open_search(data) as search:
        search.add([NewItem("new", image=make_picture(seed=78))])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises((OutputError, CatalogError), match="space"):
            kinlens.backup(target, data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    # What a killed backup leaves is in nobody's way.
    (target / "generations" / "draft-20200101T000000Z").mkdir()
    assert kinlens.verify_backup(target).generation == former.generation
    assert kinlens.backup(target, data).items == ITEMS + 1
    assert not list((target / "generations").glob("draft-*"))


def test_missing_and_damaged_pictures_are_told(data: Path, target: Path) -> None:
    copies(data)[0].unlink()
    copies(data)[0].write_bytes(b"x")
    report = kinlens.backup(target, data)
    assert len(report.lacking) == 2
    assert kinlens.verify_backup(target).pictures == UPLOADS - 2


def test_a_picture_damaged_after_a_backup_stays_whole_in_it(data: Path, target: Path) -> None:
    kinlens.backup(target, data)
    copies(data)[0].write_bytes(b"x")
    copies(data)[1].unlink()
    assert kinlens.backup(target, data).lacking == ()
    assert kinlens.verify_backup(target).pictures == UPLOADS


def test_a_damaged_catalog_makes_no_backup(data: Path, target: Path) -> None:
    former = kinlens.backup(target, data)
    settle(data)
    with (data / "catalog.sqlite").open("r+b") as file:
        file.seek(16384 * 5)
        file.write(bytes(16384 * 3))
    with pytest.raises(CatalogError, match="damaged"):
        kinlens.backup(target, data)
    assert kinlens.verify_backup(target).generation == former.generation
    noise("catalog.sqlite")(data)
    with pytest.raises(CatalogError, match="damaged"):
        kinlens.backup(target, data)


def test_targets_that_cannot_be_used(data: Path, target: Path, tmp_path: Path) -> None:
    for bad in (data / "backup", data, data.parent):
        with pytest.raises(OutputError, match="apart from the data folder"):
            kinlens.backup(bad, data)
    with pytest.raises(OutputError, match="isn't empty and holds no backup"):
        kinlens.backup(data.parent / "photos", data)
    with pytest.raises(OutputError, match="is a file"):
        kinlens.backup(data.parent / "tiny0.onnx", data)
    with pytest.raises(OutputError, match="can't be written"):
        kinlens.backup(data.parent / "tiny0.onnx" / "below", data)
    with pytest.raises(CatalogError, match="no catalog"):
        kinlens.backup(target, tmp_path / "none")
    kinlens.backup(target, data)
    other = tmp_path / "other"
    shutil.copytree(data, other)
    with pytest.raises(OutputError, match="holds a backup of"):
        kinlens.backup(target, other)
    assert kinlens.backup(target, other, adopt=True).items == ITEMS


def test_a_log_in_the_place_is_never_applied(data: Path, target: Path, tmp_path: Path) -> None:
    kinlens.backup(target, data)
    place = tmp_path / "place"
    place.mkdir()
    with closing(sqlite3.connect(data / "catalog.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE items SET metadata = '{\"later\": 1}'")
        shutil.copy(data / "catalog.sqlite-wal", place / "catalog.sqlite-wal")
    with pytest.raises(OutputError, match="isn't empty"):
        kinlens.restore(target, place)
    report = kinlens.restore(target, place, replace=True)
    assert report.aside is not None
    assert (report.aside / "catalog.sqlite-wal").is_file()
    with kinlens.open_search(place) as search:
        assert search.count({"later": 1}) == 0
        assert search.count() == ITEMS


def test_a_folder_in_use_is_not_replaced(data: Path, target: Path) -> None:
    kinlens.backup(target, data)
    with kinlens.open_search(data), pytest.raises(CatalogBusy, match="stop it"):
        kinlens.restore(target, data, replace=True)
    report = kinlens.restore(target, data, replace=True)
    assert report.aside is not None
    assert items_of(data) == items_of(report.aside) == ITEMS


@pytest.mark.parametrize(
    "damage", ["a picture", "no picture", "the database", "the manifest", "the pointer", "the list"]
)
def test_a_damaged_backup_is_not_restored(
    data: Path, target: Path, tmp_path: Path, damage: str
) -> None:
    report = kinlens.backup(target, data)
    generation = target / "generations" / report.generation
    if damage == "no picture":
        copies(target)[0].unlink()
    else:
        file = {
            "a picture": copies(target)[0],
            "the database": generation / "catalog.sqlite",
            "the manifest": generation / "manifest.json",
            "the pointer": target / "kinlens-backup.json",
            "the list": generation / "pictures.txt",
        }[damage]
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    place = tmp_path / "place"
    with pytest.raises(CatalogError, match="backup"):
        kinlens.verify_backup(target)
    with pytest.raises(CatalogError, match="backup"):
        kinlens.restore(target, place)
    assert not place.exists()
    assert not list(tmp_path.glob(".place*"))


def test_what_is_no_backup(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no backup"):
        kinlens.restore(tmp_path / "none", tmp_path / "place")
    with pytest.raises(CatalogError, match="no backup"):
        kinlens.restore(data, tmp_path / "place")
    kinlens.backup(tmp_path / "backup", data)
    with pytest.raises(InvalidInput, match="no generation"):
        kinlens.restore(tmp_path / "backup", tmp_path / "place", generation="2020")


def test_repair_refuses_while_the_catalog_is_open(data: Path) -> None:
    with kinlens.open_search(data) as search, pytest.raises(CatalogBusy, match="stop it"):
        kinlens.repair_catalog(data)
    assert search is not None
    report = kinlens.repair_catalog(data)
    assert (report.done, report.aside) == ([], None)
    json.dumps(report.to_dict())


def test_inspecting_a_catalog_in_use(data: Path, make_picture: Callable[..., bytes]) -> None:
    done = threading.Event()
    picture = make_picture(seed=5)

    def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            search.add([NewItem("w", image=picture + number.to_bytes(4, "big"))])
            search.delete(["w"])

    with kinlens.open_search(data) as search:
        writer = threading.Thread(target=write)
        writer.start()
        try:
            found = [kinlens.inspect_catalog(data).findings for _ in range(3)]
        finally:
            done.set()
            writer.join()
        assert found == [[], [], []]
        # Nothing let go of the locks that this process holds.
        with pytest.raises(CatalogBusy):
            kinlens.repair_catalog(data)
