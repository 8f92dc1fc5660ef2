"""What only the bus in memory has to show: bounds, and time that passes."""

from __future__ import annotations

import threading
import time

from kinlens.messaging import Message
from kinlens.messaging.memory import MAX_UNREAD, MemoryBroker, MemoryBus, memory_broker
from live_servers import wait_for


def test_one_broker_a_name() -> None:
    assert memory_broker("a name") is memory_broker("a name")
    assert memory_broker("a name") is not memory_broker("another")


def test_a_slow_reader_loses_the_oldest() -> None:
    broker = MemoryBroker()
    reader, sender = MemoryBus(broker), MemoryBus(broker)
    gate, seen = threading.Event(), list[bytes]()

    def slow(message: Message) -> None:
        assert gate.wait(30)
        seen.append(message.payload)

    reader.subscribe(["a"], slow)
    sender.publish("a", b"first")
    wait_for(lambda: not reader._unread)
    for number in range(MAX_UNREAD + 100):
        sender.publish("a", str(number).encode())
    gate.set()
    wait_for(lambda: len(seen) == MAX_UNREAD + 1)
    assert seen[:2] == [b"first", b"100"]
    assert reader.dropped == 100
    reader.close()
    sender.close()


def test_what_has_expired_isnt_read() -> None:
    broker = MemoryBroker()
    reader, sender = MemoryBus(broker), MemoryBus(broker)
    gate, seen = threading.Event(), list[bytes]()

    def slow(message: Message) -> None:
        assert gate.wait(30)
        seen.append(message.payload)

    reader.subscribe(["a"], slow)
    sender.publish("a", b"first")
    wait_for(lambda: not reader._unread)
    sender.publish("a", b"stale", expiry=0.01)
    sender.publish("a", b"fresh", expiry=1000)
    time.sleep(0.05)
    gate.set()
    wait_for(lambda: len(seen) == 2)
    assert seen == [b"first", b"fresh"]
    assert reader.dropped == 1
    reader.close()
    sender.close()


def test_behind_only_the_newest_of_each_topic_is_read() -> None:
    broker = MemoryBroker()
    reader, sender = MemoryBus(broker, max_lag=0.01), MemoryBus(broker)
    gate, seen = threading.Event(), list[bytes]()

    def slow(message: Message) -> None:
        assert gate.wait(30)
        seen.append(message.payload)

    reader.subscribe(["+"], slow)
    sender.publish("flood", b"first")
    wait_for(lambda: not reader._unread)
    sender.publish("seldom", b"one", expiry=1000)
    for number in range(3):
        sender.publish("flood", b"%d" % number, expiry=1000)
    sender.publish("flood", b"useless", expiry=0.001)
    time.sleep(0.05)
    sender.publish("flood", b"last")
    gate.set()
    wait_for(lambda: b"last" in seen)
    assert seen == [b"first", b"one", b"last"]
    assert not reader._newest
    reader.close()
    sender.close()
