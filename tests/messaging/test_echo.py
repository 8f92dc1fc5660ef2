"""How long messages wait is told by what a client sends to itself."""

from __future__ import annotations

import logging

import pytest

from kinlens.messaging import Message, echo
from kinlens.messaging.echo import Echo


@pytest.fixture
def own() -> Echo:
    made = Echo(0.5, "a broker", "me")
    made.begin()
    return made


def back(own: Echo, payload: bytes) -> None:
    own.heard(Message(own.topic, payload))


def test_the_oldest_that_isnt_back_tells(own: Echo) -> None:
    back(own, own.send(10.0))
    assert own.lag(11.0) == 0
    own.send(12.0)
    second = own.send(12.5)
    own.send(13.0)
    assert own.lag(14.0) == pytest.approx(2.0)
    back(own, second)  # the one before it was refused, since the queue was full
    assert own.lag(14.0) == pytest.approx(1.0)


def test_a_broker_that_gives_none_back_tells_nothing(own: Echo) -> None:
    for number in range(2 * echo.MOST):
        own.send(float(number))
    assert own.lag(1e6) == 0
    assert not own.is_too_late(1e6)


def test_what_others_send_tells_nothing(own: Echo) -> None:
    own.send(10.0)
    back(own, b"forged")
    assert own.lag(99.0) == 0


def test_a_new_connection_begins_anew_and_is_trusted_once(own: Echo) -> None:
    back(own, own.send(10.0))
    own.send(11.0)
    own.begin()
    assert own.lag(20.0) == 0
    own.send(20.0)
    assert own.is_too_late(20.6)
    own.begin()
    own.send(21.0)
    assert not own.is_too_late(99.0)


def test_a_hiccup_isnt_told_but_what_goes_on_is(
    own: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    now = 0.0
    for gap in (1.0, 100.0, 100.0, 1.0, 1.0, 1.0, 1.0):
        now += gap
        back(own, own.send(now))
        own.send(now)
        assert own.is_too_late(now + 0.6)
        own.begin()
    assert own.passed_over == 7
    assert [record.message[:28] for record in caplog.records] == ["More comes by the broker a b"]


def test_what_is_kept_is_asked_for_some_time_after(own: Echo) -> None:
    back(own, own.send(10.0))
    assert not own.misses_kept(1e6)
    own.send(10.0)
    assert own.is_too_late(11.0)
    assert not own.misses_kept(11.1)
    assert own.misses_kept(11.0 + echo.KEPT_AGAIN)
    assert not own.misses_kept(1e6)


def test_a_refusal_mutes_until_the_next_connection(own: Echo) -> None:
    own.send(10.0)
    assert "kinlens-echo/+" in own.refused()
    assert own.muted
    own.begin()
    assert not own.muted
    back(own, own.send(11.0))
    assert own.refused() == ""
    assert not own.muted
