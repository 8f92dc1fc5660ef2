"""In haste, of each topic the newest is held back, and nothing of another is lost for it."""

from __future__ import annotations

import pytest

from kinlens.messaging import Message
from kinlens.messaging.inbox import MAX_HELD, Inbox
from kinlens.messaging.letters import Subscription


@pytest.fixture
def seen() -> list[tuple[str, bytes]]:
    return []


@pytest.fixture
def inbox(seen: list[tuple[str, bytes]]) -> Inbox:
    def note(message: Message) -> None:
        if message.payload == b"bad":
            raise ValueError
        seen.append((message.topic, message.payload))

    return Inbox([Subscription("seen/+", note, "g"), Subscription("other/#", note, None)])


def test_without_haste_each_is_handled_at_once(inbox: Inbox, seen: list[tuple[str, bytes]]) -> None:
    for topic in ("seen/a", "other/a/b", "nobody"):
        inbox.take(Message(topic, b"1"))
    assert seen == [("seen/a", b"1"), ("other/a/b", b"1")]


def test_in_haste_the_newest_of_each_topic_waits_for_its_end(
    inbox: Inbox, seen: list[tuple[str, bytes]]
) -> None:
    inbox.take(Message("seen/seldom", b"one"), in_haste=True)
    for number in range(9):
        inbox.take(Message("seen/often", b"%d" % number), in_haste=True)
    assert not seen
    inbox.take(Message("seen/often", b"last"))
    assert seen == [("seen/seldom", b"one"), ("seen/often", b"8"), ("seen/often", b"last")]
    assert inbox.passed_over == 8
    inbox.hand_out()
    assert len(seen) == 3


def test_what_is_held_back_has_a_bound(inbox: Inbox, seen: list[tuple[str, bytes]]) -> None:
    for number in range(MAX_HELD + 5):
        inbox.take(Message(f"seen/{number}", b""), in_haste=True)
    inbox.hand_out()
    assert [topic for topic, _ in seen] == [f"seen/{number}" for number in range(5, MAX_HELD + 5)]
    assert inbox.passed_over == 5


def test_one_that_fails_spoils_no_other(inbox: Inbox, seen: list[tuple[str, bytes]]) -> None:
    inbox.take(Message("seen/a", b"bad"), in_haste=True)
    inbox.take(Message("seen/b", b"good"), in_haste=True)
    inbox.hand_out()
    assert seen == [("seen/b", b"good")]
    assert inbox.failed == 1
