"""MQTT 5 by paho; its only importer.

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

from kinlens.errors import MissingDependency
from kinlens.messaging.address import Address, tls_context
from kinlens.messaging.base import (
    MAX_PAYLOAD,
    MAX_WAITING,
    Handler,
    Message,
    Will,
    check_message,
    check_pattern,
    matches,
)
from kinlens.messaging.echo import EVERY, Echo
from kinlens.messaging.letters import Letter, Subscription

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

log = logging.getLogger("kinlens.messaging")

FIRST_WAIT = 1.0
LONGEST_WAIT = 30.0
"""Seconds between two attempts to connect: twice as many each time, and some of them by chance."""

KEEP_ALIVE = 15
CONNECT_TIMEOUT = 5.0
GOODBYE = 2.0
IN_FLIGHT = 16
"""Messages sent and not yet acknowledged, either way."""

ATTEMPTS = 3
"""Connections in which a message is sent at most: it may be the one that they break on."""

ENVELOPE = 1024
"""Bytes of a packet beside its payload at most."""


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
        self._paho = _import_paho()
        self._changed = threading.Condition()
        self._client: Client | None = None
        self._waiting: deque[Letter] = deque()
        self._sent: dict[int, Letter] = {}
        self._acknowledged: set[int] = set()
        self._in_hand = False
        self._subscriptions: list[Subscription] = []
        self._unconfirmed = 0
        self._online = False
        self._closing = False
        self._window = IN_FLIGHT
        self._largest = MAX_PAYLOAD + ENVELOPE
        self._said = ""
        self._echo = None if max_lag is None else Echo(max_lag, self._address, self._client_id)
        self._passing_over = False
        self.dropped = self.failed = 0
        if self._echo is not None:
            self.subscribe([self._echo.topic], self._echo.heard)
        self._threads = [
            threading.Thread(target=target, name=f"kinlens-mqtt-{name}", daemon=True)
            for name, target in (("connect", self._stay_connected), ("send", self._send))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def connected(self) -> bool:
        """See `Bus.connected`."""
        back_soon = self._passing_over and not self._closing
        return back_soon or (self._online and self._unconfirmed == 0)

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
            _ask_for(client, added)

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
            if entered and self._passing_over:
                continue
            self._passing_over = False
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
            client.connect(
                self._address.host,
                self._address.port,
                keepalive=KEEP_ALIVE,
                clean_start=True,
                properties=_properties(
                    "CONNECT", ReceiveMaximum=IN_FLIGHT, MaximumPacketSize=MAX_PAYLOAD + ENVELOPE
                ),
            )
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
        _cut(client)
        return self._disconnected()

    def _wait_for_end(self, client: Client, gone: threading.Event) -> None:
        seen = time.monotonic()
        while not gone.wait(EVERY if self._echo else 1.0):
            if self._closing:
                client.disconnect()
            elif self._echo and self._online and self._unconfirmed == 0:
                self._stay_near(client, self._echo, time.monotonic())
            if client.is_connected():
                seen = time.monotonic()
            elif time.monotonic() - seen > KEEP_ALIVE + CONNECT_TIMEOUT:
                return  # paho has stopped without telling

    def _stay_near(self, client: Client, echo: Echo, now: float) -> None:
        """Leave the broker, and with it what waits there, if that has waited for too long."""
        if not self._passing_over and echo.is_too_late(now):
            self._passing_over = True
            client.disconnect()
            return
        if not echo.muted:
            self.publish(echo.topic, echo.send(now), expiry=1.0)
        if echo.misses_kept(now):
            _ask_for(client, [each for each in self._subscriptions if not each.group])

    def _disconnected(self) -> bool:
        """Let what wasn't acknowledged wait again; whether we had been online."""
        with self._changed:
            was, self._online, self._client = self._online, False, None
            for letter in reversed(self._sent.values()):
                if letter.attempts < ATTEMPTS:
                    self._waiting.appendleft(letter)
                else:
                    self.dropped += 1
            self._bound()
            self._sent.clear()
            self._acknowledged.clear()
            self._changed.notify_all()
        if was and not self._closing and not self._passing_over:
            self._say(f"The connection to the broker {self._address} is lost. Trying again.")
        return was

    def _make_client(self) -> Client:
        mqtt = self._paho
        client: Client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT
        if self._address.user is not None:
            client.username_pw_set(self._address.user, self._address.password)
        if self._context is not None:
            client.tls_set_context(self._context)
        if (will := self._will) is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    def _send(self) -> None:
        while (found := self._next_letter()) is not None:
            client, letter = found
            left = letter.until - time.monotonic()
            expiry = {} if left == math.inf else {"MessageExpiryInterval": math.ceil(left)}
            # Not under our lock: paho calls back under one of its own.
            sent = client.publish(
                letter.topic,
                letter.payload,
                qos=1,
                retain=letter.retain,
                properties=_properties("PUBLISH", **expiry),
            )
            with self._changed:
                self._in_hand = False
                if sent.mid in self._acknowledged:
                    self._acknowledged.discard(sent.mid)
                elif client is self._client:
                    self._sent[sent.mid] = letter
                else:
                    self._waiting.appendleft(letter)
                self._changed.notify_all()

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
            kept, self._passing_over = not self._passing_over, False
            self._changed.notify_all()
        _ask_for(client, wanted, kept=kept)

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
        if reason.is_failure:
            self.dropped += 1
            muted = self._echo.refused() if self._echo else ""
            self._say(muted or f"The broker {self._address} refuses a message: {reason}.")
        with self._changed:
            if self._sent.pop(mid, None) is None:
                self._acknowledged.add(mid)
            self._changed.notify_all()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            came = Message(message.topic, bytes(message.payload))
            for each in list(self._subscriptions):
                if matches(each.pattern, came.topic):
                    each.handler(came)
        except Exception:  # one bad message must not end the connection
            self.failed += 1
            log.exception("A message couldn't be handled")

    def _say(self, text: str) -> None:
        """Tell of trouble once, however often it is met."""
        if text != self._said:
            self._said = text
            log.warning(text)


def _import_paho() -> Any:
    try:
        from paho.mqtt import client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingDependency(
            "MQTT needs the extra \"live\": pip install 'kinlens[live]'."
        ) from error
    return client


def _properties(kind: str, **values: int) -> Properties:
    from paho.mqtt.packettypes import PacketTypes  # noqa: PLC0415
    from paho.mqtt.properties import Properties  # noqa: PLC0415

    properties = Properties(getattr(PacketTypes, kind))  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def _ask_for(client: Client, wanted: Sequence[Subscription], *, kept: bool = True) -> None:
    from paho.mqtt.subscribeoptions import SubscribeOptions  # noqa: PLC0415

    for each in wanted:
        # Some brokers send what is retained to a group, though they must not.
        retained = 0 if kept and not each.group else SubscribeOptions.RETAIN_DO_NOT_SEND
        options = SubscribeOptions(qos=1, retainHandling=retained)
        client.subscribe(each.filter, options=options)


def _cut(client: Client) -> None:
    """Let go of a client's callbacks: it ends at once, sockets and all, not at some collection."""
    for name in ("on_connect", "on_subscribe", "on_publish", "on_message", "on_disconnect"):
        setattr(client, name, None)
