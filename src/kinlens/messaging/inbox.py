"""What has come from a broker, on its way to those who asked for it."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence

from kinlens.messaging.base import Message, matches
from kinlens.messaging.letters import Subscription

log = logging.getLogger("kinlens.messaging")

MAX_HELD = 1024
"""Topics of which a message is held back at most; beyond it the oldest is passed over."""


class Inbox:
    """Hands messages to the handlers of their topics, in the thread that calls.

    In haste, of each topic only the newest is held back for later: that takes less time, and a
    topic on which little comes loses nothing to one on which much does.

    Parameters
    ----------
    subscriptions : may grow
    """

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self.failed = 0
        self.passed_over = 0
        self._subscriptions = subscriptions
        self._held: OrderedDict[str, Message] = OrderedDict()

    def take(self, message: Message, *, in_haste: bool = False) -> None:
        """Handle a message and what is held back, or hold it back."""
        if not in_haste:
            self.hand_out()
            self._handle(message)
            return
        self.passed_over += self._held.pop(message.topic, None) is not None
        self._held[message.topic] = message
        if len(self._held) > MAX_HELD:
            self._held.popitem(last=False)
            self.passed_over += 1

    @property
    def holds(self) -> int:
        """Messages that are held back."""
        return len(self._held)

    def hand_out(self) -> None:
        """Handle what is held back."""
        while self._held:
            self._handle(self._held.popitem(last=False)[1])

    def _handle(self, message: Message) -> None:
        try:
            for each in list(self._subscriptions):
                if matches(each.pattern, message.topic):
                    each.handler(message)
        except Exception:  # one bad message must not end the connection
            self.failed += 1
            log.exception("A message couldn't be handled")
