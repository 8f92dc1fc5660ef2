"""More comes than is handled, the broker is far, the machine busy: only what is old is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from far_link import FarLink
from kinlens.messaging import Message, echo, open_bus
from kinlens.messaging.inbox import Inbox
from kinlens.messaging.mqtt import MqttBus
from live_servers import Server, mosquitto, wait_for

Open = Callable[..., MqttBus]
LAG = 0.15


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    with mosquitto(tmp_path) as server:
        yield server


@pytest.fixture
def opened() -> Iterator[Open]:
    """``opened(port, handler)``: a client that reads what comes on ``seen/+``."""
    buses: list[MqttBus] = []

    def make(
        port: int, handler: Callable[[Message], None] | None = None, lag: float | None = LAG
    ) -> MqttBus:
        bus = open_bus(f"mqtt://127.0.0.1:{port}", max_lag=lag)
        assert isinstance(bus, MqttBus)
        buses.append(bus)
        if handler is not None:
            bus.subscribe(["seen/+"], handler, group="g")
        wait_for(lambda: bus.connected, "a connection")
        return bus

    yield make
    for bus in buses:
        bus.close()


def publish(sender: MqttBus, topic: str, payload: bytes = b"") -> None:
    """As soon as there is room, for a bus drops the oldest when too many wait."""
    wait_for(lambda: len(sender._waiting) < 8)
    sender.publish(topic, payload)


@pytest.mark.parametrize(("delay", "jitter"), [(0.15, 0.0), (0.01, 0.4)])
def test_a_long_way_to_the_broker_is_no_lag(
    broker: Server, opened: Open, delay: float, jitter: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(echo, "PATIENCE", 8.0)  # less than the test takes
    seen: list[bytes] = []
    with FarLink(broker.port, delay, jitter) as link:
        reader = opened(link.port, lambda message: seen.append(message.payload))
        sender = opened(broker.port, lag=None)
        sent = [b"%d" % number for number in range(60)]
        for payload in sent:
            publish(sender, f"seen/{payload.decode()}", payload)
            time.sleep(0.05)
        wait_for(lambda: set(seen) == set(sent))
        assert link.connections == 1
        reader.close()


def test_while_nothing_comes_nothing_is_sent(broker: Server, opened: Open) -> None:
    with FarLink(broker.port, 0.0) as link:
        seen: list[bytes] = []
        reader = opened(link.port, lambda message: seen.append(message.payload))
        sender = opened(broker.port, lag=None)
        publish(sender, "seen/a", b"1")
        wait_for(lambda: seen and not reader._echo._away)  # type: ignore[union-attr]

        def silent() -> bool:
            before = link.bytes
            time.sleep(1.5)
            return link.bytes == before

        wait_for(silent, "silence")
        reader.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still while a client catches up makes it give up no sooner."""
    monkeypatch.setattr(echo, "PATIENCE", 100.0)


@pytest.mark.usefixtures("patient")
def test_a_reader_that_was_held_up_loses_nothing(broker: Server, opened: Open) -> None:
    seen: list[bytes] = []

    def handler(message: Message) -> None:
        if message.payload == b"20":
            time.sleep(5 * LAG)
        seen.append(message.payload)

    reader, sender = opened(broker.port, handler), opened(broker.port, lag=None)
    sent = [b"%d" % number for number in range(120)]
    for payload in sent:
        publish(sender, f"seen/{payload.decode()}", payload)
        time.sleep(0.01)
    wait_for(lambda: set(seen) == set(sent))
    assert reader._echo.times_left == 0  # type: ignore[union-attr]


@pytest.mark.usefixtures("patient")
def test_one_that_says_little_loses_nothing_to_one_that_floods(
    broker: Server, opened: Open
) -> None:
    often, seldom, sent_all = list[bytes](), list[bytes](), threading.Event()

    def slow(message: Message) -> None:
        assert sent_all.wait(60)  # else nothing waits where sending is slow too
        time.sleep(0.02)
        (seldom if message.topic == "seen/seldom" else often).append(message.payload)

    reader, sender = opened(broker.port, slow, 2 * LAG), opened(broker.port, lag=None)
    sent = [b"%d" % number for number in range(8)]
    for payload in sent:
        sent_all.clear()
        publish(sender, "seen/seldom", payload)
        for number in range(100):
            publish(sender, "seen/often", b"%s %d" % (payload, number))
        sent_all.set()
        wait_for(lambda payload=payload: payload in seldom)  # type: ignore[misc]
    wait_for(lambda: b"7 99" in often)
    assert seldom == sent
    assert len(often) < 600
    assert reader._echo.times_left == 0  # type: ignore[union-attr]


@pytest.fixture
def slow_even_in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "KEPT_AGAIN", 0.2)
    take = Inbox.take

    def slowly(inbox: Inbox, message: Message, **given: Any) -> None:
        time.sleep(0.02)
        take(inbox, message, **given)

    monkeypatch.setattr(Inbox, "take", slowly)


@pytest.mark.usefixtures("slow_even_in_haste")
def test_what_cant_be_read_even_in_haste_is_left_at_the_broker(
    broker: Server, opened: Open
) -> None:
    seen, states = list[bytes](), list[bytes]()
    reader = opened(broker.port, lambda message: seen.append(message.payload))
    reader.subscribe(["state/+"], lambda message: states.append(message.payload))
    wait_for(lambda: reader.connected)
    sender = opened(broker.port, lag=None)
    sender.publish("state/a", b"on", retain=True)
    wait_for(lambda: b"on" in states)
    began = time.monotonic()
    for number in range(300):
        publish(sender, "seen/a", b"%d" % number)
    sender.publish("state/a", b"off", retain=True)
    for number in range(300):
        publish(sender, "seen/a", b"%d" % number)
    wait_for(lambda: reader._echo.times_left)  # type: ignore[union-attr]

    def last() -> bool:
        sender.publish("seen/a", b"last")
        time.sleep(0.2)
        return b"last" in seen

    wait_for(last)
    assert len(seen) < 400
    wait_for(lambda: states[-1] == b"off")
    assert reader._echo.times_left <= (time.monotonic() - began) / LAG  # type: ignore[union-attr]


@pytest.mark.parametrize("allowed", ["topic read kinlens-echo/+", "topic write kinlens-echo/+", ""])
def test_a_broker_that_allows_no_echo_is_left_alone_and_told_of_once(
    tmp_path: Path,
    opened: Open,
    allowed: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(echo, "UNHEARD", 3)
    seen: list[bytes] = []

    def slow(message: Message) -> None:
        time.sleep(0.02)
        seen.append(message.payload)

    rules = tmp_path / "rules"
    rules.write_text(f"topic readwrite seen/+\n{allowed}\n")
    rules.chmod(0o600)
    with mosquitto(tmp_path, "allow_anonymous true", f"acl_file {rules}") as broker:
        reader, sender = opened(broker.port, slow), opened(broker.port, lag=None)
        sent = [b"%d" % number for number in range(60)]
        for payload in sent:
            publish(sender, "seen/a", payload)
        wait_for(lambda: seen == sent)
        wait_for(lambda: "kinlens-echo/+" in caplog.text)
        assert len(caplog.records) == 1, caplog.text
        reader.close()
        sender.close()
