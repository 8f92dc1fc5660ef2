"""The text of a table in JSON: where its rows are, and the object that each is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from kinlens.printable import is_unicode
from kinlens.sources.rows import TOO_DEEP

ROW_LIMIT = 2**26
"""Bytes of one row; a picture of 20 MB as a data URL takes 27 million."""

CHUNK = 2**20
LONG_INTEGER = 300
"""Digits from which an integer stays a text; Python reads 4,300 at most."""

BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_TOKEN = re.compile(
    rb'"[^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*+(?:["\r\n]|\\[\r\n]|\\?\Z)|[\[\]{},]'
)
_ENDS = (b",", b"]")
_CLOSING = {b"]": b"[", b"}": b"{"}
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

_TOO_LONG = f"is longer than {ROW_LIMIT:,} bytes; keep pictures in files of their own."
CUT_OFF = "The file ends within the array; it was cut off, and rows may be missing behind this one."
TRAILING = "Something follows the end of the array; rows in it aren't read. Remove it."


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it is written.

    Parameters
    ----------
    number : of the line, or of the element in the array, from 1
    data : its bytes, without white space around them
    fault : what is wrong with the file here, instead of data
    """

    number: int
    data: bytes
    fault: str = ""


@dataclass(slots=True)
class Parsed:
    """A row as an object.

    Parameters
    ----------
    fields : None where it isn't an object
    fault : what is wrong with it, though it may be one
    doubled : names that stand in one object twice
    """

    fields: dict[str, Any] | None = None
    fault: str = ""
    doubled: list[str] = field(default_factory=list)


def is_array(file: BinaryIO, *, lines: bool) -> bool:
    """Whether the file begins like an array of objects.

    Parameters
    ----------
    lines : as far as is known, each line is an object; then only "[" and "{" begin an array
    """
    head = file.read(CHUNK).removeprefix(BOM).lstrip(_BLANK)
    return head[:1] == b"[" and (not lines or head[1:].lstrip(_BLANK)[:1] == b"{")


def rows_of_lines(file: BinaryIO) -> Iterator[Row]:
    """Each line that isn't empty; lines end in LF, CRLF or, where the file has no LF, in CR."""
    head = file.read(CHUNK)
    file.seek(0)
    end = b"\r" if b"\r" in head and b"\n" not in head else b"\n"
    for number, line in enumerate(_lines(file, end), 1):
        data = (line.removeprefix(BOM) if number == 1 else line).strip(_BLANK)
        if len(line) > ROW_LIMIT:
            yield Row(number, b"", f"The line {_TOO_LONG}")
        elif data:
            yield Row(number, data)


def _lines(file: BinaryIO, end: bytes) -> Iterator[bytes]:
    """Lines without what ends them; of one over the limit, the beginning."""
    left = b""
    while chunk := file.read(CHUNK):
        first, *others = chunk.split(end)
        # What is over the limit is known to be so by one byte more.
        left += first[: ROW_LIMIT + 1 - len(left)]
        if others:
            yield left
            yield from others[:-1]
            left = others[-1]
    yield left


def rows_of_array(file: BinaryIO) -> Iterator[Row]:
    """Each element of the array that the file holds, found by its brackets, commas and strings.

    What isn't JSON within one element doesn't keep the others from being read: a string ends with
    its line, and a bracket closes all that were opened after its own. Memory holds one element.
    """
    array = _Array(file)
    number = 0
    while (data := array.next()) is not None:
        number += 1
        if not data:
            if number == 1 and array.ended:
                number = 0
            else:
                yield Row(number, b"", "Nothing stands beside this comma; remove it.")
        else:
            yield Row(number, data)
    if array.fault:
        yield Row(number + 1, b"", array.fault)


class _Array:
    """Splits the array of a file at the commas between its elements."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._buffer = b""
        self._start = self._at = 0
        self._whole = False
        self._open: list[bytes] = [b"["]
        self._counts = {b"[": 1, b"{": 0}
        self.ended = False
        self.fault = ""
        self._fill()
        self._buffer = self._buffer.removeprefix(BOM).lstrip(_BLANK)[1:]

    def next(self) -> bytes | None:
        """The next element, which may be empty; None at the end, where `fault` may say more."""
        while not (self.ended or self.fault):
            found = _TOKEN.search(self._buffer, self._at)
            if not self._whole and (found is None or found.end() == len(self._buffer)):
                self._at = len(self._buffer) if found is None else found.start()
                self._fill()
                if len(self._buffer) > ROW_LIMIT:
                    self.fault = f"The element {_TOO_LONG} What lies behind it isn't read."
                continue
            if found is None:
                self.fault = CUT_OFF
                rest = self._buffer[self._start :].strip(_BLANK)
                return rest if len(self._open) == 1 and rest else None
            self._at = found.end()
            if self._ends_element(found[0]):
                element = self._buffer[self._start : found.end()].strip(_BLANK)
                self._start = self._at
                return element[: -len(b",")].rstrip(_BLANK) if found[0] in _ENDS else element
        return None

    def _ends_element(self, token: bytes) -> bool:
        if token.endswith((b"\r", b"\n")):
            return self._ends_with_its_line(token)
        if token in (b"[", b"{"):
            self._open.append(token)
            self._counts[token] += 1
        elif token == b",":
            return len(self._open) == 1
        elif token in _CLOSING and self._counts[_CLOSING[token]]:
            self._close(_CLOSING[token])
            if not self._open:
                self.ended = True
                self._check_rest()
                return True
        return False

    def _ends_with_its_line(self, string: bytes) -> bool:
        """What to make of a string that isn't closed, and may hold the end of its object."""
        text = string.rstrip(_BLANK)
        if text.endswith((b"}", b"},")):
            self._open, self._counts = [b"["], {b"[": 1, b"{": 0}
        return text.endswith(b"},")

    def _close(self, opening: bytes) -> None:
        while True:
            last = self._open.pop()
            self._counts[last] -= 1
            if last == opening:
                return

    def _check_rest(self) -> None:
        rest = self._buffer[self._at :]
        while not rest.strip(_BLANK):
            rest = self._file.read(CHUNK)
            if not rest:
                return
        self.fault = TRAILING

    def _fill(self) -> None:
        kept = self._buffer[self._start :]
        more = self._file.read(max(CHUNK, len(kept)))
        self._whole = not more
        self._buffer = kept + more
        self._at -= self._start
        self._start = 0


class ObjectParser:
    """Reads rows as objects.

    Numbers that 64 bits can't hold stay texts, as they are written. NaN and infinities, which
    aren't JSON but are written by many programs, count as missing.
    """

    def __init__(self) -> None:
        self._doubled: list[str] = []
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_int=_integer, parse_float=_float
        )

    def parse(self, data: bytes) -> Parsed:
        """The object of a row, or what is wrong with it."""
        self._doubled = []
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            return Parsed(None, "The row isn't UTF-8; save the table in that encoding.")
        try:
            value = self._decoder.decode(text)
        except json.JSONDecodeError as error:
            shown = text[error.pos : error.pos + 20]
            return Parsed(None, f"The row isn't a JSON object: {error.msg} at {shown!r}.")
        except RecursionError:
            return Parsed(None, TOO_DEEP)
        if not isinstance(value, dict):
            return Parsed(None, 'The row isn\'t a JSON object, such as {"id": "7"}.')
        return Parsed(value, self._fault(value, data), self._doubled)

    def _fault(self, value: dict[str, Any], data: bytes) -> str:
        if self._doubled:
            return f"One object has the field {self._doubled[0]!r} twice; remove one of them."
        if _ESCAPED_SURROGATE.search(data) and not is_unicode(_written(value)):
            return (
                "A name or a text of the row isn't valid Unicode: it has half of a surrogate pair, "
                "such as \\ud800. Write the whole character."
            )
        return ""

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            self._doubled += [name for name in found if names.count(name) > 1]
        return found


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) < LONG_INTEGER else digits


def _float(written: str) -> float | str:
    number = float(written)
    return number if math.isfinite(number) else written


def _written(value: Any) -> str:
    """All names and texts of a value in one."""
    parts: list[str] = []
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, str):
            parts.append(part)
        elif isinstance(part, dict):
            left += [*part, *part.values()]
        elif isinstance(part, list):
            left += part
    return "".join(f"{part}\n" for part in parts)
