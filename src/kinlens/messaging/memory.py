"""A bus within one process, with MQTT's manners: wildcards, groups, retained messages, wills."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from kinlens.messaging.base import (
    Handler,
    Message,
    Will,
    check_message,
    check_pattern,
    matches,
)

log = logging.getLogger("kinlens.messaging")

MAX_UNREAD = 1024
"""Messages that wait for a slow subscriber at most; beyond it the oldest is dropped."""

MAX_RETAINED = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class _Subscription:
    pattern: str
    handler: Handler
    group: str | None
    client: MemoryBus


class MemoryBroker:
    """Where the clients of one name meet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: list[_Subscription] = []
        self._retained: dict[str, bytes] = {}
        self._turns: dict[tuple[str, str], int] = {}

    def publish(self, message: Message, retain: bool, until: float | None) -> None:
        """Hand a message to every subscription, and to one of each group."""
        with self._lock:
            if retain:
                self._retain(message)
            fitting = [each for each in self._subscriptions if matches(each.pattern, message.topic)]
            for subscription in self._chosen(fitting):
                subscription.client.receive(subscription.handler, message, until)

    def subscribe(self, subscriptions: Sequence[_Subscription]) -> None:
        """Add subscriptions; each that is of no group gets what is kept."""
        with self._lock:
            self._subscriptions += subscriptions
            for each in subscriptions:
                for topic, payload in self._retained.items():
                    if each.group is None and matches(each.pattern, topic):
                        each.client.receive(each.handler, Message(topic, payload, kept=True), None)

    def leave(self, client: MemoryBus) -> None:
        """Forget a client's subscriptions."""
        with self._lock:
            self._subscriptions = [each for each in self._subscriptions if each.client != client]

    def _retain(self, message: Message) -> None:
        self._retained.pop(message.topic, None)
        if message.payload:
            self._retained[message.topic] = message.payload
        if len(self._retained) > MAX_RETAINED:
            del self._retained[next(iter(self._retained))]

    def _chosen(self, fitting: list[_Subscription]) -> list[_Subscription]:
        chosen = [each for each in fitting if each.group is None]
        shared: dict[tuple[str, str], list[_Subscription]] = {}
        for each in fitting:
            if each.group is not None:
                shared.setdefault((each.group, each.pattern), []).append(each)
        for key, members in shared.items():
            turn = self._turns[key] = self._turns.get(key, -1) + 1
            chosen.append(members[turn % len(members)])
        return chosen


@dataclass(frozen=True, slots=True)
class _Unread:
    """What waits to be handled, and the monotonic times when it is too late and of no use."""

    handler: Handler
    message: Message
    late_at: float
    until: float

    @property
    def key(self) -> tuple[Handler, str]:
        return self.handler, self.message.topic


class MemoryBus:
    """A client of a bus within this process; see `Bus`.

    Parameters
    ----------
    broker : those with the same one hear each other
    will : published if the client is dropped rather than closed
    max_lag : see `open_bus`
    """

    def __init__(
        self, broker: MemoryBroker, will: Will | None = None, *, max_lag: float | None = None
    ) -> None:
        self._broker = broker
        self._will = will
        self._max_lag = math.inf if max_lag is None else max_lag
        self._unread: deque[_Unread] = deque()
        self._newest: dict[tuple[Handler, str], _Unread] = {}
        self._changed = threading.Condition()
        self._open = True
        self.dropped = 0
        self.failed = 0
        self._reader = threading.Thread(target=self._read, name="kinlens-bus", daemon=True)
        self._reader.start()

    @property
    def connected(self) -> bool:
        """See `Bus.connected`."""
        return self._open

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry: float | None = None
    ) -> None:
        """See `Bus.publish`."""
        check_message(topic, payload)
        if self._open:
            until = None if expiry is None else time.monotonic() + expiry
            self._broker.publish(Message(topic, bytes(payload)), retain, until)

    def subscribe(
        self, topics: Sequence[str], handler: Handler, *, group: str | None = None
    ) -> None:
        """See `Bus.subscribe`."""
        for topic in topics:
            check_pattern(topic)
        self._broker.subscribe([_Subscription(topic, handler, group, self) for topic in topics])

    def receive(self, handler: Handler, message: Message, until: float | None) -> None:
        """Take a message from the broker; it is handled by a thread of this client."""
        late_at = time.monotonic() + self._max_lag
        came = _Unread(handler, message, late_at, math.inf if until is None else until)
        with self._changed:
            if len(self._unread) == MAX_UNREAD:
                self._take()
                self.dropped += 1
            self._unread.append(came)
            self._newest[came.key] = came
            self._changed.notify_all()

    def close(self) -> None:
        """See `Bus.close`."""
        self._leave()

    def drop(self) -> None:
        """Go without a goodbye, as if the plug were pulled: the will is published."""
        self._leave()
        if self._will is not None:
            will = Message(self._will.topic, self._will.payload)
            self._broker.publish(will, self._will.retain, None)
            self._will = None

    def _leave(self) -> None:
        self._broker.leave(self)
        with self._changed:
            self._open = False
            self._changed.notify_all()
        if threading.current_thread() is not self._reader:
            self._reader.join()

    def _read(self) -> None:
        while (taken := self._next()) is not None:
            unread, is_newest = taken
            now = time.monotonic()
            if now > unread.until or (now > unread.late_at and not is_newest):
                self.dropped += 1
                continue
            try:
                unread.handler(unread.message)
            except Exception:  # one bad message must not end all others'
                self.failed += 1
                log.exception("A message on %.100r couldn't be handled", unread.message.topic)

    def _next(self) -> tuple[_Unread, bool] | None:
        with self._changed:
            while self._open and not self._unread:
                self._changed.wait()
            return self._take() if self._open else None

    def _take(self) -> tuple[_Unread, bool]:
        """The oldest, and whether none newer of its topic waits."""
        unread = self._unread.popleft()
        is_newest = self._newest[unread.key] is unread
        if is_newest:
            del self._newest[unread.key]
        return unread, is_newest


_brokers: dict[str, MemoryBroker] = {}
_brokers_lock = threading.Lock()


def memory_broker(name: str) -> MemoryBroker:
    """The broker of this name within this process."""
    with _brokers_lock:
        return _brokers.setdefault(name, MemoryBroker())
