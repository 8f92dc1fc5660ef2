"""How large a picture may be, and the errors that say so."""

from __future__ import annotations

from dataclasses import dataclass

from kinlens.errors import BrokenPicture, PictureTooLarge


@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture may cost.

    Parameters
    ----------
    max_bytes : largest encoded picture, in bytes
    max_pixels : largest picture, width x height in pixels
    timeout : seconds a guarded decoder may take before it is killed
    """

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    timeout: float = 10.0


DEFAULT_LIMITS = Limits()


def check_bytes(size: int, limits: Limits, *, at_least: bool = False) -> None:
    """Raise `PictureTooLarge` if `size` bytes are over the limit.

    `at_least` says that reading stopped at `size`, so that the picture may be larger still.
    """
    if size > limits.max_bytes:
        came = f"at least {size:,}" if at_least else f"{size:,}"
        raise PictureTooLarge(
            f"A picture may have at most {limits.max_bytes:,} bytes (max_bytes); this one has "
            f"{came}. Use a smaller file or raise the limit."
        )


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise `PictureTooLarge` if the picture is over the limit, `BrokenPicture` if it is empty."""
    if width <= 0 or height <= 0:
        raise BrokenPicture(
            f"A picture has a width and a height; this one says {width} x {height}."
        )
    if width * height > max_pixels:
        raise PictureTooLarge(
            f"A picture may have at most {max_pixels:,} pixels (max_pixels); this one has "
            f"{width:,} x {height:,} = {width * height:,}. Scale it down or raise the limit."
        )
