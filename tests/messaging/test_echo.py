"""How long messages wait is told by what a client sends to itself."""

from __future__ import annotations

import logging

import pytest

from kinlens.messaging import echo
from kinlens.messaging.echo import EVERY, KEPT_AGAIN, PATIENCE, UNHEARD, Echo

LIMIT = 0.5


@pytest.fixture
def own() -> Echo:
    """One of which an echo has come back."""
    made = Echo(LIMIT, "a broker", "me")
    made.begin()
    send(made, 0.0, taken=0.0, heard=0.0)
    return made


def send(own: Echo, now: float, *, taken: float | None = None, heard: float | None = None) -> bytes:
    payload = own.next(now)
    assert payload is not None
    if taken is not None:
        own.taken(payload, taken)
    if heard is not None:
        own.heard(payload, heard)
    return payload


def test_the_time_at_the_broker_tells_and_not_the_way_there_and_back(own: Echo) -> None:
    payload = send(own, 10.0)
    assert not own.is_behind(13.0, more=False)
    own.taken(payload, 13.0)
    assert own.lag(13.4) == pytest.approx(0.4)
    assert not own.is_behind(13.4, more=True)
    assert not own.heard(payload, 13.4)
    assert own.lag(99.0) == 0


def test_the_time_in_the_connection_tells_while_there_is_more_to_read(own: Echo) -> None:
    send(own, 10.0)
    assert own.lag(10.6) == pytest.approx(0.6)
    assert own.is_behind(10.6, more=True)
    assert not own.is_behind(10.7, more=False)
    assert own.lag(99.0) == 0


def test_one_that_leaves_as_soon_as_all_is_read_tells_too(own: Echo) -> None:
    own.is_behind(10.0, more=False)
    send(own, 10.0)
    assert own.is_behind(10.6, more=True)


def test_the_quickest_echo_tells_how_long_the_way_is() -> None:
    own = Echo(LIMIT, "a broker", "me")
    send(own, 10.0, heard=12.0)
    send(own, 20.0, heard=21.5)
    send(own, 30.0)
    own.begin()
    send(own, 30.1)
    assert own.lag(32.0) == pytest.approx(0.4)
    assert own.is_behind(32.2, more=True)


def test_one_that_is_back_before_it_is_acknowledged(own: Echo) -> None:
    payload = send(own, 10.0)
    assert not own.heard(payload, 13.0)
    own.taken(payload, 13.0)
    assert own.lag(99.0) == 0


def test_one_that_comes_back_tells_of_those_before(own: Echo) -> None:
    send(own, 12.0, taken=12.0)
    second = send(own, 12.5, taken=12.5)
    send(own, 13.0, taken=13.0)
    assert own.lag(14.0) == pytest.approx(2.0)
    own.heard(second, 14.0)  # the one before it was refused, since the queue was full
    assert own.lag(14.0) == pytest.approx(1.0)


def test_haste_ends_when_one_comes_in_time(own: Echo) -> None:
    first = send(own, 10.0, taken=10.0)
    assert not own.is_behind(10.4, more=True)
    assert own.is_behind(10.6, more=True)
    second = send(own, 10.6, taken=10.6)
    assert own.heard(first, 10.7)
    assert own.is_behind(10.7, more=True)
    assert not own.heard(second, 10.8)
    assert not own.is_behind(10.8, more=True)


def test_what_waits_is_left_when_haste_was_of_no_use(own: Echo) -> None:
    send(own, 10.0, taken=10.3)
    began = 11.0
    assert own.is_behind(began, more=True)
    patience = PATIENCE * LIMIT
    assert not own.gives_up(began + patience - 0.01)
    assert own.gives_up(began + patience + 0.01)
    own.begin()
    assert not own.is_behind(14.0, more=True)
    assert not own.gives_up(14.0)
    assert own.times_left == 1


def test_soon_after_haste_isnt_tried_again(own: Echo) -> None:
    send(own, 10.0)
    assert own.is_behind(10.6, more=True)
    assert own.gives_up(12.0)
    for start, at_once in ((12.1, True), (20.0, False)):
        own.begin()
        send(own, start)
        assert not own.gives_up(start + 0.4)
        assert own.is_behind(start + 0.6, more=True)
        assert own.gives_up(start + 0.61) is at_once


def test_a_process_that_was_held_up_leaves_nothing(own: Echo) -> None:
    payload = send(own, 10.0)
    assert own.is_behind(70.0, more=True)
    assert not own.gives_up(70.0)
    own.heard(payload, 70.1)
    assert not own.is_behind(70.1, more=False)
    assert not own.gives_up(99.0)


def test_one_at_a_time(own: Echo) -> None:
    send(own, 10.0)
    assert own.next(10.0 + 0.9 * EVERY) is None
    assert own.next(10.0 + 1.1 * EVERY) is not None


def test_what_others_send_tells_nothing(own: Echo) -> None:
    send(own, 10.0, taken=10.0)
    assert own.is_behind(11.0, more=True)
    assert own.heard(b"forged", 11.0)
    assert own.lag(11.0) == 1.0


def test_a_broker_that_gives_none_back_tells_nothing_and_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = Echo(LIMIT, "a broker", "me")
    for number in range(UNHEARD):
        own.begin()
        send(own, float(number), taken=float(number))
        assert not own.is_behind(1e6, more=True)
    for _ in range(2):
        assert own.next(1e6) is None
        own.begin()
    assert own.muted
    assert [record.message for record in caplog.records] == [caplog.records[0].message]
    assert "kinlens-echo/+" in caplog.text


def test_a_refusal_mutes_for_good(own: Echo, caplog: pytest.LogCaptureFixture) -> None:
    send(own, 10.0, taken=10.0)
    for _ in range(2):
        own.refused()
        own.begin()
    assert own.next(11.0) is None
    assert not own.is_behind(1e6, more=True)
    assert len(caplog.records) == 1


def test_a_hiccup_isnt_told_but_what_goes_on_is(
    own: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    now = 0.0
    for gap in (3.0, 100.0, 100.0, 3.0, 3.0, 3.0, 3.0):
        now += gap
        send(own, now, taken=now)
        assert own.is_behind(now + 0.6, more=True)
        assert own.gives_up(now + 1.7)
        own.begin()
    assert own.times_left == 7
    assert [record.message[:28] for record in caplog.records] == ["More comes by the broker a b"]


def test_what_is_kept_is_asked_for_some_time_after(own: Echo) -> None:
    assert not own.misses_kept(1e6)
    send(own, 10.0, taken=10.0)
    assert own.is_behind(11.0, more=True)
    assert own.gives_up(13.0)
    assert not own.misses_kept(13.1)
    assert own.misses_kept(13.0 + KEPT_AGAIN)
    assert not own.misses_kept(1e6)


def test_the_topic_is_its_own() -> None:
    assert Echo(LIMIT, "a broker", "me").topic == echo.TOPIC + "me"
