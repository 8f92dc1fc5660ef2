"""Which representation a client takes: content codings and entity tags (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Iterable

_QUALITY = re.compile(r"q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[^"]*")')


def qualities(lines: Iterable[str]) -> tuple[float, float]:
    """How much a client wants gzip, and no coding, each from 0 (not acceptable) to 1.

    Parameters
    ----------
    lines : values of Accept-Encoding; none or an empty one asks for no coding. An entry with a
        malformed weight counts as refused
    """
    weights: dict[str, float] = {}
    for entry in ",".join(lines).split(","):
        coding, *parameters = (part.strip().lower() for part in entry.split(";"))
        if coding:
            weights[coding] = _weight(parameters)
    rest = weights.get("*")
    gzip = weights.get("gzip", weights.get("x-gzip", rest or 0.0))
    # Without an entry for it, no coding is acceptable unless "*;q=0" refuses what isn't listed.
    identity = weights.get("identity", 0.001 if rest is None else rest)
    return gzip, identity


def _weight(parameters: list[str]) -> float:
    if not parameters:
        return 1.0
    found = _QUALITY.fullmatch(parameters[0])
    return float(found[1]) if found else 0.0


def is_current(lines: Iterable[str], tag: str) -> bool:
    """Whether a value of If-None-Match names this tag, compared weakly; "*" names all."""
    header = ",".join(lines).strip()
    return header == "*" or tag in _TAG.findall(header)
