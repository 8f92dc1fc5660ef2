"""The models that are known by name: rows of models.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kinlens.encoders.bundle import Bundle, read_bundle
from kinlens.encoders.hub import HubReference, fetch_bundle

_HERE = Path(__file__).parent
_BUNDLED = "bundled:"


@dataclass(frozen=True, slots=True)
class Model:
    """A row of models.toml.

    Parameters
    ----------
    name : what `open_encoder` knows it by
    source : "bundled:FOLDER" or "hf://owner/name@REVISION#sha256=DIGEST"
    license : SPDX identifier
    dim : length of its vectors
    size : side of its input, in pixels
    note : what it is good for
    """

    name: str
    source: str
    license: str
    dim: int
    size: int
    note: str

    def read(self) -> Bundle:
        """Its bundle, fetched if need be."""
        if self.source.startswith(_BUNDLED):
            return read_bundle(_HERE / "bundled" / self.source.removeprefix(_BUNDLED))
        return fetch_bundle(HubReference.parse(self.source))


@cache
def list_models() -> tuple[Model, ...]:
    """The models that are known by name, the default one first."""
    rows = tomllib.loads((_HERE / "models.toml").read_text(encoding="utf-8"))
    return tuple(Model(**row) for row in rows["models"])
