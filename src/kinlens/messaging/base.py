"""The seam for message buses: publish and subscribe by topic, as MQTT has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from kinlens.errors import InvalidInput

MAX_TOPIC = 256
MAX_PAYLOAD = 262_144
"""Bytes of the largest message that a bus takes, out or in."""

MAX_WAITING = 64
"""Messages that wait to be sent at most; beyond it the oldest is dropped."""


@dataclass(frozen=True, slots=True)
class Message:
    """What came on a topic.

    Parameters
    ----------
    topic, payload : as published
    kept : it was published before, at a time not known, and retained for those who subscribe later
    """

    topic: str
    payload: bytes
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Will:
    """What the bus publishes for a client that goes without a goodbye.

    Parameters
    ----------
    topic, payload : as published
    retain : kept for those who subscribe later
    """

    topic: str
    payload: bytes
    retain: bool = True


Handler: TypeAlias = Callable[[Message], None]


class Bus(Protocol):
    """One client of a bus. Thread-safe.

    It connects, and reconnects for ever, by itself. Messages arrive at least once: a message may
    come twice. Handlers run one at a time in a thread of the bus and should be quick; one that
    raises is logged, counted, and spoils only its own message.
    """

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry: float | None = None
    ) -> None:
        """Send a message when there is a connection; returns at once.

        Parameters
        ----------
        topic : without wildcards
        payload : at most `MAX_PAYLOAD` bytes
        retain : keep it for those who subscribe later; an empty payload removes what is kept
        expiry : seconds after which it is of no use any more and dropped

        Raises
        ------
        InvalidInput : a topic or a payload that can't be sent
        """

    def subscribe(
        self, topics: Sequence[str], handler: Handler, *, group: str | None = None
    ) -> None:
        """Call the handler with what comes on topics, now and after each reconnection.

        Parameters
        ----------
        topics : with the wildcards + (one level) and # (the rest); no two subscriptions of one
            client overlap
        handler : gets each message; of those kept on a topic, only without a group
        group : subscribers of one group share its messages, each goes to one of them
        """

    @property
    def connected(self) -> bool:
        """Whether it is connected and all subscriptions stand."""

    @property
    def dropped(self) -> int:
        """Messages that were not sent, since they waited too long or too many did."""

    @property
    def failed(self) -> int:
        """Messages whose handler raised."""

    def close(self) -> None:
        """Send what waits, if that goes quickly, and leave with a goodbye: no will is published."""


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic is one of those that a pattern with wildcards stands for."""
    wanted, levels = pattern.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] != levels[0]:
        return False  # wildcards leave topics alone that a broker keeps for itself
    for place, name in enumerate(wanted):
        if name == "#":
            return True
        if place == len(levels) or name not in {"+", levels[place]}:
            return False
    return len(wanted) == len(levels)


def check_message(topic: str, payload: bytes) -> None:
    """Raise `InvalidInput` for a topic with wildcards or a payload over the limit."""
    if not topic or len(topic) > MAX_TOPIC or any(sign in topic for sign in "+#\0"):
        raise InvalidInput(
            f"A topic to publish on has 1 to {MAX_TOPIC} characters and no +, # or NUL; "
            f"got {topic!r:.80}."
        )
    if len(payload) > MAX_PAYLOAD:
        raise InvalidInput(
            f"A message has at most {MAX_PAYLOAD} bytes; got {len(payload)}. Send a smaller "
            "picture."
        )


def check_pattern(pattern: str) -> None:
    """Raise `InvalidInput` for a topic that can't be subscribed to."""
    levels = pattern.split("/")
    good = all(level in {"+", "#"} or not set("+#\0") & set(level) for level in levels)
    if not pattern or len(pattern) > MAX_TOPIC or not good or "#" in levels[:-1]:
        raise InvalidInput(
            "A topic to subscribe to has + for one whole level, or # for all the rest at its end; "
            f"got {pattern!r:.80}."
        )
