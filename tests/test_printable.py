"""Texts that can't command a terminal, and that a database takes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinlens.printable import escaped, escaped_json, is_unicode, storable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Größe 日本 👩‍👧", "plain Größe 日本 👩‍👧"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nb\tc\rd\0", r"a\nb\tc\rd\x00"),
        ("\x7f\x08", r"\x7f\x08"),
        ("gpj.\u202egnp", r"gpj.\u202egnp"),
        ("\u2028\ud800\udcff", r"\u2028\ud800\udcff"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str):
    assert escaped(text) == shown


def test_line_feeds_may_stay():
    assert escaped("a\nb\r", lines=True) == "a\nb\\r"


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_printed_and_kept(text: str):
    shown = escaped(text)
    assert is_unicode(shown)
    assert not any(char < " " or "\x7f" <= char <= "\x9f" for char in shown)
    assert is_unicode(storable(text))
    document = escaped_json(json.dumps({text: text}, ensure_ascii=False, indent=1))
    assert json.loads(document) == {text: text}
    assert is_unicode(document)
    assert "\x1b" not in document
    assert "\x9b" not in document
