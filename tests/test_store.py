"""Copies of pictures: whole or not at all, and never the user's own files."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from kinlens import store as store_module
from kinlens.errors import CatalogBusy, CatalogError, CatalogFull, PictureGone
from kinlens.store import PictureStore, content_hash, path_reference


def test_a_copy_is_named_by_its_content_and_reads_back(tmp_path: Path):
    store = PictureStore(tmp_path / "pictures")
    reference = store.put(b"bytes")
    digest = hashlib.sha256(b"bytes").hexdigest()
    assert reference == f"copy:{digest}"
    assert store.read(reference) == b"bytes"
    assert store.locate(reference) == tmp_path / "pictures" / digest[:2] / digest
    assert store.put(b"bytes") == reference
    assert list(store.copies()) == [reference]


def test_a_file_stays_where_it_is_and_is_never_removed(tmp_path: Path):
    file = tmp_path / "mine.jpg"
    file.write_bytes(b"mine")
    store = PictureStore(tmp_path / "pictures")
    reference = path_reference(file)
    assert store.read(reference) == b"mine"
    store.remove([reference, "copy:" + "0" * 64])
    assert file.exists()
    file.unlink()
    with pytest.raises(PictureGone, match=r"mine\.jpg has gone"):
        store.read(reference)


def test_removing_a_copy_leaves_the_others(tmp_path: Path):
    store = PictureStore(tmp_path)
    first, second = store.put(b"1"), store.put(b"2")
    store.remove([first])
    assert list(store.copies()) == [second]
    assert not store.has(first)


@pytest.mark.parametrize(
    ("code", "expected"), [(errno.ENOSPC, CatalogFull), (errno.EACCES, CatalogError)]
)
def test_a_copy_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch, code, expected):
    store = PictureStore(tmp_path)

    def fail(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(expected, match=r"written|No space"):
        store.put(b"data")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


WRITER = """
import os, sys
from pathlib import Path
from kinlens.store import PictureStore
sync = os.fsync
def slow(handle):
    if "draft" in os.readlink(f"/proc/self/fd/{handle}"):
        print("writing", flush=True)
        sys.stdin.readline()
    sync(handle)
os.fsync = slow
print(PictureStore(Path(sys.argv[1])).put(sys.argv[2].encode()), flush=True)
"""


@contextmanager
def writer(folder: Path, text: str) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of keeping a copy, until it is sent a line."""
    command = [sys.executable, "-c", WRITER, str(folder), text]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "writing\n"
        try:
            yield started
        finally:
            started.kill()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks into /proc")
@pytest.mark.parametrize("write", ["put", "locked"])
def test_what_a_killed_writer_left_is_swept_and_no_draft_of_a_live_one(tmp_path, write):
    def drafts() -> int:
        return len(list(tmp_path.rglob("draft-*")))

    with writer(tmp_path, "live") as live, writer(tmp_path, "killed") as killed:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert drafts() == 2
        store = PictureStore(tmp_path)
        if write == "put":
            store.put(b"mine")
        else:
            with store.locked():
                pass
        assert drafts() == 1
        said, _ = live.communicate("\n")
    assert store.read(said.strip()) == b"live"
    assert drafts() == 0


def test_a_draft_that_is_swept_before_it_is_locked_is_begun_again(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    flock, first = fcntl.flock, []

    def late(handle: int, how: int) -> None:
        if not first:
            first.append(handle)
            PictureStore(tmp_path)._sweep_once()
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    store = PictureStore(tmp_path)
    assert store.read(store.put(b"bytes")) == b"bytes"
    assert first


def test_many_threads_sweep_none_of_their_own_drafts(tmp_path):
    def put(number: int) -> str:
        return PictureStore(tmp_path).put(str(number % 50).encode())

    with ThreadPoolExecutor(8) as pool:
        references = set(pool.map(put, range(200)))
    assert set(PictureStore(tmp_path).copies()) == references
    assert len(references) == 50


def test_each_new_folder_is_synced_in_the_one_above(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(store_module, "_sync_folder", synced.append)
    store = PictureStore(tmp_path / "data" / "pictures")
    shelf = store.locate(store.put(b"bytes")).parent
    assert synced == [tmp_path, tmp_path / "data", tmp_path / "data" / "pictures", shelf]


def test_a_lock_that_another_holds_on_to_is_not_waited_for_forever(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "LOCK_TIMEOUT", 0.1)
    first, second = PictureStore(tmp_path), PictureStore(tmp_path)
    with (
        ThreadPoolExecutor(1) as other,
        first.locked(),
        pytest.raises(CatalogBusy, match="held"),
    ):
        other.submit(second.locked().__enter__).result(60)


def test_many_threads_may_keep_the_same_copy(tmp_path: Path):
    store = PictureStore(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        references = set(pool.map(lambda _: store.put(b"x" * 100_000), range(50)))
    assert references == {"copy:" + content_hash(b"x" * 100_000)}
    assert store.read(references.pop()) == b"x" * 100_000


def test_the_lock_keeps_others_out(tmp_path: Path):
    store, inside = PictureStore(tmp_path), threading.Event()
    other = threading.Thread(target=lambda: _enter(PictureStore(tmp_path), inside))
    with store.locked():
        other.start()
        assert not inside.wait(0.2)
    other.join()
    assert inside.is_set()


def _enter(store: PictureStore, inside: threading.Event) -> None:
    with store.locked():
        inside.set()
