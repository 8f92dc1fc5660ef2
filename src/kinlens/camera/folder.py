"""A folder of frames, in order of name, at a steady rate."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from kinlens.camera.base import Frame
from kinlens.errors import KinlensError, SourceError
from kinlens.images import Limits, read_file
from kinlens.sources.base import PICTURE_EXTENSIONS

log = logging.getLogger("kinlens.camera")
_NUMBER = re.compile(r"(\d+)")


class FolderFrames:
    """Picture files of a folder as the frames of a camera; 2.jpg comes before 10.jpg.

    Parameters
    ----------
    folder : its sub-folders are left out
    rate : frames a second
    loop : begin again at the end, with what is there then
    limits : on the bytes of a file

    Raises
    ------
    SourceError : not a folder
    """

    def __init__(
        self, folder: Path, rate: float = 15.0, *, loop: bool = False, limits: Limits | None = None
    ) -> None:
        self._folder = folder
        self._period = 1 / rate
        self._loop = loop
        self._limits = limits or Limits()
        self._closed = threading.Event()
        if not folder.is_dir():
            raise SourceError(f"{folder} isn't a folder; name a folder of frames.")

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return str(self._folder)

    @property
    def endless(self) -> bool:
        """See `Source.endless`."""
        return False

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`."""
        due = time.monotonic()
        while True:
            found = self._files()
            for file in found:
                if self._closed.wait(max(0.0, due - time.monotonic())):
                    return
                due = max(due + self._period, time.monotonic() - self._period)
                try:
                    data = read_file(file, self._limits)
                except KinlensError as error:
                    log.warning("%s It is left out.", error)
                    continue
                yield Frame(data, name=file.name)
            if not self._loop or not found or self._closed.is_set():
                return

    def close(self) -> None:
        """See `Source.close`."""
        self._closed.set()

    def _files(self) -> list[Path]:
        try:
            entries = [each for each in self._folder.iterdir() if not each.name.startswith(".")]
        except OSError as error:
            raise SourceError(
                f"The folder {self._folder} can't be read: {error.strerror}; name one that can."
            ) from error
        pictures = [e for e in entries if e.suffix.lower().lstrip(".") in PICTURE_EXTENSIONS]
        return sorted(pictures, key=lambda file: _natural(file.name))


def _natural(name: str) -> list[tuple[int, str]]:
    parts = _NUMBER.split(name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
