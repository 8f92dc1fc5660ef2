"""Views and statuses keep what they are, as JSON too."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinlens.errors import InvalidInput
from kinlens.live.types import DeviceStatus, View, check_device
from kinlens.types import Hit

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
METADATA = st.dictionaries(
    TEXT, TEXT | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.lists(TEXT, max_size=3),
    max_size=3,
)  # fmt: skip
FINITE = st.floats(allow_nan=False, allow_infinity=False)
HITS = st.builds(Hit, TEXT, FINITE, FINITE, METADATA, st.integers(1, 9999), st.integers(1, 9999))
NUMBERS = st.integers(0, 2**64 - 1)
VIEWS = st.builds(
    View, st.just("door"), NUMBERS, FINITE, FINITE, FINITE,
    st.lists(HITS, max_size=3).map(tuple), NUMBERS, NUMBERS, st.booleans(),
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(VIEWS)
def test_views_there_and_back(view: View) -> None:
    assert View.from_json(view.to_json()) == view
    with_picture = View.from_json(view.to_json(), b"jpeg")
    assert with_picture.picture == b"jpeg"
    assert b"jpeg" not in with_picture.to_json()


def test_statuses_there_and_back() -> None:
    status = DeviceStatus("door", "error", 5.5, 14.5, "abc", "broken \u00e9")
    assert DeviceStatus.from_json(status.to_json()) == status


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"hits": 3}', b'{"hits": [{}]}', b"[" * 9999]
)
def test_what_isnt_a_view(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        View.from_json(data)
    with pytest.raises(InvalidInput):
        DeviceStatus.from_json(data)


def test_keys_tell_the_best_hit_and_the_set_of_the_others() -> None:
    def key(*ids: str) -> str:
        return View("d", 1, 0, 0, 0, tuple(Hit(one, 1, 0, {}, 1, 1) for one in ids)).key

    assert key("a", "b", "c") == key("a", "c", "b")
    assert key("a", "b", "c") != key("b", "a", "c")
    assert key("a", "b") != key("a")
    assert key() == key()


@pytest.mark.parametrize("device", ["", "a b", "a/b", "x" * 65, "caf\u00e9", "a\n", "\u0661", 3])
def test_ids_of_no_device(device: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 64"):
        check_device(device)
