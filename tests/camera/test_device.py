from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from camera.http_camera import HttpCamera, mjpeg
from camera.scenes import scene
from camera.unhurried import unhurried
from kinlens.camera.base import Frame
from kinlens.camera.change import ChangeGate
from kinlens.camera.device import Device, Identity, Published
from kinlens.camera.eye import Eye, SmallPicture
from kinlens.camera.film import to_jpeg
from kinlens.camera.newest import Backoff, Newest
from kinlens.camera.stream import HttpFrames
from kinlens.encoders import NetworkEncoder
from kinlens.errors import InvalidInput, PermissionDenied, SourceError
from kinlens.images import PictureLoader
from kinlens.keys import secret_of
from kinlens.live import wire
from kinlens.live.types import DeviceStatus, Sighting
from kinlens.messaging import Bus, Handler, Message, open_bus
from kinlens.types import Pixels, Vectors
from live_servers import mosquitto, wait_for

QUICK = Backoff(0.02, 0.1)


class Given:
    """A source that gives what is put into it."""

    name = "given frames"

    def __init__(self, frames: Sequence[Frame] = (), pace: float = 0.0) -> None:
        self._frames = list(frames)
        self._pace = pace
        self.endless = not frames
        self._closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        if self.endless:
            self._closed.wait(30)
        for frame in self._frames:
            if self._closed.wait(self._pace):
                return
            yield frame

    def close(self) -> None:
        self._closed.set()


class Listener:
    """What a matcher would hear."""

    def __init__(self, url: str, secret: str | None = None) -> None:
        self.sightings: list[Sighting] = []
        self.statuses: list[DeviceStatus] = []
        self.refused: list[Exception] = []
        self._secrets = [secret] if secret else None
        self.bus = open_bus(url)
        self.bus.subscribe([wire.SIGHTINGS, wire.STATUSES], self._hear)
        wait_for(lambda: self.bus.connected, "the listener's connection")

    def _hear(self, message: Message) -> None:
        device = wire.device_of(message.topic)
        try:
            if message.topic.endswith("/status"):
                self.statuses.append(
                    wire.unpack_status(
                        message.payload, device, secrets=self._secrets, at=time.time()
                    )
                )
            else:
                self.sightings.append(wire.unpack(message.payload, device, secrets=self._secrets))
        except (InvalidInput, PermissionDenied) as error:
            self.refused.append(error)

    @property
    def states(self) -> list[str]:
        return [status.state for status in self.statuses]


class SlowEncoder:
    """The tiny encoder on a machine that is far too slow: it waits for something each time."""

    def __init__(self, encoder: NetworkEncoder, wait: Callable[[], None]) -> None:
        self._encoder = encoder
        self._wait = wait
        self.identity = encoder.identity
        self.recipe = encoder.recipe
        self.modalities = encoder.modalities
        self.encode_texts = encoder.encode_texts

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        self._wait()
        return self._encoder.encode_images(images)


@pytest.fixture(autouse=True)
def held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or may be: nothing that is published is too late, nor told once more as time passes."""
    monkeypatch.setattr("kinlens.camera.device.MAX_AGE", 600.0)
    monkeypatch.setattr("kinlens.camera.device.STATUS_EVERY", 600.0)
    monkeypatch.setattr("kinlens.messaging.mqtt.GOODBYE", 30.0)


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return f"memory://{request.node.name}"


@pytest.fixture
def listener(url: str) -> Iterator[Listener]:
    heard = Listener(url)
    yield heard
    heard.bus.close()


@pytest.fixture
def identity(encoder: NetworkEncoder) -> Identity:
    return Identity("shelf-1", encoder.identity.fingerprint)


def frames(*seeds: int) -> list[Frame]:
    return [Frame(to_jpeg(scene(seed)), at=1000.0 + n, name=str(n)) for n, seed in enumerate(seeds)]


def many() -> list[Frame]:
    """More frames than any test waits for, each unlike the one before."""
    scenes = [scene(seed) for seed in range(8)]
    return [Frame(scenes[n % 8], at=float(n)) for n in range(20_000)]


def finish(device: Device) -> None:
    with device:
        device.run(threading.Event())


class Running:
    """A device at work in a thread."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.device.run(self.stop)

    def end(self) -> None:
        self.stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.device.close()


def test_each_frame_arrives_with_all_that_belongs_to_it(
    encoder: NetworkEncoder,
    loader: PictureLoader,
    url: str,
    listener: Listener,
    identity: Identity,
):
    given = frames(0, 1, 2)
    told: list[Published | str] = []
    eye = Eye(encoder, loader, picture=SmallPicture(64))
    device = Device(
        unhurried(Given(given)), eye, open_bus(url), identity, rate=100, tell=told.append
    )
    finish(device)
    wait_for(lambda: listener.states[-1:] == ["offline"])
    assert [sighting.sequence for sighting in listener.sightings] == [0, 1, 2]
    for frame, sighting in zip(given, listener.sightings, strict=True):
        assert (sighting.device, sighting.taken_at) == ("shelf-1", frame.at)
        assert sighting.session == identity.session
        assert sighting.fingerprint == encoder.identity.fingerprint
        assert sighting.picture is not None
        assert loader.load(sighting.picture).width == 64
        assert isinstance(frame.content, bytes)
        picture = loader.load(frame.content, min_side=encoder.recipe.min_side)
        expected = encoder.encode_images([picture.pixels])[0]
        assert np.abs(sighting.vector - expected).max() < 2e-3
    assert listener.states == ["online", "offline"]
    assert all(status.fingerprint == encoder.identity.fingerprint for status in listener.statuses)
    totals = device.totals
    assert (totals.seen, totals.published, totals.skipped, totals.broken) == (3, 3, 0, 0)
    assert [each if isinstance(each, str) else each.frame for each in told] == [
        "online", "0", "1", "2", "offline",
    ]  # fmt: skip


def test_what_shows_nothing_new_is_not_published(
    encoder: NetworkEncoder,
    loader: PictureLoader,
    url: str,
    listener: Listener,
    identity: Identity,
):
    device = Device(
        unhurried(Given(frames(0, 0, 0, 1, 1, 0))),
        Eye(encoder, loader),
        open_bus(url),
        identity,
        gate=ChangeGate(0.01, heartbeat=1000),
        rate=100,
    )
    finish(device)
    wait_for(lambda: len(listener.sightings) == 3)
    assert [sighting.taken_at for sighting in listener.sightings] == [1000.0, 1003.0, 1005.0]
    assert device.totals.unchanged == 3


def test_a_still_scene_has_a_heartbeat(
    encoder: NetworkEncoder,
    loader: PictureLoader,
    url: str,
    listener: Listener,
    identity: Identity,
):
    start = time.monotonic()
    device = Device(
        Newest(Given(frames(*[0] * 20), pace=0.05)),
        Eye(encoder, loader),
        open_bus(url),
        identity,
        gate=ChangeGate(0.01, heartbeat=0.3),
        rate=100,
    )
    finish(device)
    took = time.monotonic() - start
    totals = device.totals
    assert 2 <= totals.published <= took / 0.3 + 1
    assert totals.published + totals.unchanged + totals.skipped == 20


def test_a_slow_encoder_works_on_the_newest(
    encoder: NetworkEncoder,
    loader: PictureLoader,
    url: str,
    listener: Listener,
    identity: Identity,
):
    given = [Frame(scene(n), at=float(n)) for n in range(40)]
    newest = Newest(Given(given, pace=0.01))

    def wait() -> None:
        more = min(newest.seen + 7, 40)
        wait_for(lambda: newest.seen >= more)

    device = Device(
        newest,
        Eye(SlowEncoder(encoder, wait), loader),
        open_bus(url),
        identity,
        rate=1000,
    )
    finish(device)
    wait_for(lambda: listener.states[-1:] == ["offline"])
    numbers = [int(sighting.taken_at) for sighting in listener.sightings]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 39  # the last is never lost
    assert len(numbers) < 20
    assert device.totals.skipped == 40 - len(numbers)


def test_the_rate_is_a_bound(
    encoder: NetworkEncoder,
    loader: PictureLoader,
    url: str,
    listener: Listener,
    identity: Identity,
):
    start = time.monotonic()
    newest = Newest(Given(many(), pace=0.02))
    running = Running(Device(newest, Eye(encoder, loader), open_bus(url), identity, rate=5))
    wait_for(lambda: running.device.totals.published >= 6)
    running.end()
    took = time.monotonic() - start
    assert running.device.totals.published <= 5 * took + 2


def test_a_frame_that_is_broken_is_told_of_and_passed_over(
    encoder: NetworkEncoder,
    loader: PictureLoader,
    url: str,
    listener: Listener,
    identity: Identity,
):
    broken = Frame(to_jpeg(scene(1))[:400], name="bad")
    given = [frames(0)[0], broken, broken, *frames(2, 3)]
    states = {1: "online", 2: "error", 4: "online"}

    def told(count: int) -> bool:
        return count not in states or listener.states[-1:] == [states[count]]

    device = Device(
        unhurried(Given(given), settled=told),
        Eye(encoder, loader),
        open_bus(url),
        identity,
        rate=100,
    )
    finish(device)
    wait_for(lambda: listener.states[-1:] == ["offline"])
    assert device.totals.broken == 2
    assert len(listener.sightings) == 3
    assert listener.states == ["online", "error", "online", "offline"]
    assert "truncated" in str(listener.statuses[1].message)


def test_a_picture_too_large_to_send_is_told_of(
    encoder: NetworkEncoder,
    loader: PictureLoader,
    url: str,
    listener: Listener,
    identity: Identity,
):
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), np.uint8)
    device = Device(
        Newest(Given([Frame(noise)], pace=0.01)),
        Eye(encoder, loader, picture=SmallPicture(2000, 95)),
        open_bus(url),
        identity,
    )
    finish(device)
    assert device.totals.broken == 1
    assert device.totals.published == 0


def test_a_source_that_fails_is_the_last_state(
    encoder: NetworkEncoder,
    loader: PictureLoader,
    url: str,
    listener: Listener,
    identity: Identity,
):
    empty = Given([])
    empty.endless = False
    with (
        Device(Newest(empty), Eye(encoder, loader), open_bus(url), identity) as device,
        pytest.raises(SourceError, match="holds no frames"),
    ):
        device.run(threading.Event())
    wait_for(lambda: listener.states[-1:] == ["error"])
    assert "holds no frames" in str(listener.statuses[-1].message)


def test_the_will_says_offline(
    encoder: NetworkEncoder, loader: PictureLoader, url: str, listener: Listener, identity: Identity
):
    bus = open_bus(url, will=identity.will)
    running = Running(Device(Newest(Given()), Eye(encoder, loader), bus, identity))
    wait_for(lambda: listener.states == ["online"])
    bus.drop()  # type: ignore[attr-defined]
    wait_for(lambda: listener.states == ["online", "offline"])
    running.end()


def test_all_is_signed_where_there_is_a_key(
    encoder: NetworkEncoder, loader: PictureLoader, url: str
):
    secret = secret_of("kl_of-the-device")
    listeners = [Listener(url, secret), Listener(url, secret_of("kl_another"))]
    identity = Identity("shelf-1", encoder.identity.fingerprint, secret)
    bus = open_bus(url, will=identity.will)
    given = unhurried(Given(frames(0, 1)))
    finish(Device(given, Eye(encoder, loader), bus, identity, rate=50))
    wait_for(lambda: listeners[0].states == ["online", "offline"])
    wait_for(lambda: len(listeners[1].refused) == 4)
    assert len(listeners[0].sightings) == 2
    assert not listeners[0].refused
    assert not listeners[1].sightings
    assert not listeners[1].statuses
    assert secret not in repr(identity)
    for each in listeners:
        each.bus.close()


def test_a_name_that_is_no_device_is_refused():
    with pytest.raises(InvalidInput, match="device's id"):
        Identity("shelf/1", "f")


class Unplugged:
    """A bus whose connection a test can cut."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.connected = True
        self.dropped = self.failed = 0

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry: float | None = None
    ) -> None:
        self._bus.publish(topic, payload, retain=retain, expiry=expiry)

    def subscribe(
        self, topics: Sequence[str], handler: Handler, *, group: str | None = None
    ) -> None:
        self._bus.subscribe(topics, handler, group=group)

    def close(self) -> None:
        self._bus.close()


def test_without_a_broker_nothing_is_encoded_and_after_it_all_goes_on(
    encoder: NetworkEncoder,
    loader: PictureLoader,
    url: str,
    listener: Listener,
    identity: Identity,
):
    bus = Unplugged(open_bus(url))
    given = many()
    running = Running(
        Device(Newest(Given(given, pace=0.02)), Eye(encoder, loader), bus, identity, rate=100)
    )
    wait_for(lambda: len(listener.sightings) >= 3)
    bus.connected = False
    wait_for(lambda: running.device.totals.unsent >= 1)
    before = running.device.totals.published
    wait_for(lambda: running.device.totals.unsent >= 6)
    assert running.device.totals.published == before
    online = listener.states.count("online")
    bus.connected = True
    wait_for(lambda: running.device.totals.published >= before + 3)
    wait_for(lambda: listener.states.count("online") > online)
    running.end()
    wait_for(lambda: listener.states[-1] == "offline")
    numbers = [sighting.taken_at for sighting in listener.sightings]
    assert numbers == sorted(numbers)


def test_a_camera_that_dies_and_returns_is_told_of_and_seen_again(
    encoder: NetworkEncoder,
    loader: PictureLoader,
    url: str,
    listener: Listener,
    identity: Identity,
):
    jpegs = [to_jpeg(scene(seed)) for seed in range(4)]
    pace = threading.Event()

    def start(port: int = 0) -> HttpCamera:
        return HttpCamera(mjpeg(jpegs, lambda: pace.wait(0.05)), port)

    camera = start()
    newest = Newest(HttpFrames(camera.url, patience=30), QUICK)
    running = Running(Device(newest, Eye(encoder, loader), open_bus(url), identity, rate=100))
    wait_for(lambda: len(listener.sightings) >= 3, "the first sightings")
    camera.kill()
    wait_for(lambda: "error" in listener.states, "the loss to be told of")
    before = len(listener.sightings)
    camera = start(camera.port)
    wait_for(lambda: len(listener.sightings) >= before + 3, "sightings after the return")
    wait_for(lambda: listener.states[-1] == "online", "the return to be told of")
    running.end()
    camera.kill()
    wait_for(lambda: listener.states[-1] == "offline")


def test_a_real_broker_that_is_killed_and_returns(
    encoder: NetworkEncoder,
    loader: PictureLoader,
    identity: Identity,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
):
    broker = mosquitto(tmp_path)
    address = f"mqtt://127.0.0.1:{broker.port}"
    given = many()
    with broker:
        heard = Listener(address)
        bus = open_bus(address, client_id="kinlens-shelf-1", will=identity.will)
        running = Running(
            Device(Newest(Given(given, pace=0.05)), Eye(encoder, loader), bus, identity, rate=100)
        )
        wait_for(lambda: len(heard.sightings) >= 3 and "online" in heard.states)
        broker.kill()
        wait_for(lambda: running.device.totals.unsent >= 3)
        before, told = len(heard.sightings), len(heard.statuses)
        broker.start()
        wait_for(lambda: len(heard.sightings) >= before + 3)
        wait_for(lambda: "online" in heard.states[told:])
        running.end()
        wait_for(lambda: heard.states[-1] == "offline")
        heard.bus.close()
    assert "is lost" in caplog.text


def test_a_real_broker_publishes_the_will_of_a_device_that_is_killed(
    tmp_path: Path, identity: Identity, start_device: Callable[[str], None]
):
    with mosquitto(tmp_path) as broker:
        address = f"mqtt://127.0.0.1:{broker.port}"
        heard = Listener(address)
        start_device(address)
        wait_for(lambda: heard.states[-1:] == ["offline"])
        assert "online" in heard.states
        late = Listener(address)  # the will is retained
        wait_for(lambda: late.states == ["offline"])
        heard.bus.close()
        late.bus.close()


@pytest.fixture
def start_device(encoder: NetworkEncoder, tmp_path: Path) -> Callable[[str], None]:
    """Start `kinlens camera` and kill it when it is online."""
    from live_servers import kinlens
    from tiny_encoder import write_tiny

    def start(address: str) -> None:
        folder = tmp_path / "frames"
        folder.mkdir()
        for seed in range(3):
            (folder / f"{seed}.jpg").write_bytes(to_jpeg(scene(seed)))
        watcher = Listener(address)
        model = write_tiny(tmp_path)
        process = kinlens(
            "camera", str(folder), "--loop", "--broker", address, "--device", "shelf-1",
            "--encoder", str(model), log=tmp_path / "camera.log",
        )  # fmt: skip
        try:
            wait_for(lambda: "online" in watcher.states and watcher.sightings, patience=120)
        finally:
            process.kill()
            process.wait()
            watcher.bus.close()

    return start
