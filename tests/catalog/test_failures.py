"""Busy, full, damaged, forbidden: what is said, and what holds afterwards."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from catalog.processes import run
from catalog.samples import create, integrity, items, unit
from kinlens.catalog.database import FILE_NAME, Database
from kinlens.catalog.ledger import Ledger
from kinlens.catalog.sqlite import SqliteCatalog
from kinlens.errors import CatalogBusy, CatalogError, CatalogFull
from kinlens.types import Outcome


def test_another_process_that_holds_the_catalog_makes_it_busy(tmp_path: Path) -> None:
    with create(tmp_path, timeout=0.1) as catalog:
        catalog.upsert(items(3), unit(3))
        holder = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")

        with pytest.raises(CatalogBusy, match="nothing was changed"):
            catalog.upsert(items(5), unit(5))
        assert catalog.count() == 3
        assert len(catalog.search(unit(1), 5)[0]) == 3

        holder.execute("ROLLBACK")
        holder.close()
        catalog.upsert(items(5), unit(5))
        assert catalog.count() == 5


def test_another_thread_that_holds_the_catalog_makes_it_busy(tmp_path: Path) -> None:
    with create(tmp_path, timeout=0.1) as catalog:
        with catalog._database.write(), pytest.raises(CatalogBusy):
            catalog.delete(["a"])
        catalog.upsert(items(1), unit(1))


def test_no_catalog(tmp_path: Path) -> None:
    assert SqliteCatalog.identity_of(tmp_path / "none") is None
    with pytest.raises(CatalogError, match=r"no catalog in .*none.*kinlens index"):
        SqliteCatalog.open(tmp_path / "none")
    with pytest.raises(CatalogError, match="no catalog"):
        Ledger.open(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(CatalogError, match="no encoder was given"):
        SqliteCatalog.open(tmp_path, create=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogError, match="can't be made"):
        create(tmp_path / "file" / "below")


def test_a_closed_catalog_says_so(tmp_path: Path) -> None:
    catalog = create(tmp_path)
    catalog.close()
    with pytest.raises(CatalogError, match="has been closed"):
        catalog.count()


@pytest.mark.parametrize("damage", ["not a database", "header", "pages", "truncated"])
def test_a_damaged_database_says_what_to_do(tmp_path: Path, damage: str) -> None:
    with create(tmp_path) as catalog:
        catalog.upsert(items(2000), unit(2000))
    path = tmp_path / FILE_NAME
    content = bytearray(path.read_bytes())
    if damage == "not a database":
        content = bytearray(b"hello" * 20_000)
    elif damage == "header":
        content[:16] = os.urandom(16)
    elif damage == "pages":
        content[4096:] = os.urandom(len(content) - 4096)
    else:
        del content[len(content) // 3 :]
    path.write_bytes(content)

    def use() -> None:
        with create(tmp_path) as catalog:
            catalog.count({"n": 1})
            catalog.search(unit(1), 5)

    with pytest.raises(CatalogError, match=r"damaged.*Restore it from a backup.*index again"):
        use()


def test_a_folder_that_cannot_be_written() -> None:
    program = """
        import os, sys
        from pathlib import Path
        from kinlens.catalog.sqlite import SqliteCatalog
        from kinlens.errors import CatalogError
        SqliteCatalog.open(Path(sys.argv[1])).close()  # loads what another user can't
        os.chmod(sys.argv[1] + "/catalog.sqlite", 0o444)
        os.chmod(sys.argv[1], 0o555)
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            SqliteCatalog.open(Path(sys.argv[1]))
        except CatalogError as error:
            print(error)
    """
    with tempfile.TemporaryDirectory() as folder:
        create(Path(folder)).close()
        said = run(program, folder)
        Path(folder).chmod(0o755)
    assert "Check its owner and permissions" in said


@pytest.fixture(params=["file system", "file size"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder with room for about 4 MB: a tmpfs, or a limit on the size of files."""
    if request.param == "file system":
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", tmp_path],
            check=False,
            capture_output=True,
        )
        if mounted.returncode:
            pytest.skip("mounting a small file system needs root")
        yield tmp_path
        subprocess.run(["umount", "-l", tmp_path], check=True)
    else:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))
        yield tmp_path
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_loses_nothing_that_was_stored(small_disk: Path) -> None:
    catalog = create(small_disk)
    stored = 0

    def fill_up() -> None:
        nonlocal stored
        while stored < 1_000_000:
            catalog.upsert(items(500, stored), unit(500, seed=stored))
            stored += 500

    with pytest.raises(CatalogFull, match=r"No space left.*Free some space"):
        fill_up()

    assert stored >= 1000
    for one in (catalog, SqliteCatalog.open(small_disk)):
        assert one.count() == stored
        assert len(one.search(unit(1), stored + 10)[0]) == stored
        assert one.count({"n": {"$gte": 0}}) == stored
        one.close()
    assert integrity(small_disk) == "ok"


def test_after_a_full_disk_there_is_room_again(tmp_path: Path) -> None:
    with create(tmp_path) as catalog, Ledger.open(tmp_path) as ledger:
        catalog.upsert(items(100), unit(100))
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
        try:
            with pytest.raises(CatalogFull):
                catalog.upsert(items(20_000), unit(20_000))
            with pytest.raises(CatalogFull):
                ledger.record([Outcome(str(n), "failed", "x" * 100) for n in range(20_000)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        assert catalog.count() == 100
        catalog.upsert(items(20_000), unit(20_000))
        assert catalog.count() == 20_000
        assert ledger.counts()["failed"] == 0
    assert integrity(tmp_path) == "ok"


def test_an_interrupted_write_is_undone(tmp_path: Path) -> None:
    with create(tmp_path) as catalog:

        def write() -> None:
            with catalog._database.write() as connection:
                connection.execute("UPDATE meta SET value = 77 WHERE name = 'revision'")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write()
        with catalog._database.read() as connection:
            assert connection.execute("SELECT value FROM meta WHERE value = 77").fetchone() is None


def test_closing_while_threads_read(tmp_path: Path) -> None:
    catalog = create(tmp_path)
    catalog.upsert(items(500), unit(500))
    unexpected = []

    def read() -> None:
        try:
            while True:
                catalog.search(unit(1), 5)
        except CatalogError as error:
            if "closed" not in str(error):
                unexpected.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    catalog.close()
    for thread in threads:
        thread.join()
    assert unexpected == []
    assert not (tmp_path / f"{FILE_NAME}-wal").exists()


def test_whoever_closes_last_tidies_the_log(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    for _ in range(60):
        database = Database(path, create=True)

        def read(database: Database = database) -> None:
            with suppress(CatalogError):
                while True:
                    with database.read() as connection:
                        connection.execute("SELECT 1").fetchall()

        threads = [threading.Thread(target=read) for _ in range(6)]
        for thread in threads:
            thread.start()
        database.close()
        for thread in threads:
            thread.join()
        assert not path.with_name(f"{FILE_NAME}-wal").exists()
