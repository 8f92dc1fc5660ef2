"""From what a user names to a source of frames."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from kinlens.camera.base import Source
from kinlens.camera.folder import FolderFrames
from kinlens.camera.opencv import CameraStream, VideoFile
from kinlens.camera.stream import HttpFrames
from kinlens.errors import InvalidInput, SourceError
from kinlens.images import Limits

STREAMS = {"rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "tcp"}
FILMS = {".m3u8", ".mpd", ".mp4", ".mkv", ".webm", ".mov", ".ts", ".flv", ".avi"}
"""A URL whose path ends so is read by OpenCV; any other is looked at for pictures."""

_USB = re.compile(r"(?:usb:?)?(\d{1,3})|usb")


def open_source(
    text: str, *, rate: float = 15.0, loop: bool = False, limits: Limits | None = None
) -> Source:
    """The source of frames that a text names.

    Parameters
    ----------
    text : one of

        - a folder of frames;
        - a video file;
        - the number of a USB camera: "0", "usb:1"; or its device file, "/dev/video0";
        - ``http(s)://...``, an MJPEG stream or a snapshot;
        - ``rtsp://...`` or another stream that FFmpeg reads.
    rate : frames a second of a folder, snapshots a second of a camera
    loop : begin a folder or a film again at its end
    limits : on the bytes of a frame

    Raises
    ------
    InvalidInput : none of these
    SourceError : a folder or film that can't be read
    FetchError : what isn't a URL
    MissingDependency : the extra "camera" isn't installed and is needed
    """
    if (usb := _USB.fullmatch(text)) is not None:
        number = int(usb[1] or 0)
        return CameraStream(number, f"USB camera {number}")
    if "://" in text:
        return _remote(text, rate, limits)
    path = Path(text).expanduser()
    try:
        is_folder, is_file = bool(text) and path.is_dir(), path.is_file()
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror}; name what can.") from error
    if is_folder:
        return FolderFrames(path, rate, loop=loop, limits=limits)
    if text.startswith("/dev/"):
        return CameraStream(text, text)
    if is_file:
        return VideoFile(path, loop=loop)
    raise InvalidInput(
        "A camera is a folder of frames, a video file, a USB camera's number, or a URL that begins "
        f"with http, https or rtsp; got {text!r:.200}, and there is no such file."
    )


def _remote(url: str, rate: float, limits: Limits | None) -> Source:
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme in {"http", "https"}:
        if Path(urlsplit(url).path).suffix.lower() not in FILMS:
            return HttpFrames(url, rate, limits=limits)
    elif scheme not in STREAMS:
        raise InvalidInput(
            f"A camera's URL begins with http, https, {', '.join(sorted(STREAMS))}; "
            f"got {scheme:.20}://."
        )
    place, slash, path = rest.partition("/")
    shown = f"{scheme}://{place.rpartition('@')[2]}{slash}{path}".partition("?")[0]
    return CameraStream(url, shown)
