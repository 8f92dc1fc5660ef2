"""Decoders that hang or die take no job with them, and no process outlives its parent."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from images.samples import encoded, encoded_scene, noise
from kinlens.errors import BrokenPicture, KinlensError, UnsupportedPicture
from kinlens.images import Limits, PictureLoader
from kinlens.images.protocol import send

DECODER = "images.decoders:by_content"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


def picture(command: str = "") -> bytes:
    return encoded_scene("png") + f"#{command}".encode()


PATIENT = Limits(timeout=60.0, max_pixels=1_000_000)
"""A slow machine is no slow picture."""


@pytest.fixture
def bad() -> Iterator[PictureLoader]:
    with PictureLoader(PATIENT, workers=1, decoder=DECODER) as loader:
        yield loader


@contextmanager
def in_a_hurry(loader: PictureLoader) -> Iterator[None]:
    loader._limits = Limits(timeout=1.0, max_pixels=50_000_000)
    yield
    loader._limits = PATIENT


def is_alive(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        return not Path("/proc/self/stat").exists()
    return status != "Z"


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_one_process_is_started_late_and_reused(bad: PictureLoader) -> None:
    bad.load(encoded_scene("jpeg"))
    assert bad.processes() == []
    bad.load(picture())
    first = bad.processes()
    for _ in range(3):
        bad.load(picture())
    assert bad.processes() == first


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("hang", r"longer than 1 s \(decode_timeout\)"),
        ("die", "died twice on this PNG .SIGSEGV"),
        ("exit", "exit status 3"),
        ("gobble", "memory"),
        ("lie", "died twice"),
        ("crash", "died twice"),
    ],
)
def test_misbehavior_is_a_broken_picture(bad: PictureLoader, command: str, words: str) -> None:
    bad.load(picture())
    started = time.monotonic()
    with (
        in_a_hurry(bad) if command == "hang" else nullcontext(),
        pytest.raises(BrokenPicture, match=words),
    ):
        bad.load(picture(command))
    assert time.monotonic() - started < 8
    assert bad.load(picture()).width == 60
    assert len(bad.processes()) == 1


def test_errors_and_noise_come_through(bad: PictureLoader) -> None:
    with pytest.raises(UnsupportedPicture, match=r"It can't be\."):
        bad.load(picture("refuse"))
    process = bad.processes()
    assert bad.load(picture("print")).width == 60
    assert bad.processes() == process


def test_a_process_killed_once_is_no_fault_of_the_picture(
    bad: PictureLoader, tmp_path: Path
) -> None:
    assert bad.load(picture(f"die-once {tmp_path / 'marker'}")).width == 60
    (process,) = bad.processes()
    os.kill(process, signal.SIGKILL)
    assert eventually(lambda: not is_alive(process))
    assert bad.load(picture()).width == 60


def test_a_real_decoder_stopped_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    """No decoder of the test's: its pixels don't fit into the pipe, so it can't be done yet."""
    data = encoded(noise(3000, 2000), "png", compress_level=1)
    with PictureLoader(PATIENT, workers=1) as loader:
        loader.load(encoded_scene("png"))
        (process,) = loader.processes()

        def send_and_stop(*given: Any) -> None:
            send(*given)
            os.kill(process, signal.SIGSTOP)

        with monkeypatch.context() as patched:
            patched.setattr("kinlens.images.process.send", send_and_stop)
            with in_a_hurry(loader), pytest.raises(BrokenPicture, match="longer than 1 s"):
                loader.load(data)
        assert not is_alive(process)
        loader.load(encoded_scene("png"))


def test_a_decoder_that_cannot_start_is_not_the_pictures_fault() -> None:
    with (
        PictureLoader(workers=1, decoder="images.nowhere:decode") as loader,
        pytest.raises(KinlensError, match="can't start") as caught,
    ):
        loader.load(picture())
    assert type(caught.value) is KinlensError


def test_a_process_that_the_system_refuses_is_not_the_pictures_fault(monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with PictureLoader() as loader:
        monkeypatch.setattr(subprocess, "Popen", refuse)
        with pytest.raises(KinlensError, match="limits on processes"):
            loader.load(encoded_scene("PNG"))
        monkeypatch.undo()
        assert loader.load(encoded_scene("PNG")).format == "png"


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX's")
def test_ctrl_c_in_a_terminal_reaches_no_decoder(bad: PictureLoader) -> None:
    bad.load(encoded_scene("PNG"))
    [process] = bad.processes()
    assert os.getpgid(process) != os.getpgid(0)


def test_many_threads_share_few_processes() -> None:
    widths: list[int] = []
    with PictureLoader(workers=2) as loader:

        def work(width: int) -> None:
            for _ in range(5):
                found = loader.load(encoded_scene("png", width)).pixels.shape[1]
                widths.append(found - width)

        threads = [threading.Thread(target=work, args=(20 + number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 1 <= len(loader.processes()) <= 2
    assert widths == [0] * 40


def test_closing_ends_all_even_those_at_work(bad: PictureLoader) -> None:
    bad.load(picture())
    processes = bad.processes()
    failed: list[Exception] = []

    def work() -> None:
        try:
            bad.load(picture("hang"))
        except KinlensError as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.2)
    bad.close()
    thread.join(60)
    assert len(failed) == 1
    assert not any(map(is_alive, processes))
    with pytest.raises(KinlensError, match="closed"):
        bad.load(picture())
    bad.close()


def test_a_forgotten_loader_leaves_no_process() -> None:
    loader = PictureLoader(workers=1)
    loader.load(picture())
    (process,) = loader.processes()
    del loader
    gc.collect()
    assert eventually(lambda: not is_alive(process))


@pytest.mark.parametrize("busy", [False, True])
def test_processes_end_when_their_parent_is_killed(busy: bool) -> None:
    script = (
        f"import sys, threading, time; sys.path[:] = {sys.path!r}\n"
        "from images.test_guard import DECODER, picture\n"
        "from kinlens.images import Limits, PictureLoader\n"
        "loader = PictureLoader(Limits(timeout=60), workers=1, decoder=DECODER)\n"
        "loader.load(picture())\n"
        "print(loader.processes()[0], flush=True)\n"
        "sys.stdin.readline()\n"
        "loader._limits = Limits(timeout=0.5)\n"
        f"job = threading.Thread(target=lambda: loader.load(picture('hang')))\n"
        f"{'job.start()' if busy else ''}\n"
        "time.sleep(0.1)\n"
        "print('at work', flush=True)\n"
        "time.sleep(60)\n"
    )
    command, pipe = [sys.executable, "-c", script], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as parent:
        assert parent.stdin
        assert parent.stdout
        worker = int(parent.stdout.readline())
        assert is_alive(worker)
        parent.stdin.write(b"\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == b"at work\n"
        parent.kill()
    assert eventually(lambda: not is_alive(worker))
