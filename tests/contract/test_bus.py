"""What every bus promises; a new one is a line in `BUSES`."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from kinlens.errors import InvalidInput
from kinlens.messaging import MAX_PAYLOAD, Bus, Message, Will, mqtt, open_bus
from kinlens.messaging.memory import MemoryBus
from live_servers import mosquitto, wait_for

BUSES = ["memory", "mqtt"]
Opener = Callable[..., Bus]


class Inbox:
    """A handler that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._lock = threading.Lock()

    def __call__(self, message: Message) -> None:
        with self._lock:
            self.messages.append(message)

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    def expect(self, *payloads: bytes) -> None:
        wait_for(lambda: set(payloads) <= set(self.payloads), f"{payloads} in {self.payloads}")


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A goodbye may take its time on a busy machine."""
    monkeypatch.setattr(mqtt, "GOODBYE", 30.0)


@pytest.fixture(scope="module", params=BUSES)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "memory":
        yield "memory://contract"
        return
    with mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        yield f"mqtt://127.0.0.1:{broker.port}"


@pytest.fixture
def connect(url: str) -> Iterator[Opener]:
    with ExitStack() as opened:

        def open_one(will: Will | None = None) -> Bus:
            bus = open_bus(url, will=will)
            opened.callback(bus.close)
            wait_for(lambda: bus.connected, "a connection")
            return bus

        yield open_one


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """One that no other test has used."""
    return f"test/{request.node.name.replace('[', '/').rstrip(']')}"


def listen(bus: Bus, *topics: str, group: str | None = None) -> Inbox:
    inbox = Inbox()
    bus.subscribe(topics, inbox, group=group)
    wait_for(lambda: bus.connected, "a subscription")
    return inbox


def test_what_is_published_arrives_in_order(connect: Opener, topic: str) -> None:
    inbox = listen(connect(), topic)
    sender = connect()
    payloads = [bytes([number]) * number for number in range(50)]
    for number, payload in enumerate(payloads):
        sender.publish(topic, payload)
        wait_for(lambda upto=number: len(inbox.messages) > upto)
    assert inbox.payloads == payloads
    assert {message.topic for message in inbox.messages} == {topic}


def test_wildcards(connect: Opener, topic: str) -> None:
    bus, sender = connect(), connect()
    one = listen(bus, f"{topic}/+/seen")
    rest = listen(connect(), f"{topic}/#")
    for name in ("a/seen", "b/seen", "a/b/seen", "a/status", ""):
        sender.publish(f"{topic}/{name}".rstrip("/"), name.encode())
    rest.expect(b"a/seen", b"b/seen", b"a/b/seen", b"a/status", b"")
    one.expect(b"a/seen", b"b/seen")
    assert set(one.payloads) == {b"a/seen", b"b/seen"}


def test_topics_that_begin_with_a_dollar(connect: Opener, topic: str) -> None:
    inbox, all_others = listen(connect(), "$aws/things/+/infer"), listen(connect(), "#")
    sender = connect()
    sender.publish("$aws/things/camera/infer", topic.encode())
    sender.publish(topic, b"other")
    inbox.expect(topic.encode())
    all_others.expect(b"other")
    assert topic.encode() not in all_others.payloads


def test_a_group_shares_its_messages(connect: Opener, topic: str) -> None:
    first, second = listen(connect(), topic, group="g"), listen(connect(), topic, group="g")
    other, alone = listen(connect(), topic, group="h"), listen(connect(), topic)
    sender = connect()
    payloads = [bytes([number]) for number in range(40)]
    for number, payload in enumerate(payloads):
        sender.publish(topic, payload)
        wait_for(lambda upto=number: len(alone.messages) > upto)
    other.expect(*payloads)
    wait_for(lambda: len(first.messages) + len(second.messages) >= len(payloads))
    assert Counter(first.payloads + second.payloads) == Counter(payloads)
    assert first.messages
    assert second.messages


def test_when_a_member_leaves_the_group_the_others_get_all(connect: Opener, topic: str) -> None:
    leaving, staying = connect(), connect()
    listen(leaving, topic, group="g")
    inbox = listen(staying, topic, group="g")
    leaving.close()
    sender = connect()
    payloads = [bytes([number]) for number in range(10)]
    for payload in payloads:
        sender.publish(topic, payload)
    inbox.expect(*payloads)


def test_what_is_retained_comes_to_those_who_subscribe_later(connect: Opener, topic: str) -> None:
    sender, before = connect(), listen(connect(), f"{topic}/#")
    for name, payload in (("a", b"old"), ("a", b"new"), ("b", b"gone"), ("b", b"")):
        sender.publish(f"{topic}/{name}", payload, retain=True)
    before.expect(b"old", b"new", b"gone", b"")
    after, shared = listen(connect(), f"{topic}/#"), listen(connect(), f"{topic}/#", group="g")
    after.expect(b"new")
    assert after.payloads == [b"new"]
    sender.publish(f"{topic}/c", b"fresh")
    shared.expect(b"fresh")
    assert shared.payloads == [b"fresh"]


def test_no_will_after_a_goodbye(connect: Opener, topic: str) -> None:
    inbox = listen(connect(), topic)
    leaving = connect(Will(topic, b"will"))
    leaving.publish(topic, b"last words")
    leaving.close()
    inbox.expect(b"last words")
    connect().publish(topic, b"later")
    inbox.expect(b"later")
    assert b"will" not in inbox.payloads


def test_a_handler_that_raises_spoils_only_its_own_message(
    connect: Opener, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Inbox()

    def picky(message: Message) -> None:
        if message.payload == b"bad":
            raise ZeroDivisionError
        seen(message)

    bus, sender = connect(), connect()
    bus.subscribe([topic], picky)
    wait_for(lambda: bus.connected)
    for payload in (b"good", b"bad", b"better"):
        sender.publish(topic, payload)
    seen.expect(b"good", b"better")
    assert bus.failed == 1
    assert "couldn't be handled" in caplog.text


def test_a_handler_may_publish(connect: Opener, topic: str) -> None:
    bus = connect()
    inbox = listen(connect(), f"{topic}/answer")
    bus.subscribe([topic], lambda message: bus.publish(f"{topic}/answer", message.payload * 2))
    wait_for(lambda: bus.connected)
    connect().publish(topic, b"ha")
    inbox.expect(b"haha")


def test_binary_payloads_up_to_the_limit(connect: Opener, topic: str) -> None:
    inbox, sender = listen(connect(), topic), connect()
    largest = bytes(range(256)) * (MAX_PAYLOAD // 256)
    sender.publish(topic, largest)
    inbox.expect(largest)
    with pytest.raises(InvalidInput, match="smaller"):
        sender.publish(topic, largest + b"!")


@pytest.mark.parametrize("wrong", ["", "a/+/b", "a/#", "nul\0", "x" * 300])
def test_topics_that_cant_be_published_on(connect: Opener, wrong: str) -> None:
    with pytest.raises(InvalidInput, match="topic"):
        connect().publish(wrong, b"")


@pytest.mark.parametrize("wrong", ["", "a/b+/c", "a/#/b", "#a"])
def test_topics_that_cant_be_subscribed_to(connect: Opener, wrong: str) -> None:
    with pytest.raises(InvalidInput, match="topic"):
        connect().subscribe([wrong], Inbox())


def test_after_it_is_closed_nothing_comes_or_goes(connect: Opener, topic: str) -> None:
    inbox = listen(connect(), topic)
    closed = connect()
    ended = listen(closed, topic)
    closed.close()
    closed.close()
    closed.publish(topic, b"from the grave")
    connect().publish(topic, b"alive")
    inbox.expect(b"alive")
    assert inbox.payloads == [b"alive"]
    assert ended.messages == []
    assert not closed.connected


def test_many_publish_at_once(connect: Opener, topic: str) -> None:
    inbox, sender = listen(connect(), topic), connect()

    def publish(name: int) -> None:
        for number in range(10):
            sender.publish(topic, bytes([name, number]))

    threads = [threading.Thread(target=publish, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    inbox.expect(*(bytes([name, number]) for name in range(4) for number in range(10)))


def test_the_will_when_the_plug_is_pulled(url: str, connect: Opener) -> None:
    """In memory by `drop`; for a broker, a process is killed."""
    inbox = listen(connect(), "test/will/#")
    pull_the_plug(url)
    inbox.expect(b"gone")
    later = listen(connect(), "test/will/+")
    later.expect(b"gone")


def pull_the_plug(url: str) -> None:
    will = Will("test/will/camera", b"gone")
    if url.startswith("memory:"):
        bus = open_bus(url, will=will)
        assert isinstance(bus, MemoryBus)
        bus.drop()
        return
    code = (
        "import sys, time\n"
        "from kinlens.messaging import Will, open_bus\n"
        "bus = open_bus(sys.argv[1], will=Will('test/will/camera', b'gone'))\n"
        "while not bus.connected: time.sleep(0.01)\n"
        "print('connected', flush=True)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"connected\n"
    process.kill()
    process.wait()


def test_what_was_kept_is_told_from_what_is_published_now(connect: Opener, topic: str) -> None:
    sender, early = connect(), connect()
    before = listen(early, topic)
    sender.publish(topic, b"retained", retain=True)
    before.expect(b"retained")
    late = listen(connect(), topic)
    late.expect(b"retained")
    assert [message.kept for message in before.messages] == [False], "it was new when it came"
    assert [message.kept for message in late.messages] == [True]
    sender.publish(topic, b"again", retain=True)
    late.expect(b"again")
    assert [message.kept for message in late.messages] == [True, False]
    sender.publish(topic, b"", retain=True)
