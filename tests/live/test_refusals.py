"""A camera that forgot its key is shown as refused; nobody can show that of one that signs."""

from __future__ import annotations

import pytest

from kinlens.live import refusals
from kinlens.live.refusals import MOST, Refusals


def test_strangers_are_shown_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Refusals(8)
    assert all(shown.is_shown(f"stranger-{number}") for number in range(MOST))
    assert not shown.is_shown("one more")
    assert shown.is_shown("stranger-0")
    monkeypatch.setattr(refusals, "FORGET", -1.0)
    assert shown.is_shown("one more")


def test_one_that_signs_isnt_until_it_has_been_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Refusals(8)
    shown.signed("door")
    assert not shown.is_shown("door")
    monkeypatch.setattr(refusals, "TRUST", -1.0)
    assert shown.is_shown("door")


def test_those_that_sign_are_bounded_and_leave_the_strangers() -> None:
    shown = Refusals(2)
    for number in range(MOST):
        shown.is_shown(str(number))
    shown.signed("0")
    assert shown.is_shown("in its place")
    shown.signed("a")
    shown.signed("b")
    assert len(shown._signed) == 2
