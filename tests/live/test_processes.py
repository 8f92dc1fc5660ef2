"""`kinlens live` as a person runs it: several processes, one of which is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from http_door import COUNT, new_items, open_tiny
from kinlens.live import wire
from kinlens.live.redis import RedisStore
from kinlens.live.types import Sighting
from kinlens.messaging import Bus, open_bus
from live_servers import Server, free_port, kinlens, mosquitto, redis_server, wait_for


@pytest.fixture
def data(tmp_path: Path, pictures: list[bytes]) -> Path:
    """A catalog that no process has open."""
    with open_tiny(tmp_path / "data") as search:
        search.add(new_items(pictures))
    return tmp_path / "data"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    with mosquitto(tmp_path) as server:
        yield server


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
def store(redis: Server) -> Iterator[RedisStore]:
    opened = RedisStore(f"redis://127.0.0.1:{redis.port}/0")
    wait_for(lambda: opened.connected)
    yield opened
    opened.close()


@pytest.fixture
def device(broker: Server) -> Iterator[Bus]:
    bus = open_bus(f"mqtt://127.0.0.1:{broker.port}")
    wait_for(lambda: bus.connected)
    yield bus
    bus.close()


@pytest.fixture
def run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """``run(name, *arguments)``: `kinlens live` over the catalog; its output is in NAME.log."""
    # What comes once must be matched, however long the machine takes.
    monkeypatch.setenv("KINLENS_LIVE_MAX_AGE", "60")
    with ExitStack() as started:

        def run_one(name: str, *arguments: str) -> subprocess.Popen[bytes]:
            command = ("live", "--data", str(data), "--encoder", encoder_of(data), *arguments)
            process = kinlens(*command, log=tmp_path / f"{name}.log")
            started.callback(process.wait)
            started.callback(process.kill)
            return process

        yield run_one


def encoder_of(data: Path) -> str:
    return str(data.parent / "encoder" / "tiny.onnx")


def ready(log: Path, process: subprocess.Popen[bytes], words: str) -> None:
    def said() -> bool:
        text = log.read_text() if log.exists() else ""
        assert process.poll() is None, text
        return words in text

    wait_for(said, f"{words!r}", patience=120)


def publish(bus: Bus, sighting: Sighting) -> None:
    bus.publish(wire.sightings_topic(sighting.device), wire.pack(sighting), expiry=60)


def test_when_one_matcher_is_killed_the_other_takes_over(
    run: Callable[..., subprocess.Popen[bytes]],
    broker: Server,
    redis: Server,
    store: RedisStore,
    device: Bus,
    see: Callable[..., Sighting],
    tmp_path: Path,
) -> None:
    urls = ("--broker", f"mqtt://127.0.0.1:{broker.port}")
    urls += ("--store", f"redis://127.0.0.1:{redis.port}/0")
    matchers = [run(name, *urls, "--no-serve") for name in ("one", "two")]
    for name, matcher in zip(("one", "two"), matchers, strict=True):
        ready(tmp_path / f"{name}.log", matcher, "Matching")

    def seen(sequence: int) -> bool:
        latest = store.latest("door")
        return latest is not None and latest.sequence >= sequence

    for number in range(1, 21):
        publish(device, see(number % COUNT, number, session=3))
        wait_for(lambda at=number: seen(at), f"view {number}")
    matchers[0].kill()
    matchers[0].wait()
    number = 20

    def goes_on() -> bool:
        """What was on its way to the one that was killed may be lost; what follows isn't."""
        nonlocal number
        number += 1
        publish(device, see(number % COUNT, number, session=3))
        return seen(21)

    wait_for(goes_on, "a view of the one that is left")
    for following in range(number + 1, number + 21):
        publish(device, see(following % COUNT, following, session=3))
        wait_for(lambda at=following: seen(at), f"view {following} of the one that is left")
    history = store.history("door", 100)
    assert [view.sequence for view in history] == sorted(
        (view.sequence for view in history), reverse=True
    )
    matchers[1].send_signal(signal.SIGTERM)
    assert matchers[1].wait(60) == 0


def test_with_the_page_and_all_that_can_be_pulled(
    run: Callable[..., subprocess.Popen[bytes]],
    broker: Server,
    redis: Server,
    device: Bus,
    see: Callable[..., Sighting],
    tmp_path: Path,
) -> None:
    """Broker and store go and come back, and the page shows what is seen without any help."""
    port = free_port()
    urls = ("--broker", f"mqtt://127.0.0.1:{broker.port}")
    urls += ("--store", f"redis://127.0.0.1:{redis.port}/0", "--port", str(port))
    process = run("live", *urls)
    ready(tmp_path / "live.log", process, f"http://127.0.0.1:{port}/live")
    number = 0

    def show(what: str) -> None:
        """Until something that is published from now on gets to the page."""
        before = number

        def shown() -> bool:
            nonlocal number
            number += 1
            publish(device, see(number % COUNT, number, session=3))
            answer = httpx.get(f"http://127.0.0.1:{port}/v1/live/door/latest", timeout=60)
            return answer.status_code == 200 and answer.json()["sequence"] > before

        wait_for(shown, what, patience=60)

    show("a view")
    redis.kill()
    show("a view without Redis")
    broker.kill()
    redis.start()
    broker.start()
    wait_for(lambda: device.connected, "the broker", patience=60)
    show("a view with all back")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert "Traceback" not in (tmp_path / "live.log").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--broker", "amqp://user:hunter2@host"), "mqtt://host"),
        (("--store", "mysql://user:hunter2@host"), "redis://host"),
        (("--data", "nowhere"), "no catalog"),
    ],
)
def test_mistakes_are_one_line(data: Path, arguments: tuple[str, ...], message: str) -> None:
    command = [sys.executable, "-c", "from kinlens.cli import main; main()", "live"]
    found = subprocess.run(
        [*command, "--data", str(data), "--encoder", encoder_of(data), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 1
    assert message in found.stderr
    assert "Traceback" not in found.stderr
    assert "hunter2" not in found.stderr
