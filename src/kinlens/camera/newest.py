"""Only the newest frame: what comes while one is looked at takes the place of what waited."""

from __future__ import annotations

import logging
import random
import threading
from dataclasses import dataclass

from kinlens.camera.base import Frame, Source
from kinlens.errors import KinlensError, SourceError

log = logging.getLogger("kinlens.camera")


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a source is opened again, in seconds; doubled each time."""

    first: float = 0.5
    longest: float = 30.0

    def pause(self, attempt: int) -> float:
        """Seconds before an attempt, counted from 0; a little random, so that many spread out."""
        doubled: float = min(self.longest, self.first * 2 ** min(attempt, 20))
        return doubled * random.uniform(0.75, 1.0)  # noqa: S311


class Newest:
    """Reads a source in a thread, and holds one frame: the newest.

    A source that dies is opened again, for ever. One that isn't endless ends this when it ends.

    Parameters
    ----------
    source : closed with this
    backoff : between attempts to open it
    """

    def __init__(self, source: Source, backoff: Backoff | None = None) -> None:
        self._source = source
        self._backoff = backoff or Backoff()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._frame: Frame | None = None
        self._failure: KinlensError | None = None
        self.seen = 0
        self.skipped = 0
        self.trouble: str | None = None
        self.ended = False
        self._reader = threading.Thread(target=self._read, name="kinlens-camera", daemon=True)
        self._reader.start()

    def take(self, timeout: float) -> Frame | None:
        """The newest frame, once; None if none came in so many seconds or none will come.

        Raises
        ------
        KinlensError : the source can't be read, now or ever
        """
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self.ended, timeout)
            frame, self._frame = self._frame, None
            if frame is None and self._failure is not None:
                raise self._failure
            return frame

    @property
    def done(self) -> bool:
        """Whether the source has ended well and its last frame was taken."""
        with self._changed:
            return self.ended and self._frame is None and self._failure is None

    def close(self) -> None:
        """Close the source and stop reading it."""
        self._closing.set()
        self._source.close()
        self._reader.join(timeout=2)

    def _read(self) -> None:
        try:
            self._read_for_ever()
        except KinlensError as error:
            self._failure = error
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()

    def _read_for_ever(self) -> None:
        attempt = 0
        while not self._closing.is_set():
            before = self.seen
            try:
                self._pass()
                if not self._source.endless:
                    return
                self.trouble = f"{self._source.name} gives no more frames."
            except KinlensError as error:
                if not self._source.endless:
                    raise
                self.trouble = str(error)
            attempt = 0 if self.seen > before else attempt + 1
            if not self._closing.is_set():
                log.info("%s It is opened again.", self.trouble)
            self._closing.wait(self._backoff.pause(attempt))

    def _pass(self) -> None:
        for frame in self._source.frames():
            if self._closing.is_set():
                return
            with self._changed:
                self.seen += 1
                self.skipped += self._frame is not None
                self._frame = frame
                self._changed.notify_all()
            self.trouble = None
        if not self.seen and not self._source.endless and not self._closing.is_set():
            raise SourceError(f"{self._source.name} holds no frames; name another.")
