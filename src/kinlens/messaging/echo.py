"""How long messages wait before they are read, found by sending oneself some.

What a client sends to itself is acknowledged at once, and comes back behind all that waits for this
client. It waits in two places. At the broker: that is the time from the acknowledgment to the echo.
And in the connection, where Mosquitto puts more than it is asked to: that is the time by which the
echo takes longer than the quickest did, if all the while there was something to read; for else it
is the way that is long, not the queue. So neither a far broker nor a link that stutters is mistaken
for a queue, and a process that was held up isn't behind any more once it has read what came.
"""

from __future__ import annotations

import logging
import math
import secrets
import threading
from collections import deque
from dataclasses import dataclass

log = logging.getLogger("kinlens.messaging")

TOPIC = "kinlens-echo/"
EVERY = 0.05
"""Seconds between two of them at least; while nothing else comes, none is sent."""

UNHEARD = 50
"""Sent in a row of which none comes back: then the broker lets none through."""

PATIENCE = 2.0
"""Times the limit, beside a round trip: so long what waits is read in haste before it is left."""

HOPELESS = 5.0
"""Seconds after a queue was left in which the next is left without haste, which was of no use."""

KEPT_AGAIN = 5.0
"""Seconds after a queue was left until what is kept at the broker is asked for again."""

COMPLAIN = 60.0
"""Seconds between two lines in the log about what was left."""

TIMES = 3
WITHIN = 10.0
"""So often in so many seconds isn't a hiccup any more, and is told."""


@dataclass(slots=True)
class _Away:
    """One that isn't back: monotonic seconds of when it left and was acknowledged."""

    left: float
    taken: float = math.inf


class Echo:
    """What a client sends to itself. Thread-safe; all times are monotonic seconds.

    Parameters
    ----------
    limit : seconds for which messages may wait
    place : of the broker, for the log
    client : its id, which makes a topic that no other sends on
    """

    def __init__(self, limit: float, place: object, client: str) -> None:
        self.topic = TOPIC + client
        self.muted = False
        self.times_left = 0
        self._limit = limit
        self._place = place
        self._lock = threading.Lock()
        self._away: dict[bytes, _Away] = {}
        self._sent_at = -math.inf
        self._unheard = 0
        self._answered = False
        self._quickest = math.inf
        self._idle_at = -math.inf
        self._behind_since: float | None = None
        self._ask_at = math.inf
        self._lately = deque([-math.inf] * TIMES, maxlen=TIMES)
        self._complained_at = -math.inf

    def begin(self) -> None:
        """There is a new connection, at which nothing waits."""
        with self._lock:
            self._away.clear()
            self._behind_since = None

    def next(self, now: float) -> bytes | None:
        """The payload of one to send now; None if it isn't time for one."""
        with self._lock:
            if self.muted or now - self._sent_at < EVERY:
                return None
            if self._unheard == UNHEARD:
                self._mute()
                return None
            self._sent_at = now
            self._unheard += 1
            payload = secrets.token_bytes(8)
            self._away[payload] = _Away(now)
            return payload

    def taken(self, payload: bytes, now: float) -> None:
        """The broker has acknowledged one."""
        with self._lock:
            if (one := self._away.get(payload)) is not None:
                one.taken = now

    def refused(self) -> None:
        """The broker lets this client write none."""
        with self._lock:
            self._mute()

    def heard(self, payload: bytes, now: float) -> bool:
        """One came back: all before it have come, or won't. Gives whether we are still behind."""
        with self._lock:
            if payload not in self._away:
                return self._behind_since is not None
            self._answered, self._unheard = True, 0
            for sent in list(self._away):
                one = self._away.pop(sent)
                if sent == payload:
                    break
            trip = now - one.left
            self._quickest = min(self._quickest, trip)
            if max(now - one.taken, trip - self._quickest) <= self._limit / 2:
                self._behind_since = None
            return self._behind_since is not None

    def lag(self, now: float) -> float:
        """Seconds for which what is read now has waited; 0 if that can't be told."""
        with self._lock:
            return self._lag(now)

    def is_behind(self, now: float, *, more: bool) -> bool:
        """Whether what is read has waited for too long, and we haven't caught up since.

        Parameters
        ----------
        more : whether there is more to read at once
        """
        with self._lock:
            if not more:
                self._idle_at = now
            if self._lag(now) > self._limit:
                self._behind_since = self._behind_since or now
            elif not more:
                self._behind_since = None
            return self._behind_since is not None

    def gives_up(self, now: float) -> bool:
        """Whether what waits is more than can be read, even in haste; notes it if so."""
        with self._lock:
            since, lag = self._behind_since, self._lag(now)
            if since is None or now - since <= self._patience(now) or lag <= self._limit:
                return False
            self.times_left += 1
            self._ask_at = min(self._ask_at, now + KEPT_AGAIN)
            self._lately.append(now)
        self._complain(now, lag)
        return True

    def misses_kept(self, now: float) -> bool:
        """Whether it is time to ask for what is kept: what was left may have changed it."""
        if now < self._ask_at:
            return False
        self._ask_at = math.inf
        return True

    def _lag(self, now: float) -> float:
        if not self._answered or not self._away:
            return 0.0
        at_broker = now - min(one.taken for one in self._away.values())
        left = next(iter(self._away.values())).left
        on_the_way = now - left - self._quickest if left >= self._idle_at else 0.0
        return max(0.0, at_broker, on_the_way)

    def _patience(self, now: float) -> float:
        if now - self._lately[-1] < HOPELESS:
            return 0.0
        return PATIENCE * self._limit + (0.0 if self._quickest == math.inf else self._quickest)

    def _mute(self) -> None:
        if self.muted:
            return
        self.muted = True
        self._behind_since = None
        self._away.clear()
        log.warning(
            "The broker %s doesn't let us write and read %s+, which tells how long messages wait "
            "there: when more come than can be read, old ones will be. Let us do both, and start "
            "anew.",
            self._place,
            TOPIC,
        )

    def _complain(self, now: float, lag: float) -> None:
        if now - self._lately[0] < WITHIN and now - self._complained_at >= COMPLAIN:
            self._complained_at = now
            log.warning(
                "More comes by the broker %s than can be read in time: what had waited for %.1f s "
                "was passed over for what is newer. Let one more of the same group share the "
                "work, or let less be sent.",
                self._place,
                lag,
            )
