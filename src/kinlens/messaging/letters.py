"""What a client of a broker wants: messages to be sent, and topics to be heard."""

from __future__ import annotations

from dataclasses import dataclass

from kinlens.messaging.base import Handler


@dataclass(slots=True)
class Letter:
    """A message that waits to be sent, until a monotonic time."""

    topic: str
    payload: bytes
    retain: bool
    until: float
    attempts: int = 0

    @property
    def size(self) -> int:
        """Bytes of topic and payload."""
        return len(self.topic.encode()) + len(self.payload)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is asked of the broker, and who gets it."""

    pattern: str
    handler: Handler
    group: str | None

    @property
    def filter(self) -> str:
        """As MQTT 5 names it."""
        return f"$share/{self.group}/{self.pattern}" if self.group else self.pattern
