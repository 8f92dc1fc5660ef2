"""The ledger of what became of each picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.samples import create
from kinlens.catalog.ledger import STATES, Known, Ledger
from kinlens.errors import InvalidInput
from kinlens.types import Outcome


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    create(tmp_path).close()
    with Ledger.open(tmp_path) as opened:
        yield opened


def test_the_last_outcome_stays(ledger: Ledger, tmp_path: Path) -> None:
    first = Outcome("b", "failed", "is broken", "/p/b.jpg", 1.5)
    ledger.record([first, Outcome("a", "indexed", "", "/p/a.jpg", 1.0)], {"a": "h1"})
    assert ledger.rows() == [Outcome("a", "indexed", "", "/p/a.jpg", 1.0), first]
    assert ledger.known() == {
        "a": Known("h1", "/p/a.jpg", "indexed"),
        "b": Known("", "/p/b.jpg", "failed"),
    }

    ledger.record([Outcome("a", "unchanged", "", "/p/a.jpg", 2.0)])
    ledger.record([Outcome("b", "indexed", "", "/p/b.jpg", 2.0)], {"b": "h2"})
    with Ledger.open(tmp_path) as other:
        assert other.known() == {
            "a": Known("h1", "/p/a.jpg", "unchanged"),
            "b": Known("h2", "/p/b.jpg", "indexed"),
        }
    ledger.record([Outcome("a", "failed", "gone")])
    assert ledger.known()["a"] == Known("", "", "failed")
    assert ledger.counts() == {"indexed": 1, "unchanged": 0, "failed": 1, "removed": 0}
    ledger.remove(["a", "nobody"])
    assert [row.id for row in ledger.rows()] == ["b"]


def test_rows_by_state_and_in_pages(ledger: Ledger) -> None:
    ids = ["b", "a", "Z", "\u00e9", "\U0001f600", "\uffff"]
    ledger.record([Outcome(one, STATES[n % 2]) for n, one in enumerate(ids)])
    in_order = sorted(ids, key=str.encode)
    assert [row.id for row in ledger.rows()] == in_order
    assert [row.id for row in ledger.rows(after=in_order[1], limit=2)] == in_order[2:4]
    indexed = [one for one in in_order if ids.index(one) % 2 == 0]
    assert [row.id for row in ledger.rows("indexed", after=indexed[0])] == indexed[1:]
    assert ledger.rows("failed") == []


def test_what_cannot_be_recorded(ledger: Ledger) -> None:
    for wrong in (Outcome("", "failed"), Outcome("a", "lost")):
        with pytest.raises(InvalidInput):
            ledger.record([Outcome("good", "failed"), wrong])
    with pytest.raises(InvalidInput, match="A state is one of indexed, unchanged"):
        ledger.rows("lost")
    assert ledger.rows() == []
    ledger.record([Outcome("a", "failed", "bad name", "/p/\udcff.jpg")])
    assert ledger.rows()[0].reference == r"/p/\udcff.jpg"


IDS = st.sampled_from(["a", "b", "c"])
OUTCOMES = st.builds(
    Outcome, IDS, st.sampled_from(STATES), st.text(max_size=5), st.text(max_size=5), st.floats(0, 9)
)
RECORDS = st.tuples(st.lists(OUTCOMES, max_size=3), st.dictionaries(IDS, st.text("ef", min_size=1)))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=st.lists(RECORDS, max_size=5))
def test_any_history_agrees_with_a_dict(ledger: Ledger, history) -> None:
    ledger.remove(["a", "b", "c"])
    rows: dict[str, Outcome] = {}
    hashes: dict[str, str] = {}
    for outcomes, given_hashes in history:
        ledger.record(outcomes, given_hashes)
        for one in outcomes:
            kept = hashes.get(one.id, "") if one.state == "unchanged" else ""
            hashes[one.id] = given_hashes.get(one.id, kept)
            storable = one.reference.encode("utf-8", "backslashreplace").decode()
            reason = one.reason.encode("utf-8", "backslashreplace").decode()
            rows[one.id] = Outcome(one.id, one.state, reason, storable, one.at)
    assert ledger.rows() == [rows[one] for one in sorted(rows)]
    assert {one: known.content_hash for one, known in ledger.known().items()} == hashes
