"""The note in a data folder that names the encoder, to open it again."""

from __future__ import annotations

from pathlib import Path

FILE_NAME = "encoder"
_LONGEST = 8192


def encoder_name(data: Path) -> str | None:
    """The encoder that the folder names; None if it names none, or not readably."""
    file = data / FILE_NAME
    try:
        with file.open("rb") as opened:
            name = opened.read(_LONGEST + 1).decode()
    except (OSError, UnicodeDecodeError):
        return None
    return name if name and name.isprintable() and len(name) <= _LONGEST else None
