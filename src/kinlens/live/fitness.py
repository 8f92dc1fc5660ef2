"""Whether what a device sends can be compared with the catalog, and shown."""

from __future__ import annotations

from kinlens.errors import PictureError
from kinlens.images.jpeg import read_header
from kinlens.live.types import Sighting
from kinlens.search import Search

MAX_PICTURE = 65_536
"""Bytes of a picture to show; of a larger frame a smaller picture is made."""

PICTURE_SIDE = 320
MAX_SIDE = 2048
"""Pixels: few bytes may be a picture that fills the memory of the browser that shows it."""


def misfit(sighting: Sighting, search: Search, *, unnamed: bool) -> str | None:
    """Why a sighting's vector can't be compared with the catalog's; None if it can.

    Parameters
    ----------
    unnamed : whether vectors are taken that name no encoder
    """
    own = search.parts.catalog.encoder
    if sighting.fingerprint == own.fingerprint and len(sighting.vector) == own.dim:
        return None
    if sighting.fingerprint is None:
        if unnamed and len(sighting.vector) == own.dim:
            return None
        return (
            f"Sends vectors of {len(sighting.vector)} numbers that name no encoder; those of "
            f"the catalog have {own.dim}, by {own.name}. If they are of the same encoder, set "
            "live_unnamed = true."
        )
    return (
        f"Sends vectors of the encoder {sighting.fingerprint:.16}, of {len(sighting.vector)} "
        f"numbers; the catalog's are of {own.name} ({own.fingerprint:.16}), of {own.dim}; they "
        f"can't be compared. Start the device with --encoder {own.name}, or give the catalog "
        f"the device's encoder: `kinlens reencode --data {search.data} --encoder NAME`."
    )


def is_showable(picture: bytes) -> bool:
    """Whether a JPEG is small enough to be shown, and kept, as it came."""
    if len(picture) > MAX_PICTURE:
        return False
    try:
        header = read_header(picture)
    except PictureError:
        return False
    return 0 < max(header.width, header.height) <= MAX_SIDE
