"""Cameras and films through OpenCV: USB, RTSP and other streams, video files."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kinlens.camera.base import Frame
from kinlens.errors import MissingDependency, SourceError
from kinlens.types import Pixels

PATIENCE = 10.0
"""Seconds in which a stream has to open, and to send its next frame."""

USUAL_RATE = 25.0
"""Frames a second of a film that doesn't say."""


class VideoFile:
    """The frames of a film at its own pace; those that come too late to be seen are left out.

    Parameters
    ----------
    path : a file that FFmpeg reads
    loop : begin again at its end

    Raises
    ------
    MissingDependency : the extra "camera" isn't installed
    SourceError : it is no film
    """

    def __init__(self, path: Path, *, loop: bool = False) -> None:
        self._cv = _opencv()
        self._path = path
        self._loop = loop
        self._closed = threading.Event()
        self._open().release()

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return str(self._path)

    @property
    def endless(self) -> bool:
        """See `Source.endless`."""
        return False

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`."""
        while not self._closed.is_set():
            capture = self._open()
            try:
                yield from self._once(capture)
            finally:
                capture.release()
            if not self._loop:
                return

    def close(self) -> None:
        """See `Source.close`."""
        self._closed.set()

    def _open(self) -> Any:
        capture = self._cv.VideoCapture(str(self._path), self._cv.CAP_FFMPEG)
        if not capture.isOpened():
            raise SourceError(f"{self._path} can't be read as a film; name a video file.")
        return capture

    def _once(self, capture: Any) -> Iterator[Frame]:
        rate = capture.get(self._cv.CAP_PROP_FPS)
        period = 1 / (rate if 0 < rate < 1000 else USUAL_RATE)
        due = time.monotonic()
        number = 0
        while capture.grab():
            number += 1
            due += period
            late = time.monotonic() > due
            if late and number > 1:
                continue
            if self._closed.wait(max(0.0, due - period - time.monotonic())):
                return
            read, image = capture.retrieve()
            if read:
                yield Frame(_rgb(image), name=f"{self._path.name}#{number}")


class CameraStream:
    """A USB camera, or a stream that FFmpeg reads.

    Parameters
    ----------
    where : number of a USB camera, its device file, or a URL
    shown : it without a password

    Raises
    ------
    MissingDependency : the extra "camera" isn't installed
    """

    def __init__(self, where: int | str, shown: str) -> None:
        self._cv = _opencv()
        self._where = where
        self.name = shown
        self.endless = True
        self._closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`."""
        capture = self._open()
        try:
            while not self._closed.is_set():
                read, image = capture.read()
                if not read:
                    raise SourceError(f"{self.name} gives no more frames; check the camera.")
                yield Frame(_rgb(image))
        finally:
            capture.release()

    def close(self) -> None:
        """See `Source.close`."""
        self._closed.set()

    def _open(self) -> Any:
        cv = self._cv
        if isinstance(self._where, str) and "://" in self._where:
            patience = int(PATIENCE * 1000)
            options = [
                cv.CAP_PROP_OPEN_TIMEOUT_MSEC, patience, cv.CAP_PROP_READ_TIMEOUT_MSEC, patience,
            ]  # fmt: skip
            capture = cv.VideoCapture(self._where, cv.CAP_FFMPEG, options)
        else:
            capture = cv.VideoCapture(self._where, _usb_backend(cv))
            capture.set(cv.CAP_PROP_BUFFERSIZE, 1)  # a queue of frames is a queue of stale ones
        if not capture.isOpened():
            capture.release()
            raise SourceError(
                f"{self.name} can't be opened; check that the camera is there and that no other "
                "program holds it."
            )
        return capture


def _usb_backend(cv: Any) -> int:
    return int(cv.CAP_V4L2 if sys.platform.startswith("linux") else cv.CAP_ANY)


def _rgb(image: Any) -> Pixels:
    """OpenCV's blue, green, red or gray, turned round."""
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    return np.ascontiguousarray(image[..., 2::-1])


def _opencv() -> Any:
    # Over UDP, which FFmpeg tries first, a lost packet smears the picture.
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
    # What goes wrong is told of by us, once.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise MissingDependency(
            "USB cameras, RTSP streams and video files need OpenCV; install it with "
            "pip install 'kinlens[camera]'. Folders of frames and cameras that speak HTTP need "
            f"nothing more. ({error})"
        ) from error
    return cv2
