from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from kinlens.camera.base import Frame
from kinlens.camera.newest import Backoff, Newest
from kinlens.errors import SourceError
from live_servers import wait_for

QUICK = Backoff(0.01, 0.05)


class Script:
    """A source whose passes are functions that give frames."""

    name = "the script"

    def __init__(self, *passes: Callable[[], Iterator[Frame]], endless: bool = True) -> None:
        self._passes = list(passes)
        self.endless = endless
        self.opened = 0
        self.closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        self.opened += 1
        return self._passes[min(self.opened, len(self._passes)) - 1]()

    def close(self) -> None:
        self.closed.set()


def numbered(*numbers: int) -> Callable[[], Iterator[Frame]]:
    return lambda: (Frame(b"", name=str(n)) for n in numbers)


def failing() -> Iterator[Frame]:
    raise SourceError("The camera is away.")
    yield


def test_only_the_newest_frame_waits():
    source = Script(numbered(1, 2, 3, 4), endless=False)
    newest = Newest(source)
    wait_for(lambda: newest.ended)
    frame = newest.take(30)
    assert frame is not None
    assert frame.name == "4"
    assert (newest.seen, newest.skipped) == (4, 3)
    assert newest.done
    assert newest.take(0.01) is None
    newest.close()


def test_the_last_frame_is_taken_before_it_is_done():
    newest = Newest(Script(numbered(1), endless=False))
    wait_for(lambda: newest.ended)
    assert not newest.done
    assert newest.take(1) is not None
    assert newest.done
    newest.close()


def test_a_source_that_dies_is_opened_again_and_again(caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    released = threading.Event()

    def last() -> Iterator[Frame]:
        yield Frame(b"", name="9")
        released.wait(30)

    source = Script(numbered(1), failing, failing, numbered(2), last)
    newest = Newest(source, QUICK)
    wait_for(lambda: source.opened == 5 and newest.seen == 3)
    frame = newest.take(1)
    assert frame is not None
    assert frame.name == "9"
    wait_for(lambda: newest.trouble is None)
    assert "The camera is away" in caplog.text
    released.set()
    newest.close()
    assert source.closed.is_set()


def test_while_it_is_away_there_is_trouble_and_no_end():
    newest = Newest(Script(failing), QUICK)
    wait_for(lambda: newest.trouble is not None)
    assert newest.take(0.02) is None
    assert newest.trouble == "The camera is away."
    assert not newest.ended
    newest.close()
    wait_for(lambda: newest.ended)


def test_a_failure_of_a_source_that_ends_is_raised():
    newest = Newest(Script(failing, endless=False))
    wait_for(lambda: newest.ended)
    assert not newest.done
    with pytest.raises(SourceError, match="away"):
        newest.take(1)
    newest.close()


def test_a_source_without_frames_is_an_error():
    newest = Newest(Script(numbered(), endless=False))
    with pytest.raises(SourceError, match="holds no frames"):
        newest.take(30)
    newest.close()


def test_closing_wakes_a_long_pause():
    newest = Newest(Script(failing), Backoff(600, 600))
    wait_for(lambda: newest.trouble is not None)
    start = time.monotonic()
    newest.close()
    wait_for(lambda: newest.ended)
    assert time.monotonic() - start < 10


def test_pauses_double_up_to_the_longest():
    backoff = Backoff(1, 10)
    for attempt, most in enumerate((1, 2, 4, 8, 10, 10)):
        assert 0.75 * most <= backoff.pause(attempt) <= most
    assert backoff.pause(10_000) <= 10
