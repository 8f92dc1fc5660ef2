"""Text of any script on pictures: each character by a font that has it, never an empty box."""

from __future__ import annotations

import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from itertools import groupby
from typing import TypeAlias

from PIL import ImageDraw, ImageFont

FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "msyh.ttc",
    "msgothic.ttc",
    "malgun.ttf",
    "PingFang.ttc",
    "Arial Unicode.ttf",
    "unifont.otf",
)
"""Tried in this order, of Linux, macOS and Windows, for what Pillow's own font doesn't have."""

_NO_CHARACTER = "\U0010fffe"
"""No font has it, so it is drawn as a font draws what is missing."""
_LONGEST_ASKING = 2.0

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Glyphs:
    """Writes lines of text.

    Parameters
    ----------
    size : of the fonts, in pixels
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._own: Font = ImageFont.load_default(size)
        self._font_of: dict[str, Font | None] = {}

    def readable(self, text: str) -> str:
        """The text in characters that can be written here, blanks and controls as one blank.

        A letter that no font has loses its accents, or becomes the sound that Unicode names it by;
        what has neither becomes its number, such as [4E2D].
        """
        plain = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text)
        composed = unicodedata.normalize("NFC", " ".join(plain.split()))
        return "".join(c if self._font(c) else self._replaced(c) for c in composed)

    def width(self, text: str) -> float:
        """Pixels that a readable text takes."""
        return sum(font.getlength(part) for font, part in self._runs(text))

    def write(
        self,
        draw: ImageDraw.ImageDraw,
        place: tuple[int, int],
        text: str,
        color: tuple[int, int, int],
    ) -> None:
        """Draw a readable text, from its left end at the height of its middle."""
        left: float = place[0]
        for font, part in self._runs(text):
            anchor = "lm" if isinstance(font, ImageFont.FreeTypeFont) else None
            draw.text((left, place[1]), part, color, font, anchor=anchor)
            left += font.getlength(part)

    @cached_property
    def _fonts(self) -> list[ImageFont.FreeTypeFont]:
        found = []
        for name in FONTS:
            with suppress(OSError):
                found.append(ImageFont.truetype(name, self._size))
        return found

    def _runs(self, text: str) -> Iterator[tuple[Font, str]]:
        for font, part in groupby(text, key=lambda char: self._font(char) or self._own):
            yield font, "".join(part)

    def _font(self, char: str) -> Font | None:
        if char.isascii():
            return self._own
        if char not in self._font_of:
            able = (font for font in self._fonts if has_glyph(font, char))
            self._font_of[char] = next(able, None) or self._installed(char)
        return self._font_of[char]

    def _installed(self, char: str) -> Font | None:
        """Another font of this system that has the character."""
        for file in _files_with(char) if FONTS else []:
            with suppress(OSError):
                font = ImageFont.truetype(file, self._size)
                if has_glyph(font, char):
                    self._fonts.append(font)
                    return font
        return None

    def _replaced(self, char: str) -> str:
        parts = unicodedata.normalize("NFKD", char)
        bare = "".join(part for part in parts if not unicodedata.combining(part))
        if bare and bare.isascii():
            return bare
        name = unicodedata.name(char, "")
        if any(word in name for word in (" LETTER ", " SYLLABLE ")) and name.split()[-1].isascii():
            sound = name.split()[-1].lower()
            return sound.capitalize() if "CAPITAL" in name else sound
        return f"[{ord(char):X}]" if not unicodedata.combining(char) else ""


def has_glyph(font: ImageFont.FreeTypeFont, char: str) -> bool:
    """Whether a font draws a character other than what it lacks."""
    drawn, missing = font.getmask(char), font.getmask(_NO_CHARACTER)
    return drawn.size != missing.size or bytes(drawn) != bytes(missing)


def _files_with(char: str) -> list[str]:
    """Files of fonts that have a character, by fontconfig where it is installed."""
    command = shutil.which("fc-list")
    if command is None:
        return []
    with suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(
            [command, f":charset={ord(char):x}:scalable=true", "file"],
            capture_output=True,
            text=True,
            timeout=_LONGEST_ASKING,
            check=True,
        )
        return sorted(line.strip().rstrip(":") for line in listed.stdout.splitlines())[:20]
    return []
