"""Text from files and tables, made safe for a terminal and for a database."""

from __future__ import annotations

import re

# Control characters but line feed, then what changes the direction or the lines of a text, then
# surrogates. A terminal obeys ESC and the C1 controls; U+009B begins a command as ESC [ does.
_ACTIVE = "\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_UNSAFE = re.compile(f"[{_ACTIVE}]")
_UNSAFE_OR_LINES = re.compile(f"[{_ACTIVE}\n]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(text: str, *, lines: bool = False) -> str:
    r"""The text with control characters as escapes such as ``\x1b``, for a terminal.

    Characters that change the direction of a text and lone surrogates are escaped as well.

    Parameters
    ----------
    lines : keep line feeds
    """
    return (_UNSAFE if lines else _UNSAFE_OR_LINES).sub(_escape, text)


def escaped_json(document: str) -> str:
    r"""A JSON document with these characters as ``\uXXXX``, which means the same."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", document)


def storable(text: str) -> str:
    r"""The text in valid Unicode: lone surrogates, such as bytes of a file name, as ``\udcff``."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def is_unicode(text: str) -> bool:
    """Whether UTF-8 can write the text: no lone surrogate is in it."""
    # Most texts are ASCII, which is known without a look at each character.
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    return _SHORT.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
