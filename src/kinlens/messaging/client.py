"""One connection to a broker, by paho; its only importer."""

from __future__ import annotations

import math
import select
import ssl
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kinlens.errors import MissingDependency
from kinlens.messaging.address import Address
from kinlens.messaging.base import MAX_PAYLOAD, Will
from kinlens.messaging.letters import Letter, Subscription

if TYPE_CHECKING:
    from paho.mqtt.client import Client as Client  # noqa: PLC0414 - for mqtt.py
    from paho.mqtt.client import MQTTMessage as MQTTMessage  # noqa: PLC0414 - for mqtt.py
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode as ReasonCode  # noqa: PLC0414 - for mqtt.py

ENVELOPE = 1024
"""Bytes of a packet beside its payload at most."""

READ_AHEAD = 32
"""Messages on their way here, which wait where no echo tells of it; with a round trip of 0.3 s it
lets 100 come in a second."""

KEEP_ALIVE = 15
CONNECT_TIMEOUT = 5.0


def import_paho() -> Any:
    """The client of paho; `MissingDependency` without the extra."""
    try:
        from paho.mqtt import client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingDependency(
            "MQTT needs the extra \"live\": pip install 'kinlens[live]'."
        ) from error
    return client


def make_client(
    address: Address, context: ssl.SSLContext | None, client_id: str, will: Will | None
) -> Client:
    """A client of MQTT 5 that isn't connected yet, and never connects by itself."""
    mqtt = import_paho()
    client: Client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=mqtt.MQTTv5,
        reconnect_on_failure=False,
    )
    client.connect_timeout = CONNECT_TIMEOUT
    if address.user is not None:
        client.username_pw_set(address.user, address.password)
    if context is not None:
        client.tls_set_context(context)
    if will is not None:
        client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
    return client


def connect(client: Client, address: Address) -> None:
    """Begin a new session; `OSError` or `ValueError` where there is no broker."""
    limits = {"ReceiveMaximum": READ_AHEAD, "MaximumPacketSize": MAX_PAYLOAD + ENVELOPE}
    client.connect(
        address.host,
        address.port,
        keepalive=KEEP_ALIVE,
        clean_start=True,
        properties=_properties("CONNECT", **limits),
    )


def post(client: Client, letter: Letter) -> int:
    """Send a message, and give the number by which it will be acknowledged."""
    left = letter.until - time.monotonic()
    expiry = {} if left == math.inf else {"MessageExpiryInterval": max(1, math.ceil(left))}
    return client.publish(
        letter.topic,
        letter.payload,
        qos=1,
        retain=letter.retain,
        properties=_properties("PUBLISH", **expiry),
    ).mid


def ask_for(client: Client, wanted: Sequence[Subscription], *, kept: bool = True) -> None:
    """Subscribe; to what is kept as well, unless told otherwise."""
    from paho.mqtt.subscribeoptions import SubscribeOptions  # noqa: PLC0415

    for each in wanted:
        # Some brokers send what is retained to a group, though they must not.
        retained = 0 if kept and not each.group else SubscribeOptions.RETAIN_DO_NOT_SEND
        # The flag tells what was kept from what is published now, retained or not.
        options = SubscribeOptions(qos=1, retainAsPublished=False, retainHandling=retained)
        client.subscribe(each.filter, options=options)


def has_more(client: Client) -> bool:
    """Whether there is something to read at once."""
    socket = client.socket()
    if socket is None:
        return False
    if isinstance(socket, ssl.SSLSocket) and socket.pending():
        return True
    try:
        return bool(select.select([socket], [], [], 0)[0])
    except (OSError, ValueError):  # it was closed meanwhile
        return False


def cut(client: Client) -> None:
    """Let go of a client's callbacks: it ends at once, sockets and all, not at some collection."""
    for name in ("on_connect", "on_subscribe", "on_publish", "on_message", "on_disconnect"):
        setattr(client, name, None)


def _properties(kind: str, **values: int) -> Properties:
    from paho.mqtt.packettypes import PacketTypes  # noqa: PLC0415
    from paho.mqtt.properties import Properties  # noqa: PLC0415

    properties = Properties(getattr(PacketTypes, kind))  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
