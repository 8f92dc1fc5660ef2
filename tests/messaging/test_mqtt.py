"""A real broker that goes and comes back, keeps strangers out, and encrypts."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from kinlens.errors import MissingDependency
from kinlens.messaging import Bus, Message, Will, mqtt, open_bus
from kinlens.messaging.base import MAX_WAITING
from live_servers import Server, free_port, mosquitto, require, wait_for


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    with mosquitto(tmp_path) as server:
        yield server


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again sooner than with real brokers."""
    monkeypatch.setattr(mqtt, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(mqtt, "LONGEST_WAIT", 0.4)


@contextmanager
def connected(url: str, count: int = 1) -> Iterator[list[Bus]]:
    with ExitStack() as opened:
        buses = [open_bus(url) for _ in range(count)]
        for bus in buses:
            opened.callback(bus.close)
        for bus in buses:
            wait_for(lambda bus=bus: bus.connected, "a connection")
        yield buses


def url_of(broker: Server) -> str:
    return f"mqtt://127.0.0.1:{broker.port}"


def test_killed_and_restarted_again_and_again(broker: Server) -> None:
    with connected(url_of(broker), 2) as [reader, sender]:
        seen: list[bytes] = []
        reader.subscribe(["a/+"], lambda message: seen.append(message.payload), group="g")
        for turn in range(3):
            wait_for(lambda: reader.connected and sender.connected)
            sender.publish("a/b", b"before %d" % turn)
            wait_for(lambda turn=turn: b"before %d" % turn in seen)
            broker.kill()
            wait_for(lambda: not reader.connected and not sender.connected)
            sender.publish("a/b", b"while away %d" % turn)
            broker.start()
        wait_for(lambda: reader.connected and sender.connected)
        sender.publish("a/b", b"after")
        wait_for(lambda: b"after" in seen)


def test_what_waits_while_the_broker_is_away_is_bounded_and_the_oldest_goes(
    broker: Server,
) -> None:
    with connected(url_of(broker)) as [sender]:
        broker.kill()
        wait_for(lambda: not sender.connected)
        sender.publish("a", b"stale", expiry=0.001)
        for number in range(MAX_WAITING + 20):
            sender.publish("a", str(number).encode(), retain=True)
        assert sender.dropped == 21
        broker.start()
        wait_for(lambda: sender.connected)
        last = str(MAX_WAITING + 19).encode()
        with connected(url_of(broker)) as [reader]:
            seen: list[bytes] = []
            reader.subscribe(["a"], lambda message: seen.append(message.payload))
            wait_for(lambda: last in seen)


def test_a_broker_that_isnt_there_yet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = mosquitto(tmp_path)
    bus = open_bus(f"mqtt://anna:hunter2@127.0.0.1:{broker.port}")
    seen: list[Message] = []
    bus.subscribe(["a"], seen.append)
    bus.publish("a", b"early")
    wait_for(lambda: "can't be reached" in caplog.text)
    with broker:
        wait_for(lambda: bus.connected)
        bus.publish("a", b"now")
        wait_for(lambda: b"now" in [message.payload for message in seen])
        bus.close()
    assert "hunter2" not in caplog.text
    assert sum("can't be reached" in record.message for record in caplog.records) == 1


def test_closing_while_the_broker_is_away_is_quick() -> None:
    bus = open_bus(f"mqtt://127.0.0.1:{free_port()}")
    bus.publish("a", b"never")
    bus.close()
    assert not bus.connected


def test_waits_grow_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(mqtt, "FIRST_WAIT", 1.0)
    monkeypatch.setattr(mqtt, "LONGEST_WAIT", 30.0)

    class Impatient(mqtt.MqttBus):
        def _pause(self, seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 12:
                self._closing = True

    bus = Impatient(f"mqtt://127.0.0.1:{free_port()}")
    wait_for(lambda: len(waits) == 12)
    bus.close()
    for number, wait in enumerate(waits):
        longest = min(2.0 ** (number + 1), 30.0)
        assert longest / 2 <= wait <= longest
    assert len(set(waits)) == 12


def test_only_with_the_right_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    require("mosquitto_passwd")
    subprocess.run(["mosquitto_passwd", "-b", passwords, "anna", "hunt/er2"], check=True)
    with mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}") as broker:
        with connected(f"mqtt://anna:hunt%2Fer2@127.0.0.1:{broker.port}"):
            pass
        wrong = open_bus(f"mqtt://anna:wr0ng@127.0.0.1:{broker.port}")
        nameless = open_bus(url_of(broker))
        wait_for(lambda: caplog.text.count("doesn't let us in") >= 2, caplog.text)
        assert not wrong.connected
        assert not nameless.connected
        wrong.close()
        nameless.close()
    assert "wr0ng" not in caplog.text


# paho leaves the socket of a failed handshake to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_and_a_certificate_that_nobody_vouches_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    require("openssl")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-keyout", key, "-out", certificate, "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = f"certfile {certificate}\nkeyfile {key}"
    with mosquitto(tmp_path, listener=tls) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"
        with connected(f"{url}?ca={certificate}", 2) as [reader, sender]:
            seen: list[bytes] = []
            reader.subscribe(["a"], lambda message: seen.append(message.payload))
            wait_for(lambda: reader.connected)
            sender.publish("a", b"secret")
            wait_for(lambda: seen == [b"secret"])
        stranger = open_bus(url)
        wait_for(lambda: "certificate verify failed" in caplog.text, caplog.text)
        assert not stranger.connected
        stranger.close()


def test_a_message_over_the_brokers_limit_is_dropped_and_the_next_passes(tmp_path: Path) -> None:
    limits = ("allow_anonymous true", "max_packet_size 5000")
    with (
        mosquitto(tmp_path, *limits) as broker,
        connected(url_of(broker), 2) as [reader, sender],
    ):
        seen: list[int] = []
        reader.subscribe(["a"], lambda message: seen.append(len(message.payload)))
        wait_for(lambda: reader.connected)
        for size in (100, 50_000, 200):
            sender.publish("a", bytes(size))
        wait_for(lambda: len(seen) == 2)
        assert seen == [100, 200]
        assert sender.dropped == 1


def test_a_message_that_the_broker_refuses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite open/#\n")
    acl.chmod(0o600)
    with (
        mosquitto(tmp_path, "allow_anonymous true", f"acl_file {acl}") as broker,
        connected(url_of(broker)) as [bus],
    ):
        seen: list[bytes] = []
        bus.subscribe(["open/a"], lambda message: seen.append(message.payload))
        bus.publish("closed/a", b"refused")
        bus.publish("open/a", b"taken")
        wait_for(lambda: seen == [b"taken"])
        wait_for(lambda: bus.dropped == 1)
    assert "refuses a message" in caplog.text


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    with pytest.raises(MissingDependency, match=r"kinlens\[live\]"):
        open_bus("mqtt://127.0.0.1")


def test_trouble_is_logged_under_the_packages_name(caplog: pytest.LogCaptureFixture) -> None:
    bus = open_bus(f"mqtt://127.0.0.1:{free_port()}", will=Will("a", b"b"))
    wait_for(lambda: caplog.records)
    bus.close()
    assert {record.name for record in caplog.records} == {"kinlens.messaging"}
    assert caplog.records[0].levelno == logging.WARNING
