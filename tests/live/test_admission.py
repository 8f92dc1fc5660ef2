"""Devices are let in at their rate, and strangers slowly."""

from __future__ import annotations

import pytest

from kinlens.live.admission import NEW_DEVICES, Admission


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its only value is the time."""
    now = [100.0]
    monkeypatch.setattr("kinlens.live.admission.time.monotonic", lambda: now[0])
    return now


def admitted(admission: Admission, device: str, count: int) -> int:
    return sum(admission.admit(device) for _ in range(count))


def test_a_burst_and_then_the_rate(clock: list[float]) -> None:
    admission = Admission(rate=10, devices=5)
    assert admitted(admission, "door", 100) == 20
    clock[0] += 0.5
    assert admitted(admission, "door", 100) == 5
    clock[0] += 1000
    assert admitted(admission, "door", 100) == 20


def test_a_device_that_floods_takes_nothing_from_the_others(clock: list[float]) -> None:
    admission = Admission(rate=10, devices=5)
    admitted(admission, "flood", 1000)
    assert admitted(admission, "door", 10) == 10


def test_less_than_one_a_second(clock: list[float]) -> None:
    admission = Admission(rate=0.1, devices=5)
    assert admitted(admission, "door", 5) == 1
    clock[0] += 10
    assert admitted(admission, "door", 5) == 1


def test_invented_devices_dont_drive_out_those_in_use(clock: list[float]) -> None:
    admission = Admission(rate=1, devices=50)
    assert admitted(admission, "door", 2) == 2
    strangers = 0
    for second in range(60):
        strangers += sum(admission.admit(f"{second}-{number}") for number in range(500))
        clock[0] += 1
        assert admission.admit("door")
    assert strangers <= 50 + 60 * NEW_DEVICES
    assert len(admission._buckets) == 50


def test_the_one_not_heard_of_for_the_longest_is_forgotten(clock: list[float]) -> None:
    admission = Admission(rate=0.5, devices=2)
    assert admission.admit("a")
    assert not admission.admit("a")
    clock[0] += 0.1
    for other in ("b", "c"):
        assert admission.admit(other)
    assert not admission.admit("a") or "b" not in admission._buckets
