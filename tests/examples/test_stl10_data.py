"""Tests of examples/stl10_data.py: a binary file, folders, and a download that breaks off."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from kinlens.errors import FetchError, SourceError


def made_pictures(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 96, 96, 3), dtype=np.uint8)


def as_stored(pictures: np.ndarray) -> bytes:
    """As the data set's page says: channel by channel, and each of them column by column."""
    stored = bytearray()
    for picture in pictures:
        for channel in range(3):
            for column in range(96):
                stored += picture[:, column, channel].tobytes()
    return bytes(stored)


def test_a_binary_file(stl10_data: ModuleType, tmp_path: Path) -> None:
    pictures = made_pictures(5)
    path = tmp_path / "unlabeled_X.bin"
    path.write_bytes(as_stored(pictures))
    for place in (path, tmp_path):
        found = stl10_data.read_binary(place)
        assert found.shape == (5, 96, 96, 3)
        np.testing.assert_array_equal(found, pictures)
    assert isinstance(found.base, np.memmap)
    np.testing.assert_array_equal(found[np.array([3, 1])], pictures[[3, 1]])


@pytest.mark.parametrize("content", [b"", b"x" * 27_647, b"x" * 27_649])
def test_no_whole_pictures(stl10_data: ModuleType, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "test_X.bin"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=f"has {len(content)} bytes"):
        stl10_data.read_binary(path)
    with pytest.raises(SourceError, match=r"no .*unlabeled_X\.bin"):
        stl10_data.read_binary(tmp_path)


def test_folders(
    stl10_data: ModuleType, tmp_path: Path, make_picture: Callable[..., bytes]
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.jpg").write_bytes(make_picture(300, 200))
    (tmp_path / "deep" / "b.PNG").write_bytes(make_picture(20, 50, "PNG"))
    (tmp_path / "deep" / "c.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("x")
    assert stl10_data.read_folders([tmp_path]).shape == (2, 96, 96, 3)
    assert stl10_data.read_folders([tmp_path], most=1).shape == (1, 96, 96, 3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="No pictures"):
        stl10_data.read_folders([tmp_path / "empty"])


class Host(BaseHTTPRequestHandler):
    """Serves one file, in parts where asked; gives up after some bytes."""

    def __init__(self, served: Served, *args: object) -> None:
        self.served = served
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        content, start = self.served.content, 0
        asked = self.headers.get("Range", "")
        if self.served.in_parts and asked.startswith("bytes="):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        self.served.starts.append(start)
        self.send_response(206 if self.served.in_parts else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : self.served.most])

    def log_message(self, format: str, *args: object) -> None:
        pass


class Served:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.in_parts = True
        self.most: int | None = None
        self.starts: list[int] = []
        self.address = ""


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("NO_PROXY", "*")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in (
            ("stl10_binary/class_names.txt", b"airplane\n"),
            ("stl10_binary/unlabeled_X.bin", as_stored(made_pictures(3))),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    what = Served(stream.getvalue())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Host, what))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    what.address = f"http://127.0.0.1:{server.server_address[1]}/stl10_binary.tar.gz"
    yield what
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def archive(stl10_data: ModuleType, served: Served) -> object:
    md5 = hashlib.md5(served.content, usedforsecurity=False).hexdigest()
    return stl10_data.Archive(served.address, len(served.content), md5)


def test_download(stl10_data: ModuleType, served: Served, archive: object, tmp_path: Path) -> None:
    for _ in range(2):
        path = stl10_data.download(tmp_path / "stl10", archive)
        np.testing.assert_array_equal(stl10_data.read_binary(path), made_pictures(3))
    assert served.starts == [0]
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "stl10_binary.tar.gz",
        "unlabeled_X.bin",
    ]


@pytest.mark.parametrize("in_parts", [True, False])
def test_it_goes_on_where_it_broke_off(
    stl10_data: ModuleType, served: Served, archive: object, tmp_path: Path, in_parts: bool
) -> None:
    served.most = 1000
    with pytest.raises(FetchError, match=f"ended after 1000 of {len(served.content)} bytes"):
        stl10_data.download(tmp_path, archive)
    served.most, served.in_parts = None, in_parts
    path = stl10_data.download(tmp_path, archive)
    assert served.starts == [0, 1000 if in_parts else 0]
    np.testing.assert_array_equal(stl10_data.read_binary(path), made_pictures(3))


def test_other_bytes_are_deleted(
    stl10_data: ModuleType, served: Served, archive: object, tmp_path: Path
) -> None:
    served.content = served.content[:-1] + b"x"
    with pytest.raises(FetchError, match="has the md5"):
        stl10_data.download(tmp_path, archive)
    assert list(tmp_path.iterdir()) == []


def test_no_network(
    stl10_data: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_address[1]
    gone = stl10_data.Archive(f"http://127.0.0.1:{port}/a.tar.gz", 9, "0" * 32)
    with pytest.raises(FetchError, match=r"can't be fetched.*--path.*--pictures"):
        stl10_data.download(tmp_path, gone)


def test_an_archive_without_the_pictures(
    stl10_data: ModuleType, served: Served, tmp_path: Path
) -> None:
    served.content = b"no archive"
    md5 = hashlib.md5(served.content, usedforsecurity=False).hexdigest()
    with pytest.raises(SourceError, match="can't be unpacked"):
        stl10_data.download(tmp_path, stl10_data.Archive(served.address, 0, md5))
