from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from camera.scenes import scene
from kinlens.camera.film import to_jpeg, write_frames, write_mjpeg, write_y4m
from kinlens.errors import SourceError
from kinlens.images import PictureLoader

FRAMES = [scene(seed) for seed in range(3)]


def test_frames_in_a_folder(tmp_path: Path, loader: PictureLoader):
    paths = write_frames(FRAMES, tmp_path / "a" / "b")
    assert [path.name for path in paths] == ["00000.jpg", "00001.jpg", "00002.jpg"]
    for path, frame in zip(paths, FRAMES, strict=True):
        assert np.abs(loader.load(path.read_bytes()).pixels.astype(int) - frame).mean() < 6


def test_one_jpeg_after_another(tmp_path: Path):
    path = tmp_path / "film.mjpeg"
    write_mjpeg(FRAMES, path)
    assert path.read_bytes() == b"".join(to_jpeg(frame) for frame in FRAMES)


@pytest.mark.parametrize(("fps", "stated"), [(15.0, "15:1"), (29.97, "2997:100"), (7.5, "15:2")])
def test_y4m_states_what_it_holds(tmp_path: Path, fps: float, stated: str):
    path = tmp_path / "film.y4m"
    write_y4m(FRAMES, path, fps)
    head, _, body = path.read_bytes().partition(b"\n")
    assert head.decode() == f"YUV4MPEG2 W160 H120 F{stated} Ip A1:1 C420mpeg2"
    assert abs(Fraction(stated.replace(":", "/")) - Fraction(fps).limit_denominator(1001)) == 0
    assert len(body) == 3 * (6 + 160 * 120 * 3 // 2)


def test_y4m_is_read_back_by_another_program(tmp_path: Path):
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "film.y4m"
    write_y4m(FRAMES, path)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    for frame in FRAMES:
        read, image = capture.read()
        assert read
        # At the patches' edges color has half the resolution.
        assert np.median(np.abs(image[..., ::-1].astype(int) - frame)) <= 3
    assert not capture.read()[0]


def test_odd_sizes_are_refused(tmp_path: Path):
    with pytest.raises(SourceError, match="even width"):
        write_y4m([np.zeros((3, 4, 3), np.uint8)], tmp_path / "film.y4m")
