"""Whether Redis can be used: what its errors mean, and what is logged about it."""

from __future__ import annotations

import logging
import re
import threading

log = logging.getLogger("kinlens.live")

ELSEWHERE = frozenset({"READONLY", "MASTERDOWN", "CLUSTERDOWN", "LOADING", "MOVED", "ASK"})
"""Codes after which another server may answer at the same address: connect again."""

WHOLE = ELSEWHERE | {
    "OOM", "MISCONF", "NOREPLICAS", "TRYAGAIN", "BUSY", "NOAUTH", "WRONGPASS", "NOPERM",
}  # fmt: skip
"""Codes that refuse every write alike, so that the same write is tried again later."""

ADVICE = {
    "READONLY": (
        "It is a replica, which takes no writes. After a failover, let the address of live_store "
        "lead to the new primary"
    ),
    "MASTERDOWN": "It is a replica that has lost its primary",
    "CLUSTERDOWN": "Its cluster has no majority",
    "LOADING": "It reads its data from the disk",
    "MOVED": "It is one node of a cluster; name a Redis that isn't, or the node that is meant",
    "ASK": "It is one node of a cluster; name a Redis that isn't, or the node that is meant",
    "OOM": "Its memory is full. Raise its maxmemory, or lower live_history or live_max_devices",
    "MISCONF": "It can't write to its disk. Free some space there, or switch its snapshots off",
    "NOREPLICAS": "It has fewer replicas than its min-replicas-to-write",
    "TRYAGAIN": "Its cluster moves data from node to node",
    "BUSY": "A script of another client runs there",
    "NOAUTH": "It wants a password. Put it into live_store: redis://:PASSWORD@host",
    "WRONGPASS": "User and password in live_store aren't those of this Redis",
    "NOPERM": (
        "The user in live_store lacks rights. It needs @read, @write, @scripting, @pubsub and "
        "@connection on the keys and channels {kinlens}:live:*"
    ),
}

_BY_CLASS = {
    "ReadOnlyError": "READONLY",
    "MasterDownError": "MASTERDOWN",
    "ClusterDownError": "CLUSTERDOWN",
    "BusyLoadingError": "LOADING",
    "MovedError": "MOVED",
    "AskError": "ASK",
    "OutOfMemoryError": "OOM",
    "TryAgainError": "TRYAGAIN",
    "NoPermissionError": "NOPERM",
}
# A script of Redis 6 reports an error of its commands behind one of its own.
_CODES = re.compile(rf"\b({'|'.join(sorted(WHOLE))})\b")


def code_of(error: BaseException) -> str:
    """The code of an error that Redis answered, such as "READONLY"; "" without a known one."""
    code = getattr(error, "status_code", None) or _BY_CLASS.get(type(error).__name__)
    if code in WHOLE:
        return str(code)
    if found := _CODES.search(str(error)):
        return found[1]
    if type(error).__name__ != "AuthenticationError":
        return ""
    return "NOAUTH" if "required" in str(error).lower() else "WRONGPASS"


class Health:
    """Whether Redis answers and takes writes; logs each change. Thread-safe.

    Parameters
    ----------
    place : of Redis, for the log
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._said: set[str] = set()
        self._muted = False
        self.is_up = False
        self._refusal: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why views don't get to Redis, in a word or a code; None if they do."""
        if self._refusal is not None:
            return self._refusal or "refused"
        return None if self.is_up else "away"

    def mute(self) -> None:
        """Log nothing from now on: what is closed loses its connections."""
        self._muted = True

    def answered(self) -> None:
        """Redis has answered; whether it takes writes is told by `wrote`."""
        with self._lock:
            back = not self.is_up and self._refusal is None
            self.is_up = True
            self._recover(back)

    def wrote(self) -> None:
        """Redis has taken all that was written."""
        with self._lock:
            back = not self.is_up or bool(self._refusal)
            self.is_up, self._refusal = True, None
            self._recover(back)

    def lost(self, error: Exception) -> None:
        """There was no answer, or none that a connection can go on with."""
        with self._lock:
            self.is_up = False
            self._say(error, "away")

    def refused(self, error: Exception) -> None:
        """Redis has refused a write."""
        with self._lock:
            self._refusal = code_of(error)
            self._say(error)

    def puzzled(self, error: Exception) -> None:
        """Redis has refused a question."""
        with self._lock:
            self._say(error)

    def _recover(self, back: bool) -> None:
        if back and self._said and not self._muted:
            log.warning("Redis at %s answers again.", self._place)
        if back:
            self._said.clear()

    def _say(self, error: Exception, kind: str = "") -> None:
        """Log each kind of trouble once until it is over."""
        code = code_of(error)
        if (code or kind) in self._said or self._muted:
            return
        self._said.add(code or kind)
        reason = str(error).rstrip(".")
        if code and code not in reason:
            reason = f"{code} {reason}"
        advice = f" {ADVICE[code]}." if code else ""
        log.warning("Redis at %s can't be used: %s.%s Trying again.", self._place, reason, advice)
