"""Tables fit a terminal of any width, and ids are whole on all of them."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from kinlens.cli import common, tables

LONG = "a-very-long-identifier/that-is-longer-than/a-narrow-terminal/0005.jpg"
ITEMS = [
    ("1", {"title": "Mug", "price": 12.5, "color": "red", "tags": ["a", "b"]}),
    ("two words", {"name": "x" * 200, "price": 2**63 - 1, "sold": True}),
    ("日本/語.jpg", {"name": "とても長い名前のマグカップ" * 5}),
    ("\x1b[31mred\n", {"name": "a\tb\u202ec"}),
    (LONG, {"name": "Cup"}),
]


def printed(capsys: pytest.CaptureFixture[str], items: list = ITEMS) -> list[str]:  # type: ignore[type-arg]
    rows = [(item_id, "0.123") for item_id, _ in items]
    common.item_table({"id": "id", "score": "right"}, rows, items)
    return capsys.readouterr().out.splitlines()


def test_a_file_gets_whole_values_a_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    head, *lines = printed(capsys)
    assert head.split() == ["id", "score", "name", "title", "price", "color", "tags", "sold"]
    assert len(lines) == len(ITEMS)
    assert "x" * 200 in lines[1]
    assert f"{2**63 - 1}" in lines[1]
    assert lines[1].endswith("yes")
    assert lines[3].startswith(r"\x1b[31mred\n ")
    assert r"a\tb\u202ec" in lines[3]
    assert lines[4].startswith(LONG)
    places = {line.index("0.123") + cell_len(line) - len(line) for line in lines[:2]}
    assert len(places) == 1


@pytest.mark.parametrize("width", [20, 40, 80, 120, 500])
def test_ids_are_whole_on_terminals_of_any_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(tables, "terminal_width", lambda: width)
    lines = printed(capsys)
    text = "\n".join(lines)
    for item_id in ("two words", "日本/語.jpg", r"\x1b[31mred\n", LONG):
        assert item_id in text
    for line in lines:
        if LONG not in line and "Not shown" not in line:
            assert cell_len(line) <= width
    names = ["id", "score", "name", "title", "price", "color", "tags", "sold"]
    told = next((line for line in lines if line.startswith("Not shown")), "")
    heads = lines[0] + lines[1]
    assert all(name in heads or name in told for name in names)


def test_values_lose_their_middle(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "terminal_width", lambda: 60)
    _, first, second = printed(
        capsys, [("1", {"name": "begin " + "x" * 90 + " end"}), ("2", {"name": "short"})]
    )
    assert "begin xxx" in first
    assert first.endswith("xxx end")
    assert "…" in first
    assert second.endswith("short")


def test_reasons_are_broken_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "terminal_width", lambda: 40)
    reason = "The JPEG is truncated, and " + "y" * 50 + " is the reason of it."
    common.table({"id": "id", "reason": "left"}, [("a.jpg", reason), ("b.jpg", "Gone.")])
    lines = capsys.readouterr().out.splitlines()
    assert all(cell_len(line) <= 40 for line in lines)
    told = "".join(line.removeprefix("a.jpg").strip() for line in lines[1:-1])
    assert told.replace(" ", "") == reason.replace(" ", "")
    assert lines[-1] == "b.jpg  Gone."


@pytest.mark.parametrize("text", ["日本語日本語", "abcdef", "é" * 9, "🙂🙂🙂🙂", "a日b本c"])
@pytest.mark.parametrize("width", [1, 2, 3, 5, 8])
def test_cut_and_broken_keep_to_the_width(text: str, width: int) -> None:
    assert cell_len(tables.cut(text, width)) <= width
    pieces = tables.broken(text, max(width, 2))
    assert "".join(pieces) == text
    assert all(cell_len(piece) <= max(width, 2) for piece in pieces)
