from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from camera.http_camera import http_camera, mjpeg
from camera.scenes import scene
from kinlens.camera.film import to_jpeg
from kinlens.camera.opencv import CameraStream, VideoFile
from kinlens.errors import SourceError
from live_servers import free_port

cv2 = pytest.importorskip("cv2")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Ten frames, each of one color."""
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 50, (64, 48))
    for number in range(10):
        writer.write(np.full((48, 64, 3), (200, 100, 20 * number), np.uint8))  # B, G, R
    writer.release()
    return path


def test_a_film_gives_its_frames_in_rgb(film: Path):
    frames = list(VideoFile(film).frames())
    assert frames[0].name == "film.avi#1"
    for frame in frames:
        number = int(frame.name.split("#")[1]) - 1
        assert isinstance(frame.content, np.ndarray)
        assert frame.content.shape == (48, 64, 3)
        assert np.abs(frame.content.mean(axis=(0, 1)) - (20 * number, 100, 200)).max() < 6


def test_a_film_keeps_its_pace(film: Path):
    start = time.monotonic()
    deque(VideoFile(film).frames())
    assert time.monotonic() - start >= 0.18


def test_a_film_leaves_out_what_is_late(film: Path, monkeypatch: pytest.MonkeyPatch):
    now = 0.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("kinlens.camera.opencv.time", clock)
    names = []
    for frame in VideoFile(film).frames():
        names.append(frame.name)
        now += 0.11
    assert names == ["film.avi#1", "film.avi#6"]


def test_a_film_begins_again(film: Path):
    source = VideoFile(film, loop=True)
    names = []
    for frame in source.frames():
        names.append(frame.name)
        if len(names) == 25:
            source.close()
    assert names.count("film.avi#1") >= 2


def test_what_is_no_film_is_refused_at_once(tmp_path: Path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"no film" * 100)
    with pytest.raises(SourceError, match="can't be read as a film"):
        VideoFile(path)


def test_a_camera_that_is_not_there_can_be_tried_again():
    source = CameraStream(97, "USB camera 97")
    for _ in range(2):
        with pytest.raises(SourceError, match="USB camera 97 can't be opened"):
            list(source.frames())


def test_a_stream_that_nobody_serves_is_told_of():
    source = CameraStream(f"rtsp://127.0.0.1:{free_port()}/live", "rtsp://camera/live")
    with pytest.raises(SourceError, match="rtsp://camera/live can't be opened"):
        list(source.frames())


def test_a_stream_is_read_until_it_breaks():
    jpegs = [to_jpeg(scene(0)), to_jpeg(scene(1))]
    with http_camera(mjpeg(jpegs, lambda: time.sleep(0.01))) as camera:
        frames = CameraStream(camera.url, "stream").frames()
        first = next(frames)
        assert isinstance(first.content, np.ndarray)
        assert np.abs(first.content.astype(int) - scene(0)).mean() < 6
        camera.kill()
        with pytest.raises(SourceError, match="no more frames"):
            deque(frames)


def test_without_opencv_the_extra_is_named():
    code = (
        "import sys; sys.modules['cv2'] = None\n"
        "from kinlens.camera.opening import open_source\n"
        "from kinlens.errors import MissingDependency\n"
        "try: open_source('0')\n"
        "except MissingDependency as error: print(error)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "kinlens[camera]" in found.stdout
