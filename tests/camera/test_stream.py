from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from camera.http_camera import HttpCamera, head, http_camera, mjpeg
from camera.scenes import scene
from kinlens.camera.film import to_jpeg
from kinlens.camera.newest import Backoff, Newest
from kinlens.camera.stream import HttpFrames
from kinlens.errors import FetchError, KinlensError, PictureTooLarge
from kinlens.images import Limits
from live_servers import free_port, wait_for

JPEGS = [to_jpeg(scene(seed)) for seed in range(3)]


def first(source: HttpFrames, count: int) -> list[bytes]:
    found = []
    for frame in source.frames():
        assert isinstance(frame.content, bytes)
        found.append(frame.content)
        if len(found) == count:
            break
    return found


def test_a_stream_gives_its_pictures():
    with http_camera(mjpeg(JPEGS)) as camera:
        assert first(HttpFrames(camera.url), 7) == [*JPEGS, *JPEGS, JPEGS[0]]
    assert len(camera.requests) == 1


def test_a_stream_in_chunks_without_lengths():
    def answer(_: str) -> Iterator[bytes]:
        yield head("multipart/x-mixed-replace; boundary=--b", "Transfer-Encoding: chunked")
        for jpeg in [*JPEGS, b""]:
            data = b"--b\r\n\r\n" + jpeg + b"\r\n"
            for part in (data[:50], data[50:]):
                if part:
                    yield b"%x\r\n%s\r\n" % (len(part), part)
        yield b"0\r\n\r\n"

    with http_camera(answer) as camera:
        assert first(HttpFrames(camera.url), 99) == JPEGS


@pytest.mark.parametrize("path", ["", "kept"])
def test_snapshots_are_asked_for_one_by_one(path: str):
    numbers = iter(range(1000))

    def answer(_: str) -> Iterator[bytes]:
        jpeg = JPEGS[next(numbers) % 3]
        more = () if path else ("Connection: close",)
        yield head("image/jpeg", f"Content-Length: {len(jpeg)}", *more) + jpeg

    with http_camera(answer) as camera:
        source = HttpFrames(camera.url + path, rate=500)
        assert first(source, 5) == [*JPEGS, *JPEGS[:2]]
        source.close()
    assert len(camera.requests) == 5


def test_a_user_name_and_password_are_sent_and_not_shown():
    with http_camera(mjpeg(JPEGS)) as camera:
        url = camera.url.replace("http://", "http://kim:p%40ss@")
        source = HttpFrames(url)
        first(source, 1)
    assert "Authorization: Basic a2ltOnBAc3M=" in camera.requests[0]
    assert "ss@" not in source.name


def test_a_wrong_password_is_told_of():
    with (
        http_camera(lambda _: [head("text/html", status="401 Unauthorized")]) as camera,
        pytest.raises(FetchError, match="user name and password"),
    ):
        first(HttpFrames(camera.url), 1)


def test_redirects_are_followed_on_the_same_host():
    def answer(request: str) -> Iterator[bytes]:
        if "GET /live" in request:
            yield from mjpeg(JPEGS)(request)
        else:
            yield head("text/plain", "Location: /live", status="302 Found")

    with http_camera(answer) as camera:
        assert first(HttpFrames(camera.url), 2) == JPEGS[:2]


@pytest.mark.parametrize(
    ("location", "message"),
    [("http://169.254.169.254/latest", "another host"), ("/", "more than")],
)
def test_redirects_elsewhere_or_without_end_are_not(location: str, message: str):
    moved = head("text/plain", f"Location: {location}", status="302 Found")
    with http_camera(lambda _: [moved]) as camera, pytest.raises(FetchError, match=message):
        first(HttpFrames(camera.url), 1)


def hostile_cases() -> dict[str, tuple[Callable[[str], Iterator[bytes]], type[KinlensError]]]:
    multipart = head("multipart/x-mixed-replace; boundary=b")

    def flood(start: bytes) -> Callable[[str], Iterator[bytes]]:
        def answer(_: str) -> Iterator[bytes]:
            yield start
            while True:
                yield bytes(4096)

        return answer

    return {
        "no end of a part": (flood(multipart + b"--b\r\n\r\n"), PictureTooLarge),
        "no boundary": (flood(multipart), FetchError),
        "no end of headers": (flood(multipart + b"--b\r\nX: "), FetchError),
        "no end of the answer's headers": (flood(b"HTTP/1.1 200 OK\r\nX: "), FetchError),
        "a part too large": (
            lambda _: iter([multipart + b"--b\r\nContent-Length: 99999999\r\n\r\n"]),
            PictureTooLarge,
        ),
        "no name of a boundary": (
            lambda _: iter([head("multipart/x-mixed-replace")]),
            FetchError,
        ),
        "a web page": (lambda _: iter([head("text/html") + b"<html>"]), KinlensError),
        "a film": (lambda _: iter([head("video/mp4") + bytes(99)]), KinlensError),
        "a snapshot without end": (flood(head("image/jpeg")), PictureTooLarge),
        "not found": (lambda _: iter([head("text/html", status="404 Not Found")]), FetchError),
        "no HTTP": (lambda _: iter([b"\0\xff\xfe SSH-2.0\r\n\r\n"]), FetchError),
        "nothing": (lambda _: iter([]), FetchError),
    }


@pytest.mark.parametrize("case", hostile_cases())
def test_a_hostile_camera_is_an_error_and_no_more(case: str):
    answer, error = hostile_cases()[case]
    with http_camera(answer) as camera, pytest.raises(error):
        first(HttpFrames(camera.url, limits=Limits(max_bytes=100_000)), 1)


@pytest.mark.parametrize(
    "start",
    [b"", head("multipart/x-mixed-replace; boundary=b") + b"--b\r\n\r\n"],
    ids=["before the answer", "within a part"],
)
def test_one_that_trickles_is_given_up(start: bytes):
    released = threading.Event()

    def answer(_: str) -> Iterator[bytes]:
        yield start
        while not released.wait(0.05):
            yield b"x"

    with http_camera(answer) as camera:
        with pytest.raises(FetchError, match="sent nothing whole"):
            first(HttpFrames(camera.url, patience=0.5), 1)
        released.set()


def test_patience_is_for_each_frame_not_for_all(monkeypatch: pytest.MonkeyPatch):
    """By a clock that leaps with each frame, and leaves the machine all the time it takes."""
    ahead, turn = 0.0, threading.Semaphore()
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead)
    monkeypatch.setattr("kinlens.fetch.connection.time", clock)

    def pace() -> None:
        nonlocal ahead
        turn.acquire(timeout=30)
        ahead += 200.0

    found = []
    with http_camera(mjpeg(JPEGS, pace)) as camera:
        for frame in HttpFrames(camera.url, patience=300.0).frames():
            found.append(frame)
            turn.release()
            if len(found) == 8:
                break
    assert [frame.content for frame in found] == (JPEGS * 3)[:8]


def test_nobody_there_is_told_of():
    unused = f"http://127.0.0.1:{free_port()}/"
    with pytest.raises(FetchError, match="can't be reached"):
        first(HttpFrames(unused), 1)


def test_a_camera_that_is_killed_and_comes_back_is_seen_again():
    pace = threading.Event()
    camera = HttpCamera(mjpeg(JPEGS, lambda: pace.wait(0.02)))
    newest = Newest(HttpFrames(camera.url, patience=30), Backoff(0.05, 0.2))
    try:
        wait_for(lambda: newest.seen >= 3, "the first frames")
        camera.kill()
        wait_for(lambda: newest.trouble is not None, "the loss")
        before = newest.seen
        camera = HttpCamera(mjpeg(JPEGS, lambda: pace.wait(0.02)), camera.port)
        wait_for(lambda: newest.seen >= before + 3, "frames after the return")
        assert newest.trouble is None
    finally:
        newest.close()
        camera.kill()
