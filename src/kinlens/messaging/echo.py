"""How long messages wait at a broker before they are read, found by sending oneself some.

Brokers keep what comes first, and refuse what comes when a queue is full. So a client that can't
keep up reads ever what is old, and the only way to be rid of a queue is to connect anew.
"""

from __future__ import annotations

import logging
import math
import secrets
import threading
from collections import deque

from kinlens.messaging.base import Message

log = logging.getLogger("kinlens.messaging")

TOPIC = "kinlens-echo/"
EVERY = 0.05
"""Seconds between two of them."""

MOST = 256
"""That aren't back, at most; a broker that is away for long gives none back."""

KEPT_AGAIN = 5.0
"""Seconds after something was passed over until what is kept at the broker is asked for again."""

COMPLAIN = 60.0
"""Seconds between two lines in the log about what was passed over."""

TIMES = 3
WITHIN = 10.0
"""So often in so many seconds isn't a hiccup any more, and is told."""


class Echo:
    """What a client sends to itself. Thread-safe.

    It queues at the broker with what others send, so it tells how old that is by this machine's own
    clock; and one that isn't back yet tells it too. A broker that gives none back, since it doesn't
    let the client publish, tells nothing.

    Parameters
    ----------
    limit : seconds for which messages may wait
    place : of the broker, for the log
    client : its id, which makes a topic that no other sends on
    """

    def __init__(self, limit: float, place: object, client: str) -> None:
        self.topic = TOPIC + client
        self.passed_over = 0
        self.muted = False
        self._limit = limit
        self._place = place
        self._lock = threading.Lock()
        self._away: deque[tuple[bytes, float]] = deque(maxlen=MOST)
        self._answered = False
        self._trusted = False
        self._ask_at = math.inf
        self._lately = deque([-math.inf] * TIMES, maxlen=TIMES)
        self._complained_at = -math.inf

    def begin(self) -> None:
        """There is a new connection, at which nothing waits."""
        with self._lock:
            self._trusted, self._answered = self._answered, False
            self._away.clear()
            self.muted = False

    def send(self, now: float) -> bytes:
        """The payload of one that is sent at a monotonic time."""
        payload = secrets.token_bytes(8)
        with self._lock:
            self._away.append((payload, now))
        return payload

    def heard(self, message: Message) -> None:
        """One came back: all before it have come, or won't."""
        with self._lock:
            if not any(message.payload == sent for sent, _ in self._away):
                return
            self._answered = True
            while self._away.popleft()[0] != message.payload:
                pass

    def refused(self) -> str:
        """The broker took a message of this client for nothing; says so if it was one of these."""
        with self._lock:
            if self._answered:
                return ""
            self.muted = True
            self._away.clear()
        return (
            f"The broker {self._place} doesn't let us write to {TOPIC}+, which tells how long "
            "messages wait there: when more come than can be read, old ones will be. Let us read "
            "and write it."
        )

    def lag(self, now: float) -> float:
        """Seconds for which what is read now has waited, at least; 0 if that can't be told."""
        with self._lock:
            known = self._away and (self._answered or self._trusted)
            return now - self._away[0][1] if known else 0.0

    def is_too_late(self, now: float) -> bool:
        """Whether what waits has to be passed over; notes it if so."""
        lag = self.lag(now)
        if lag <= self._limit:
            return False
        self.passed_over += 1
        self._ask_at = min(self._ask_at, now + KEPT_AGAIN)
        self._lately.append(now)
        if now - self._lately[0] < WITHIN and now - self._complained_at >= COMPLAIN:
            self._complained_at = now
            log.warning(
                "More comes by the broker %s than can be read in time: what had waited for %.1f s "
                "was passed over for what is newer. Let one more of the same group share the "
                "work, or let less be sent.",
                self._place,
                lag,
            )
        return True

    def misses_kept(self, now: float) -> bool:
        """Whether it is time to ask for what is kept: what was passed over may have changed it."""
        if now < self._ask_at:
            return False
        self._ask_at = math.inf
        return True
