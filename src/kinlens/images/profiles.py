"""Recognizing sRGB in an ICC profile, so that most pictures need no color conversion."""

from __future__ import annotations

import struct
from functools import lru_cache

# Colorants of sRGB adapted to D50 (IEC 61966-2-1 with the ICC's Bradford adaptation).
_COLORANTS = {
    b"rXYZ": (0.4361, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7141),
}
_CURVES = (b"rTRC", b"gTRC", b"bTRC")
_PROBES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9)
_MAX_TAGS = 100
_LARGEST_SRGB = 65_536
"""Bytes; the largest in use has 61 kB. What is larger would also fill the cache below."""


def needs_conversion(profile: bytes) -> bool:
    """Whether a picture with this profile (b"" for none) isn't sRGB already."""
    return bool(profile) and (len(profile) > _LARGEST_SRGB or not is_srgb(profile))


@lru_cache(maxsize=64)
def is_srgb(profile: bytes) -> bool:
    """Whether an ICC profile means sRGB, by its numbers and not by its name.

    Colorants may differ by 0.002, the tone curve by 0.002 of linear light, which is less than
    a level of 255. A profile that can't be read isn't sRGB.
    """
    try:
        tags = _tags(profile)
        if profile[16:20] != b"RGB " or b"A2B0" in tags:
            return False
        return all(
            _is_colorant(profile, tags[name], xyz) for name, xyz in _COLORANTS.items()
        ) and all(_is_srgb_curve(profile, offset) for offset in {tags[name] for name in _CURVES})
    except (struct.error, KeyError, IndexError, TypeError, ValueError, ArithmeticError):
        return False


def _tags(profile: bytes) -> dict[bytes, int]:
    (count,) = struct.unpack_from(">I", profile, 128)
    if count > _MAX_TAGS:
        raise ValueError("too many tags")
    rows = (struct.unpack_from(">4sI", profile, 132 + 12 * row) for row in range(count))
    return dict(rows)


def _is_colorant(profile: bytes, offset: int, expected: tuple[float, float, float]) -> bool:
    fixed = struct.unpack_from(">3i", profile, offset + 8)
    return all(abs(a / 65536 - b) <= 0.002 for a, b in zip(fixed, expected, strict=True))


def _is_srgb_curve(profile: bytes, offset: int) -> bool:
    return all(abs(_curve(profile, offset, x) - _srgb(x)) <= 0.002 for x in _PROBES)


def _srgb(x: float) -> float:
    return x / 12.92 if x <= 0.04045 else float(((x + 0.055) / 1.055) ** 2.4)


def _curve(profile: bytes, offset: int, x: float) -> float:
    if profile[offset : offset + 4] == b"para":
        return _parametric(profile, offset, x)
    (count,) = struct.unpack_from(">I", profile, offset + 8)
    if count == 0:
        return x
    if count == 1:
        return float(x ** (struct.unpack_from(">H", profile, offset + 12)[0] / 256))
    place = x * (count - 1)
    below = int(place)
    low, high = struct.unpack_from(">2H", profile, offset + 12 + 2 * below)
    return float(low + (high - low) * (place - below)) / 65535


def _parametric(profile: bytes, offset: int, x: float) -> float:
    """Function types 0, 3 and 4 of ICC.1:2022, table 68; the others aren't used for sRGB."""
    (kind,) = struct.unpack_from(">H", profile, offset + 8)
    length = {0: 1, 3: 5, 4: 7}[kind]
    fixed = struct.unpack_from(f">{length}i", profile, offset + 12)
    g, a, b, c, d, e, f = ([v / 65536 for v in fixed] + [1, 0, 0, 0, 0, 0][length - 1 :])[:7]
    return float((a * x + b) ** g + e) if x >= d else c * x + f
