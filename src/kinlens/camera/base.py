"""The seam for cameras: something that gives frames until it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from kinlens.types import Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a camera.

    Parameters
    ----------
    content : uint8 (height, width, 3), sRGB, upright; or an encoded picture, which is decoded
        only if the frame is looked at
    at : when it was taken, seconds since the epoch by this machine's clock
    name : what the source calls it, such as its file name; ""
    """

    content: Pixels | bytes = field(repr=False)
    at: float = field(default_factory=time.time)
    name: str = ""


class Source(Protocol):
    """Where frames come from."""

    @property
    def name(self) -> str:
        """What it is, for people; without passwords."""

    @property
    def endless(self) -> bool:
        """Whether an end of its frames is a loss, after which it is opened again."""

    def frames(self) -> Iterator[Frame]:
        """Open it and give frames as they come; called again to open it anew.

        Raises
        ------
        KinlensError : it can't be opened or read
        """

    def close(self) -> None:
        """End `frames` soon; called from another thread."""
