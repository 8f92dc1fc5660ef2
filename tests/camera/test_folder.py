from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kinlens.camera.folder import FolderFrames
from kinlens.errors import SourceError
from kinlens.images import Limits

Make = Callable[[int], Path]


def test_frames_come_in_natural_order_once(frames_folder: Make):
    folder = frames_folder(12)
    (folder / "notes.txt").write_text("no frame")
    (folder / ".hidden.jpg").write_bytes(b"")
    frames = list(FolderFrames(folder, rate=1000).frames())
    assert [frame.name for frame in frames] == [f"{n}.jpg" for n in range(12)]
    assert all(frame.content == (folder / frame.name).read_bytes() for frame in frames)
    assert [frame.at for frame in frames] == sorted(frame.at for frame in frames)


def test_the_rate_is_kept(frames_folder: Make):
    start = time.monotonic()
    assert len(list(FolderFrames(frames_folder(6), rate=20).frames())) == 6
    assert time.monotonic() - start >= 5 / 20 * 0.95


def test_loop_begins_again_with_what_is_there_then(frames_folder: Make):
    folder = frames_folder(2)
    source = FolderFrames(folder, rate=1000, loop=True)
    names = []
    for frame in source.frames():
        names.append(frame.name)
        if len(names) == 2:
            (folder / "2.jpg").write_bytes((folder / "1.jpg").read_bytes())
        if len(names) == 7:
            source.close()
    assert names == ["0.jpg", "1.jpg", "0.jpg", "1.jpg", "2.jpg", "0.jpg", "1.jpg"]


def test_closing_ends_a_wait(frames_folder: Make):
    source = FolderFrames(frames_folder(2), rate=0.001)
    frames = source.frames()
    assert next(frames).name == "0.jpg"
    source.close()
    assert list(frames) == []


def test_a_file_that_cannot_be_read_is_left_out(
    frames_folder: Make, caplog: pytest.LogCaptureFixture
):
    folder = frames_folder(3)
    (folder / "1.jpg").unlink()
    os.mkfifo(folder / "1.jpg")
    (folder / "3.jpg").write_bytes(bytes(100_000))
    source = FolderFrames(folder, rate=1000, limits=Limits(max_bytes=50_000))
    assert [frame.name for frame in source.frames()] == ["0.jpg", "2.jpg"]
    assert "1.jpg" in caplog.text
    assert "max_bytes" in caplog.text


def test_what_is_no_folder_is_refused_at_once(tmp_path: Path):
    with pytest.raises(SourceError, match="isn't a folder"):
        FolderFrames(tmp_path / "nowhere")


def test_a_folder_that_goes_is_told_of(frames_folder: Make):
    folder = frames_folder(1)
    source = FolderFrames(folder, rate=1000, loop=True)
    frames = source.frames()
    next(frames)
    (folder / "0.jpg").unlink()
    folder.rmdir()
    with pytest.raises(SourceError, match="can't be read"):
        list(frames)
