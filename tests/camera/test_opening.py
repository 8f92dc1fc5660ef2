from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kinlens.camera.folder import FolderFrames
from kinlens.camera.opencv import CameraStream
from kinlens.camera.opening import open_source
from kinlens.camera.stream import HttpFrames
from kinlens.errors import FetchError, InvalidInput, SourceError
from privileges import given_up


def test_a_folder(frames_folder: Callable[[int], Path]):
    source = open_source(str(frames_folder(1)))
    assert isinstance(source, FolderFrames)
    assert not source.endless


@pytest.mark.parametrize("url", ["http://camera:8080/video?x=1", "HTTPS://camera/shot.jpg"])
def test_a_camera_that_speaks_http(url: str):
    source = open_source(url)
    assert isinstance(source, HttpFrames)
    assert source.endless
    assert "x=1" not in source.name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("0", "USB camera 0"),
        ("usb:3", "USB camera 3"),
        ("usb", "USB camera 0"),
        ("/dev/video9", "/dev/video9"),
        ("rtsp://kim:secret@camera/live?token=t", "rtsp://camera/live"),
        ("http://kim:secret@camera/live/index.m3u8", "http://camera/live/index.m3u8"),
    ],
)
def test_what_opencv_reads(text: str, name: str):
    pytest.importorskip("cv2")
    source = open_source(text)
    assert isinstance(source, CameraStream)
    assert source.name == name


@pytest.mark.parametrize("text", ["nowhere", "ftp://camera/", "", "usb:x"])
def test_what_is_no_camera(text: str):
    with pytest.raises(InvalidInput):
        open_source(text)


def test_a_url_without_a_host():
    with pytest.raises(FetchError, match="no host"):
        open_source("http://")


def test_what_may_not_be_read_says_so(tmp_path: Path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0)
    try:
        with given_up(), pytest.raises(SourceError, match="Permission denied"):
            open_source(str(folder / "film.mp4"))
    finally:
        folder.chmod(0o700)
