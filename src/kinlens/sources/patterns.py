"""Patterns of what is left out of a folder, such as ``*_thumb.jpg`` or ``/drafts/``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kinlens.errors import InvalidInput
from kinlens.printable import is_unicode

MAX_LENGTH = 1000
_SET = re.compile(r"\[(!?)(\][^\]/*]*|[^\]/*]+)\]")


class Patterns:
    """Tells whether a path within a source is excluded, by rules like those of ``.gitignore``.

    A pattern without a slash, but at its end, is compared with the name of each file and folder;
    one with a slash with the whole path within the source. ``*`` and ``?`` stand for any characters
    but slashes, ``**`` for any folders, ``[ab]`` for one of these, ``[!ab]`` for any other;
    a slash at the end keeps a pattern to folders. What is below an excluded folder is excluded too.

    Parameters
    ----------
    patterns : see `check_pattern`
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        chosen = [check_pattern(pattern) for pattern in patterns]
        of_folders = [_expression(pattern) for pattern in chosen]
        of_files = [_expression(pattern) for pattern in chosen if not pattern.endswith("/")]
        self._folders = _any_of(of_folders)
        self._files = _any_of(of_files)

    def excludes(self, path: str, *, folder: bool) -> bool:
        """Whether the path, with slashes and none at its ends, is excluded by itself."""
        chosen = self._folders if folder else self._files
        return chosen is not None and chosen.fullmatch(path) is not None


def check_pattern(pattern: str) -> str:
    """The pattern, if it is one.

    Raises
    ------
    InvalidInput : it is empty, too long, or holds what no path has
    """
    if not _is_pattern(pattern):
        raise InvalidInput(
            "A pattern of --exclude is compared with names, such as '*_thumb.jpg', or with paths "
            f"within the source, such as 'drafts/**/*.png'; got {pattern!r:.80}."
        )
    return pattern


def _is_pattern(pattern: str) -> bool:
    if not pattern.strip("/") or len(pattern) > MAX_LENGTH:
        return False
    if "\0" in pattern or not is_unicode(pattern):
        return False
    try:
        re.compile(_expression(pattern))
    except re.error:  # such as [z-a]
        return False
    return True


def _any_of(expressions: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(expressions), re.DOTALL) if expressions else None


def _expression(pattern: str) -> str:
    body = pattern.rstrip("/")
    parts = body.lstrip("/").split("/")
    if "/" not in body:
        parts = ["**", *parts]
    *above, name = parts
    leading = "".join("(?:[^/]+/)*" if part == "**" else f"{_name(part)}/" for part in above)
    # "a/**" is all that lies below a.
    return leading + (".+" if name == "**" else _name(name))


def _name(part: str) -> str:
    """The expression of one name of a path."""
    first, *others = (_literal(piece) for piece in re.split(r"\*+", part))
    if not others:
        return first
    # Each piece where it first fits, for good: patterns of many stars take no longer.
    middle = "".join(f"(?>[^/]*?{piece})" for piece in others[:-1])
    return f"{first}{middle}[^/]*{others[-1]}"


def _literal(piece: str) -> str:
    """The expression of a part of a name that has no star."""
    written = ""
    place = 0
    while place < len(piece):
        found = _SET.match(piece, place)
        if found:
            chars = re.sub(r"([\\^\[\]&~|])", r"\\\1", found[2])
            written += f"[{'^/' if found[1] else ''}{chars}]"
            place = found.end()
        else:
            written += "[^/]" if piece[place] == "?" else re.escape(piece[place])
            place += 1
    return written
