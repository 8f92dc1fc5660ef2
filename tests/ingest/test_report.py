"""Counts, and an estimate of what is left."""

from __future__ import annotations

import json

import pytest

from kinlens.ingest.report import SHOWN_FAILURES, Pace, Progress, Report
from kinlens.types import Outcome


def test_outcomes_are_counted_and_only_some_failures_kept():
    report = Report()
    report.count([Outcome("a", "indexed"), Outcome("b", "unchanged")])
    report.count([Outcome(str(n), "failed", "why") for n in range(SHOWN_FAILURES + 5)])
    assert (report.indexed, report.unchanged, report.failed) == (1, 1, SHOWN_FAILURES + 5)
    assert report.done == SHOWN_FAILURES + 7
    assert len(report.failures) == SHOWN_FAILURES
    assert json.loads(json.dumps(report.to_dict()))["failed"] == SHOWN_FAILURES + 5


def test_the_pace_is_told_now_and_then_with_what_is_left(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("kinlens.ingest.report.time.monotonic", lambda: now[0])
    seen: list[Progress] = []
    pace = Pace(seen.append, 1000)
    report = Report()
    for _ in range(40):
        now[0] += 0.05
        report.indexed += 5
        pace.tell(report)
    assert 13 <= len(seen) <= 21
    assert seen[-1].rate == pytest.approx(100, rel=0.05)
    assert seen[-1].seconds_left == pytest.approx(8, rel=0.1)
    report.failed = 2
    pace.tell(report, last=True)
    assert seen[-1].failed == 2
    quiet = Pace(None, 5)
    quiet.tell(report, last=True)
