"""How a device looks, as a person sets it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from kinlens.camera.eye import SmallPicture
from kinlens.errors import InvalidInput
from kinlens.types import Crop


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a device does with its frames.

    Parameters
    ----------
    rate : frames a second at most; also the pace of a folder and of snapshots
    region : the part of each frame to look at; None for all
    follow : look at the largest thing that moves in it
    change : share of the picture that has to change, 0 to 1; 0 publishes every frame
    heartbeat : seconds after which a still scene is published again
    picture : what to publish beside the vector; None for nothing
    loop : begin a folder or a film again at its end

    Raises
    ------
    InvalidInput : a value that can't be used
    """

    rate: float = 15.0
    region: Crop | None = None
    follow: bool = False
    change: float = 0.01
    heartbeat: float = 2.0
    picture: SmallPicture | None = field(default_factory=SmallPicture)
    loop: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1000:
            raise InvalidInput(f"rate is frames a second, above 0 up to 1000; got {self.rate}.")
        if not 0 <= self.change <= 1:
            raise InvalidInput(
                f"change is the share of the picture that has to change, 0 to 1; got {self.change}."
            )
        if not 0 < self.heartbeat < math.inf:
            raise InvalidInput(f"heartbeat is in seconds, above 0; got {self.heartbeat}.")
