"""A camera that waits for who looks, so that no frame is passed over on a busy machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from kinlens.camera.base import Frame, Source
from kinlens.camera.newest import Backoff, Newest


class Unhurried:
    """Gives a source's next frame, or ends, once the one before was taken.

    Parameters
    ----------
    source : whose frames
    settled : whether so many frames have had their effect, which is waited for too
    """

    def __init__(self, source: Source, settled: Callable[[int], object]) -> None:
        self.name, self.endless = source.name, source.endless
        self.newest: Newest | None = None
        self._source = source
        self._settled = settled
        self._closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        for count, frame in enumerate(self._source.frames(), start=1):
            yield frame
            while not (self._is_taken() and self._settled(count)):
                if self._closed.wait(0.005):
                    return

    def close(self) -> None:
        self._closed.set()
        self._source.close()

    def _is_taken(self) -> bool:
        return self.newest is not None and self.newest._frame is None


def unhurried(
    source: Source,
    backoff: Backoff | None = None,
    settled: Callable[[int], object] = lambda _: True,
) -> Newest:
    """The newest frame of a source is each of its frames."""
    waiting = Unhurried(source, settled)
    waiting.newest = Newest(waiting, backoff)
    return waiting.newest
