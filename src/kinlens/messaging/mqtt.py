"""MQTT 5.

paho's own queue refuses what is newest when it is full, resends what is stale, and reconnects
without jitter. So messages wait here, and a new client of paho's is made for each connection.
"""

from __future__ import annotations

import logging
import math
import random
import secrets
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kinlens.messaging.address import Address, tls_context
from kinlens.messaging.base import (
    MAX_PAYLOAD,
    MAX_WAITING,
    Handler,
    Message,
    Will,
    check_message,
    check_pattern,
)
from kinlens.messaging.client import (
    CONNECT_TIMEOUT,
    ENVELOPE,
    KEEP_ALIVE,
    ask_for,
    connect,
    cut,
    has_more,
    import_paho,
    make_client,
    post,
)
from kinlens.messaging.echo import Echo
from kinlens.messaging.inbox import Inbox
from kinlens.messaging.letters import Letter, Subscription

if TYPE_CHECKING:
    from kinlens.messaging.client import Client, MQTTMessage, ReasonCode

log = logging.getLogger("kinlens.messaging")

FIRST_WAIT = 1.0
LONGEST_WAIT = 30.0
"""Seconds between two attempts to connect: twice as many each time, and some of them by chance."""

GOODBYE = 2.0
IN_FLIGHT = 16
"""Messages sent and not yet acknowledged."""

TICK = 1.0
"""Seconds between two looks at a connection."""

ECHO_EXPIRY = 10.0

ATTEMPTS = 3
"""Connections in which a message is sent at most: it may be the one that they break on."""


class MqttBus:
    """A client of an MQTT 5 broker, QoS 1; see `Bus`.

    Parameters
    ----------
    url : see `open_bus`
    client_id : made up if None
    will : published by the broker when the connection breaks
    max_lag : see `open_bus`

    Raises
    ------
    MissingDependency : without the extra "live"
    ConfigError : a URL or a certificate file that can't be used
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str | None = None,
        will: Will | None = None,
        max_lag: float | None = None,
    ) -> None:
        self._address = Address.parse(url)
        self._context = tls_context(self._address) if self._address.tls else None
        self._client_id = client_id or f"kinlens-{secrets.token_hex(8)}"
        self._will = will
        import_paho()
        self._changed = threading.Condition()
        self._client: Client | None = None
        self._waiting: deque[Letter] = deque()
        self._sent: dict[int, Letter] = {}
        self._settled: dict[int, ReasonCode] = {}
        self._in_hand = False
        self._subscriptions: list[Subscription] = []
        self._unconfirmed = 0
        self._online = False
        self._closing = False
        self._window = IN_FLIGHT
        self._largest = MAX_PAYLOAD + ENVELOPE
        self._said = ""
        self._echo = None if max_lag is None else Echo(max_lag, self._address, self._client_id)
        self._inbox = Inbox(self._subscriptions)
        self._leaving = False
        self.dropped = 0
        if self._echo is not None:
            self.subscribe([self._echo.topic], self._on_echo)
        self._threads = [
            threading.Thread(target=target, name=f"kinlens-mqtt-{name}", daemon=True)
            for name, target in (("connect", self._stay_connected), ("send", self._send))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def connected(self) -> bool:
        """See `Bus.connected`."""
        back_soon = self._leaving and not self._closing
        return back_soon or (self._online and self._unconfirmed == 0)

    @property
    def failed(self) -> int:
        """See `Bus.failed`."""
        return self._inbox.failed

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry: float | None = None
    ) -> None:
        """See `Bus.publish`."""
        check_message(topic, payload)
        until = math.inf if expiry is None else time.monotonic() + expiry
        with self._changed:
            if self._closing:
                return
            self._waiting.append(Letter(topic, bytes(payload), retain, until))
            self._bound()
            self._changed.notify_all()

    def subscribe(
        self, topics: Sequence[str], handler: Handler, *, group: str | None = None
    ) -> None:
        """See `Bus.subscribe`."""
        for topic in topics:
            check_pattern(topic)
        added = [Subscription(topic, handler, group) for topic in topics]
        with self._changed:
            self._subscriptions += added
            client = self._client if self._online else None
            if client is not None:
                self._unconfirmed += len(added)
        if client is not None:
            ask_for(client, added)

    def close(self) -> None:
        """See `Bus.close`."""
        deadline = time.monotonic() + GOODBYE
        with self._changed:
            while self._online and (self._waiting or self._sent or self._in_hand):
                if not self._changed.wait(deadline - time.monotonic()):
                    break
            self._closing = True
            client = self._client
            self._changed.notify_all()
        if client is not None:
            client.disconnect()
        for thread in self._threads:
            thread.join(GOODBYE)

    def _stay_connected(self) -> None:
        wait = FIRST_WAIT
        while not self._closing:
            entered = self._connect()
            if entered and self._leaving:
                continue
            self._leaving = False
            wait = FIRST_WAIT if entered else min(2 * wait, LONGEST_WAIT)
            # Without chance, all devices would come back to a broker at the same moment.
            self._pause(wait * random.uniform(0.5, 1))  # noqa: S311

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing, seconds)

    def _connect(self) -> bool:
        """Connect, and stay so for as long as it lasts; whether the broker let us in."""
        client = self._make_client()
        gone = threading.Event()
        client.on_disconnect = lambda *_: gone.set()
        try:
            connect(client, self._address)
        except (OSError, ValueError) as error:  # ValueError: a host name that isn't one
            self._say(f"The broker {self._address} can't be reached: {error}. Trying again.")
            return False
        with self._changed:
            self._client = client
        if self._echo is not None:
            self._echo.begin()
        client.loop_start()
        self._wait_for_end(client, gone)
        client.loop_stop()
        cut(client)
        self._inbox.hand_out()
        return self._disconnected()

    def _wait_for_end(self, client: Client, gone: threading.Event) -> None:
        seen = time.monotonic()
        while not gone.wait(TICK):
            if self._closing:
                client.disconnect()
            elif self._echo and self._online:
                self._tend(client, self._echo, time.monotonic())
            if client.is_connected():
                seen = time.monotonic()
            elif time.monotonic() - seen > KEEP_ALIVE + CONNECT_TIMEOUT:
                return  # paho has stopped without telling

    def _tend(self, client: Client, echo: Echo, now: float) -> None:
        if self._inbox.holds:
            self._send_echo(echo, now)  # the last one may be lost, and nothing else come
        if echo.misses_kept(now):
            ask_for(client, [each for each in self._subscriptions if not each.group])

    def _send_echo(self, echo: Echo, now: float) -> None:
        if (payload := echo.next(now)) is not None:
            self.publish(echo.topic, payload, expiry=ECHO_EXPIRY)

    def _disconnected(self) -> bool:
        """Let what wasn't acknowledged wait again; whether we had been online."""
        with self._changed:
            was, self._online, self._client = self._online, False, None
            for letter in reversed(self._sent.values()):
                if letter.attempts < ATTEMPTS:
                    self._waiting.appendleft(letter)
                else:
                    self.dropped += 1
            if self._echo is not None:  # those of one connection tell nothing at another
                own = self._echo.topic
                self._waiting = deque(each for each in self._waiting if each.topic != own)
            self._bound()
            self._sent.clear()
            self._settled.clear()
            self._changed.notify_all()
        if was and not self._closing and not self._leaving:
            self._say(f"The connection to the broker {self._address} is lost. Trying again.")
        return was

    def _make_client(self) -> Client:
        client = make_client(self._address, self._context, self._client_id, self._will)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    def _send(self) -> None:
        while (found := self._next_letter()) is not None:
            client, letter = found
            mid = post(client, letter)  # not under our lock: paho calls back under one of its own
            with self._changed:
                self._in_hand = False
                reason = self._settled.pop(mid, None)
                if reason is None and client is self._client:
                    self._sent[mid] = letter
                elif reason is None:
                    self._waiting.appendleft(letter)
                self._changed.notify_all()
            if reason is not None:
                self._settle(letter, reason)

    def _next_letter(self) -> tuple[Client, Letter] | None:
        """The next message to be sent, and by which client; None when closed."""
        with self._changed:
            while not self._closing:
                if not (self._online and self._waiting and len(self._sent) < self._window):
                    self._changed.wait()
                    continue
                letter = self._waiting.popleft()
                letter.attempts += 1
                if letter.until <= time.monotonic() or letter.size + ENVELOPE > self._largest:
                    self.dropped += 1
                    self._changed.notify_all()
                elif self._client is not None:
                    self._in_hand = True
                    return self._client, letter
            return None

    def _bound(self) -> None:
        while len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1

    def _on_connect(
        self, client: Client, _data: Any, _flags: Any, reason: ReasonCode, granted: Any
    ) -> None:
        if reason.is_failure:
            self._say(f"The broker {self._address} doesn't let us in: {reason}. Trying again.")
            return
        if self._said:
            log.warning("The broker %s answers again.", self._address)
        self._said = ""
        with self._changed:
            self._window = min(IN_FLIGHT, getattr(granted, "ReceiveMaximum", IN_FLIGHT))
            self._largest = getattr(granted, "MaximumPacketSize", MAX_PAYLOAD + 2 * ENVELOPE)
            wanted = list(self._subscriptions)
            self._unconfirmed = len(wanted)
            self._online = True
            kept, self._leaving = not self._leaving, False
            self._changed.notify_all()
        ask_for(client, wanted, kept=kept)
        if self._echo is not None:
            self._send_echo(self._echo, time.monotonic())

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        for reason in reasons:
            if reason.is_failure:
                self._say(f"The broker {self._address} refuses a subscription: {reason}.")
        with self._changed:
            self._unconfirmed = max(0, self._unconfirmed - len(reasons))

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        with self._changed:
            letter = self._sent.pop(mid, None)
            if letter is None:
                self._settled[mid] = reason  # it comes sooner than the sender has noted the letter
            self._changed.notify_all()
        if letter is not None:
            self._settle(letter, reason)

    def _settle(self, letter: Letter, reason: ReasonCode) -> None:
        """The broker has taken a message, or refused it."""
        echo = self._echo if self._echo and letter.topic == self._echo.topic else None
        self.dropped += reason.is_failure
        if echo and reason.is_failure:
            echo.refused()
        elif echo:
            echo.taken(letter.payload, time.monotonic())
        elif reason.is_failure:
            self._say(f"The broker {self._address} refuses a message: {reason}.")

    def _on_message(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        now = time.monotonic()
        came = Message(message.topic, bytes(message.payload), bool(message.retain))
        if self._echo is None:
            self._inbox.take(came)
        elif came.topic == self._echo.topic:
            self._on_echo(came)
        else:
            in_haste = self._echo.is_behind(now, more=has_more(client))
            self._inbox.take(came, in_haste=in_haste)
            self._send_echo(self._echo, now)
            self._leave_if_lost(client, self._echo, now)

    def _on_echo(self, message: Message) -> None:
        now = time.monotonic()
        if self._echo and not self._echo.heard(message.payload, now):
            self._inbox.hand_out()

    def _leave_if_lost(self, client: Client, echo: Echo, now: float) -> None:
        """Leave the broker, and with it what waits there, if reading in haste was of no use."""
        if not self._leaving and echo.gives_up(now):
            self._leaving = True
            client.disconnect()

    def _say(self, text: str) -> None:
        """Tell of trouble once, however often it is met."""
        if text != self._said:
            self._said = text
            log.warning(text)
